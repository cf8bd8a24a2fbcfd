// A lane's program: its output goes to the terminal as it comes, it has a time limit, and it never outlives the run.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { onProcessEnd } from "../edges/cleanup.ts";
import { REPOSITORY } from "../edges/machine.ts";

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** False: the output is only returned. */
  readonly show?: boolean;
}

export interface ProgramResult {
  readonly ok: boolean;
  /** Standard output. */
  readonly output: string;
}

/** Runs argv in a process group of its own, from the repository. A time limit that is passed is a failure. */
export async function runProgram(argv: readonly string[], options: ProgramOptions): Promise<ProgramResult> {
  const [command = "", ...rest] = argv;
  const child = spawn(command, rest, {
    cwd: REPOSITORY,
    detached: true,
    // NODE_TEST_CONTEXT would make an inner `node --test` believe that it is a file of an outer one.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const killGroup = (): void => {
    if (child.pid !== undefined) killQuietly(-child.pid);
  };
  const forget = onProcessEnd(killGroup);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (options.show !== false) process.stdout.write(chunk);
  });
  const timer = setTimeout(() => {
    process.stdout.write(`${command}: stopped after ${options.timeoutMs / 1000} s\n`);
    killGroup();
  }, options.timeoutMs);
  try {
    const [code] = await once(child, "close");
    return { ok: code === 0, output };
  } catch (error) {
    process.stdout.write(`cannot start ${command}: ${String(error)}\n`);
    return { ok: false, output };
  } finally {
    clearTimeout(timer);
    forget();
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGTERM"); // the tests take away what they made
    setTimeout(() => process.kill(pid, "SIGKILL"), 5_000).unref();
  } catch {
    // It is gone.
  }
}
