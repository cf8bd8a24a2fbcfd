// A set of fresh namespaces (mount, PID, network) with one waiting first process, and programs run inside them.
// Everything inside ends with the first process, and that ends with this test process, however that ends.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { onProcessEnd } from "./cleanup.ts";

export interface RunOptions {
  /** Added to a small fixed environment: nothing of the test process's own leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Called with everything it writes, as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface ExecOptions extends RunOptions {
  /** 60 s unless told. */
  readonly timeoutMs?: number;
  /** False: a failure is an answer, not an exception. */
  readonly reject?: boolean;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + signal number when a signal ended it. */
  readonly exitCode: number;
}

/** A program that goes on running inside. Killed with its sandbox at the latest. */
export interface Running {
  /** As the test process sees it: for process.kill and /proc. */
  readonly pid: number;
  /** As the programs inside see it. */
  readonly pidInside: number;
  /** Everything it wrote so far, standard output and standard error as they came. */
  output(): string;
  /** Sends a signal to the program itself (SIGTERM unless told); nothing when it has ended. */
  kill(signal?: NodeJS.Signals): void;
  readonly exited: Promise<{ readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface Sandbox {
  /** The first process inside, as the test process sees it. */
  readonly pid: number;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  spawn(argv: readonly string[], options?: RunOptions): Promise<Running>;
  /** Ends every process inside; resolves when they are gone. */
  stop(): Promise<void>;
}

export interface SandboxOptions {
  /** "own": a network namespace with loopback up; "shared": that of the test process. */
  readonly network: "own" | "shared";
  /** Arguments of machine-init.sh. */
  readonly init: readonly string[];
}

const INIT_SCRIPT = join(import.meta.dirname, "machine-init.sh");
const START_TIMEOUT_MS = 30_000;
const EXEC_TIMEOUT_MS = 60_000;
const POLL_MS = 2;

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LC_ALL: "C.UTF-8",
};

/** Starts the namespaces. Throws with what the first process said when they cannot be made (not root, a container). */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"];
  if (options.network === "own") unshare.push("--net");
  const outer = spawn("setpriv", ["--pdeathsig", "KILL", ...unshare, "sh", INIT_SCRIPT, ...options.init], {
    env: ENVIRONMENT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const forget = onProcessEnd(() => outer.kill("SIGKILL"));
  const closed = once(outer, "close");
  await untilReady(outer, closed);
  const pid = childOf(outer.pid ?? 0);
  if (pid === null) throw new Error("cannot start a sandbox: its first process ended at once");
  const enter = [
    "--target",
    String(pid),
    "--mount",
    "--pid",
    "--root",
    ...(options.network === "own" ? ["--net"] : []),
  ];
  if (options.network === "own") await exec(enter, ["ip", "link", "set", "lo", "up"], {});
  return {
    pid,
    exec: (argv, execOptions = {}) => exec(enter, argv, execOptions),
    spawn: (argv, runOptions = {}) => spawnInside(enter, argv, runOptions),
    stop: async () => {
      // The first process, not unshare: unshare then reaps it, and no zombie is left where nobody reaps orphans.
      if (outer.exitCode === null && outer.signalCode === null) process.kill(pid, "SIGKILL");
      await closed;
      forget();
    },
  };
}

async function untilReady(outer: ChildProcess, closed: Promise<unknown>): Promise<void> {
  let said = "";
  let complained = "";
  outer.stderr?.on("data", (chunk: Buffer) => (complained += chunk.toString()));
  const ready = new Promise<void>((resolve) => {
    outer.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ready\n")) resolve();
    });
  });
  const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
  const timedOut = once(deadline, "abort").then(() => "timeout");
  const outcome = await Promise.race([ready.then(() => "ready"), closed.then(() => "ended"), timedOut]);
  if (outcome === "ready") return;
  outer.kill("SIGKILL");
  throw new Error(
    `cannot start a sandbox (${outcome}): ${complained.trim() || "no message"}. It needs root and namespaces`,
  );
}

async function exec(enter: readonly string[], argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
  const child = start(enter, argv, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const timeoutMs = options.timeoutMs ?? EXEC_TIMEOUT_MS;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
    child.stdout?.destroy(); // a daemon it left behind may hold them open for ever
    child.stderr?.destroy();
  }, timeoutMs);
  const [code] = (await once(child, "close")) as [number | null]; // the arguments of "close": code, signal
  clearTimeout(timer);
  const exitCode = code ?? 137;
  if ((exitCode !== 0 || late) && options.reject !== false) {
    const why = late ? `took longer than ${timeoutMs} ms` : `exit code ${exitCode}`;
    throw new Error(`${argv.join(" ")}: ${why}\n${stderr}${stdout}`);
  }
  return { stdout, stderr, exitCode };
}

async function spawnInside(enter: readonly string[], argv: readonly string[], options: RunOptions): Promise<Running> {
  const child = start(enter, argv, options);
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const exited = once(child, "close").then(([exitCode, signal]) => ({ exitCode, signal }));
  const pid = await innerPid(child);
  if (pid === null) throw new Error(`${argv.join(" ")} ended at once\n${(await exited, output)}`);
  return {
    pid,
    pidInside: pidInside(pid),
    output: () => output,
    kill: (signal = "SIGTERM") => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      try {
        process.kill(pid, signal);
      } catch {
        // It ended between the check and the signal.
      }
    },
    exited,
  };
}

/** nsenter forks into the PID namespace; setpriv on both sides so that killing nsenter ends the program too. */
function start(enter: readonly string[], argv: readonly string[], options: RunOptions): ChildProcess {
  const directory = options.cwd === undefined ? [] : [`--wdns=${options.cwd}`];
  const inside = ["setpriv", "--pdeathsig", "KILL", "--", ...argv];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "nsenter", ...enter, ...directory, "--", ...inside], {
    env: { ...ENVIRONMENT, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined); // a program that does not read its input may close it
  child.stdin?.end(options.input ?? "");
  if (options.onOutput) {
    const { onOutput } = options;
    child.stdout?.on("data", (chunk: Buffer) => onOutput(chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => onOutput(chunk.toString()));
  }
  return child;
}

/** The program behind nsenter, once setpriv has become it. Null when it has ended already. */
async function innerPid(child: ChildProcess): Promise<number | null> {
  while (child.exitCode === null && child.signalCode === null) {
    const pid = childOf(child.pid ?? 0);
    if (pid !== null && commandOf(pid) !== "setpriv" && commandOf(pid) !== "nsenter") return pid;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return null;
}

function childOf(pid: number): number | null {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0];
    return first ? Number(first) : null;
  } catch {
    return null;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

function pidInside(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? pid);
}
