// The command as a process, for tests.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export const CLI = join(import.meta.dirname, "../../../agent/cli.ts");

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Runs it to its end, away from the agent and the configuration of this machine. */
export function runCli(args: readonly string[], { env = {}, cwd, stdin = "" }: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", HEADGATE_STATE_DIR: "/nonexistent", ...env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const written = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (written.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (written.err += text));
  child.stdin.end(stdin);
  const { promise, resolve } = Promise.withResolvers<Ran>();
  child.once("close", (code) => resolve({ code, ...written }));
  return promise;
}

/** A folder of its own, gone after the test. */
export async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "headgate-cli-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
