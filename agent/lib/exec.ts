// Every external command goes through here: absolute path, argv, a time limit, limited output, no shell.

import { isAbsolute } from "node:path";
import { execa } from "execa";
import { errorText } from "./errors.ts";

export interface CommandOptions {
  /** Limit of the whole run; then SIGTERM, and SIGKILL five seconds later. */
  readonly timeoutMs: number;
  /** Limit of each of standard output and standard error; a command that writes more is ended. */
  readonly outputBytesMax?: number;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  /** Added to the environment of the agent; LC_ALL is always C. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given on standard input; nothing otherwise. */
  readonly input?: string;
}

/** How a command ended. `exited` says nothing about success: look at `exitCode`. */
export type CommandResult =
  | { readonly kind: "exited"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | {
      /** `not-started`: no such file, not executable. */
      readonly kind: "not-started" | "timed-out" | "aborted" | "too-much-output" | "killed";
      readonly reason: string;
      readonly stdout: string;
      readonly stderr: string;
    };

const OUTPUT_BYTES_MAX = 1024 * 1024;
const KILL_AFTER_MS = 5000;

/**
 * Runs a command to its end. Never throws for what the command does; throws TypeError for a relative path,
 * because what a PATH lookup finds is not ours to trust.
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  if (!isAbsolute(file)) throw new TypeError(`cannot run ${file}: the path of a command must be absolute`);
  const result = await execa(file, args, {
    reject: false,
    shell: false,
    timeout: options.timeoutMs,
    maxBuffer: options.outputBytesMax ?? OUTPUT_BYTES_MAX,
    forceKillAfterDelay: KILL_AFTER_MS,
    env: { ...options.env, LC_ALL: "C" },
    encoding: "utf8",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
  });
  const output = { stdout: text(result.stdout), stderr: text(result.stderr) };
  if (result.isCanceled) return { kind: "aborted", reason: "given up", ...output };
  if (result.timedOut) return { kind: "timed-out", reason: `no end within ${options.timeoutMs} ms`, ...output };
  if (result.isMaxBuffer) return { kind: "too-much-output", reason: "more output than allowed", ...output };
  if (result.exitCode !== undefined) return { kind: "exited", exitCode: result.exitCode, ...output };
  if (result.signal !== undefined) return { kind: "killed", reason: `ended by ${result.signal}`, ...output };
  return { kind: "not-started", reason: startFailure(result.cause ?? result), ...output };
}

/** The last lines that a command wrote to standard error, for a message. */
export function lastLines(output: string, count: number): string {
  return output.trim().split("\n").slice(-count).join("\n");
}

function text(output: unknown): string {
  return typeof output === "string" ? output : "";
}

function startFailure(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES") return "not executable";
  return errorText(thrown).split("\n")[0] ?? "cannot start";
}
