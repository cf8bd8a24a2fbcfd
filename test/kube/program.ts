// A program of a test cluster: its output goes to a file in the cluster's directory, and it never outlives the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onProcessEnd } from "../edges/cleanup.ts";

export interface Program {
  readonly pid: number;
  running(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it has ended; fine when it had. */
  kill(signal: NodeJS.Signals): Promise<void>;
  lastLines(): string;
}

const LAST_LINES = 30;

/** Starts argv with `<directory>/<name>.log` as its output (appended). */
export function startProgram(name: string, argv: readonly string[], directory: string): Program {
  const log = join(directory, `${name}.log`);
  const output = openSync(log, "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", ...argv], {
    stdio: ["ignore", output, output],
    cwd: directory,
  });
  closeSync(output);
  const closed = once(child, "close");
  const forget = onProcessEnd(() => child.kill("SIGKILL"));
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    running,
    signal: (signal) => {
      child.kill(signal);
    },
    kill: async (signal) => {
      if (running()) child.kill(signal);
      await closed;
      forget();
    },
    lastLines: () => readFileSync(log, "utf8").split("\n").slice(-LAST_LINES).join("\n"),
  };
}
