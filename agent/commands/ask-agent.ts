// Asking the agent over its unix socket.

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { PLAN_BYTES_MAX } from "../api/wire.ts";
import type { AcceptReport, AcceptRequest, PlanReport, PlanRequest, WireError } from "../api/wire.ts";
import { defaultAgentSocket, defaultRunDir, defaultStateDir } from "../lib/default-paths.ts";
import { AgentError, errorText } from "../lib/errors.ts";
import type { CommandInput } from "./command.ts";

const ANSWER_MS_MAX = 5000;
/** A plan may wait for others, and yields to pushes. */
const PLAN_MS_MAX = 120_000;
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The socket of --socket, HEADGATE_SOCKET, --state-dir or HEADGATE_STATE_DIR, else where an agent of this user keeps
 * it, else where the one of root does.
 */
export function findSocket(input: Pick<CommandInput, "text" | "context">): string {
  const { env, uid } = input.context;
  const socket =
    input.text("socket") ?? (input.text("state-dir") === undefined ? given(env["HEADGATE_SOCKET"]) : undefined);
  if (socket !== undefined) return resolve(socket);
  const runDir = input.text("state-dir") === undefined ? given(env["HEADGATE_RUN_DIR"]) : undefined;
  if (runDir !== undefined) return defaultAgentSocket(resolve(runDir));
  const stateDir = input.text("state-dir") ?? given(env["HEADGATE_STATE_DIR"]);
  if (stateDir !== undefined) return defaultAgentSocket(defaultRunDir(resolve(stateDir)));
  const own = defaultAgentSocket(defaultRunDir(defaultStateDir(env, uid)));
  const system = defaultAgentSocket(defaultRunDir(defaultStateDir(env, 0)));
  return !existsSync(own) && existsSync(system) ? system : own;
}

/**
 * The JSON that the agent answers at `path`. Throws AgentError `agent-unreachable` when none answers, and the agent's
 * own error when it refuses. `T` is the wire type of that path: agent and CLI are of one version, and fields are only added.
 */
export function askAgent<T>(socket: string, path: string, signal: AbortSignal): Promise<T> {
  return exchange<T>(socket, { head: `GET ${path} HTTP/1.1`, body: Buffer.alloc(0), msMax: ANSWER_MS_MAX }, signal);
}

/** What the agent answers to a plan. Throws what `askAgent` throws, and `usage` for manifests that are too large. */
export function askPlan(socket: string, plan: PlanRequest, signal: AbortSignal): Promise<PlanReport> {
  const body = Buffer.from(JSON.stringify(plan));
  if (body.length > PLAN_BYTES_MAX) {
    const message = `cannot plan: the manifests have ${body.length} bytes, and the agent takes ${PLAN_BYTES_MAX}`;
    throw new AgentError("usage", message, { hint: "Plan a part of them; without --replace the others stay." });
  }
  return exchange<PlanReport>(socket, { head: "POST /v1/plan HTTP/1.1", body, msMax: PLAN_MS_MAX }, signal);
}

/** Has the agent believe a list that it holds back. Throws what `askAgent` throws. */
export function askAccept(socket: string, accept: AcceptRequest, signal: AbortSignal): Promise<AcceptReport> {
  const body = Buffer.from(JSON.stringify(accept));
  return exchange<AcceptReport>(socket, { head: "POST /v1/accept HTTP/1.1", body, msMax: ANSWER_MS_MAX }, signal);
}

interface Exchange {
  /** The request line. */
  readonly head: string;
  readonly body: Buffer;
  readonly msMax: number;
}

async function exchange<T>(socket: string, what: Exchange, signal: AbortSignal): Promise<T> {
  const { status, body } = await send(socket, what, signal);
  const value: unknown = parse(body, socket);
  if (status < 400) return value as T; // the wire contract: this path answers this type
  const error = value as Partial<WireError>; // the wire contract for errors; fields are checked below
  const message = typeof error.message === "string" ? error.message : `the agent answered ${status}`;
  const code = error.code === "usage" ? "usage" : "aborted";
  throw new AgentError(code, message, typeof error.hint === "string" ? { hint: error.hint } : {});
}

function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function parse(body: string, socket: string): unknown {
  try {
    return JSON.parse(body);
  } catch (thrown) {
    const hint = "Check with --socket that it is the agent's socket.";
    throw new AgentError("agent-unreachable", `cannot understand the answer from ${socket}`, { hint, cause: thrown });
  }
}

/** One request in plain HTTP. By hand, because loading node:http takes longer than all the rest of `headgate status`. */
async function send(
  socket: string,
  { head, body, msMax }: Exchange,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  const { promise, resolve: done, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const connection = connect(socket);
  const aborted = (): void => void connection.destroy(new Error("given up"));
  const parts: Buffer[] = [];
  let total = 0;
  signal.addEventListener("abort", aborted, { once: true });
  if (signal.aborted) aborted();
  connection.setTimeout(msMax, () => connection.destroy(new TimeoutError(`no answer within ${msMax / 1000} s`)));
  connection.once("error", reject);
  connection.on("data", (part) => {
    total += part.length;
    if (total > ANSWER_BYTES_MAX) connection.destroy(new Error("the answer is too large"));
    else parts.push(part);
  });
  connection.once("end", () => {
    const answer = parseAnswer(Buffer.concat(parts));
    if (answer === null) reject(new Error("the answer is cut off, or no HTTP"));
    else done(answer);
  });
  const length = body.length === 0 ? "" : `Content-Length: ${body.length}\r\n`;
  connection.write(`${head}\r\nHost: agent\r\nConnection: close\r\n${length}\r\n`);
  if (body.length > 0) connection.write(body);
  try {
    return await promise;
  } catch (thrown) {
    if (signal.aborted) throw new AgentError("aborted", "given up", { cause: thrown });
    throw unreachable(socket, thrown);
  } finally {
    signal.removeEventListener("abort", aborted);
    connection.destroy();
  }
}

/** The agent sends a length with every answer and closes after it; null for anything else. */
function parseAnswer(bytes: Buffer): { status: number; body: string } | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = bytes.toString("latin1", 0, end);
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const body = bytes.subarray(end + 4);
  if (status === undefined || Number(length) !== body.length) return null;
  return { status: Number(status), body: body.toString("utf8") };
}

class TimeoutError extends Error {}

function unreachable(socket: string, thrown: unknown): AgentError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
  if (code === "EACCES") {
    const hint = "Run it as root or as a member of the agent's group.";
    return new AgentError("state-unwritable", `cannot ask the agent: ${socket}: permission denied`, {
      hint,
      cause: thrown,
    });
  }
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTSOCK" || code === "ENOTDIR") {
    const hint = "Start it with `headgate run --manifests DIR`, or say where it is with --socket or --state-dir.";
    return new AgentError("agent-unreachable", `no agent is running: nothing answers on ${socket}`, {
      hint,
      cause: thrown,
    });
  }
  const hint = "Look into the log of the agent.";
  return new AgentError("push-failed", `cannot ask the agent: ${socket}: ${errorText(thrown)}`, {
    hint,
    cause: thrown,
  });
}
