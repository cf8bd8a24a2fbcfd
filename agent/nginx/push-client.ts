// The client of the push API (docs/dataplane-api.md): HTTP on nginx's unix socket, one request in flight.

import { Agent, request } from "node:http";
import * as z from "zod/mini";
import { AgentError, errorText } from "../lib/errors.ts";
import type { PushLine } from "../plan/steps.ts";
import { type DocumentKind, SCHEMA } from "../render/documents.ts";
import { PUSH_BODY_BYTES_MAX } from "../render/files.ts";
import type { DataPlaneState, HeldDocument, PushResult } from "./data-plane.ts";

/** One request is at most this long; longer pushes are cut, so that a worker is never busy for long. */
const PIECE_BYTES_MAX = 256 * 1024;
const CALL_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

const resultSchema = z.discriminatedUnion("result", [
  z.object({ result: z.literal("applied") }),
  z.object({ result: z.literal("same") }),
  z.object({ result: z.literal("stale"), held: z.number() }),
  z.object({ result: z.literal("invalid"), message: z.string() }),
  z.object({ result: z.literal("no-memory") }),
]);

const stateSchema = z.object({
  schema: z.number(),
  version: z.string(),
  epoch: z.string(),
  generation: z.number(),
  kinds: z.record(z.string(), z.object({ count: z.number(), digest: z.string() })),
  memory: z.record(z.string(), z.object({ capacity: z.number(), free: z.number() })),
  worker: z.object({ pid: z.number(), configuration: z.number() }),
  workers: z.array(z.object({ pid: z.number(), configuration: z.number() })),
  master_pid: z.number(),
  problems: z.array(z.string()),
});

const heldSchema = z.object({
  documents: z.array(
    z.object({
      kind: z.string(),
      key: z.string(),
      generation: z.number(),
    }),
  ),
});

const KINDS = {
  backend: true,
  certificate: true,
  users: true,
  route: true,
  host: true,
  server_name: true,
} as const satisfies Record<DocumentKind, true>;

/** A newer agent may have pushed others; they are none of ours. */
function isKnown(document: z.infer<typeof heldSchema>["documents"][number]): document is HeldDocument {
  return Object.hasOwn(KINDS, document.kind);
}

const explanationSchema = z.object({
  action: z.string(),
  status: z.optional(z.number()),
  reason: z.optional(z.string()),
  host: z.optional(z.string()),
  route: z.optional(z.string()),
  backend: z.optional(z.string()),
  peers: z.array(z.string()),
  ejected: z.optional(z.array(z.string())),
  last_request: z.optional(z.number()),
});

const peersSchema = z.object({
  backends: z.array(
    z.object({
      backend: z.string(),
      peers: z.array(
        z.object({
          address: z.string(),
          state: z.string(),
          cause: z.optional(z.string()),
          since: z.optional(z.number()),
        }),
      ),
    }),
  ),
});

/** What the router would do with a request; null where it says nothing. */
export interface Explanation {
  readonly action: string;
  readonly status: number | null;
  readonly reason: string | null;
  readonly host: string | null;
  readonly route: string | null;
  readonly backend: string | null;
  readonly peers: readonly string[];
  /** Those of them that get no requests for a while. */
  readonly ejected: readonly string[];
  /** When the route got its last request, in milliseconds since 1970, to the second. */
  readonly lastRequestAt: number | null;
}

/** A peer that gets no requests for a while. */
export interface EjectedPeer {
  /** "10.0.0.1:80" */
  readonly address: string;
  /** "connect", "timeout", "reset" or "status 503". */
  readonly cause: string;
  /** In milliseconds, as Date.now() has it. */
  readonly since: number;
}

/** All peers of a backend that fail their checks; what was said of it before counts no more. */
export interface FailingPeers {
  /** Key of the backend. */
  readonly backend: string;
  /** So long it holds, if it is not said again. */
  readonly ttlS: number;
  /** `since` in milliseconds. */
  readonly peers: readonly EjectedPeer[];
}

/** As a client would write it; `host` may have a port. */
export interface ExplainedRequest {
  readonly host: string;
  readonly path: string;
  readonly scheme: "http" | "https";
  readonly headers: Readonly<Record<string, string>>;
}

interface Call {
  readonly method: "GET" | "PUT" | "POST";
  readonly path: string;
  readonly body: string | null;
  /** Use a connection of its own, so that whoever accepts now answers. */
  readonly fresh: boolean;
}

/** Talks to whoever listens on `socketPath` at the moment of each call. */
export class PushClient {
  readonly #socketPath: string;
  #agent = keepingAgent();

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * Sends the lines in order, in pieces; the results are in the order of the lines. Throws `push-failed`.
   * A line that is too long for the API is refused here and costs no other one: in a push it would cost all of them.
   */
  async push(lines: readonly PushLine[], signal: AbortSignal): Promise<readonly PushResult[]> {
    const encoded = lines.map(encodeLine);
    const bytes = encoded.map((line) => Buffer.byteLength(line));
    const taken = await this.#send(
      encoded.filter((_, index) => (bytes[index] ?? 0) <= PUSH_BODY_BYTES_MAX),
      signal,
    );
    const results = taken.values();
    return bytes.map((size) => {
      if (size > PUSH_BODY_BYTES_MAX) return tooLong(size);
      const result = results.next().value;
      if (result === undefined) throw new AgentError("push-failed", "cannot push: a line was not answered");
      return result;
    });
  }

  async #send(lines: readonly string[], signal: AbortSignal): Promise<readonly PushResult[]> {
    const results: PushResult[] = [];
    for (const piece of cutPieces(lines)) {
      const answer = await this.#call(
        { method: "PUT", path: "/v1/documents", body: piece.join(""), fresh: false },
        signal,
      );
      const parsed = answer
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => parseAnswer(resultSchema, line));
      if (parsed.length !== piece.length) {
        throw new AgentError("push-failed", `cannot push: ${piece.length} lines sent, ${parsed.length} answered`);
      }
      results.push(...parsed.map(toResult));
    }
    return results;
  }

  async state(signal: AbortSignal): Promise<DataPlaneState> {
    const { master_pid: masterPid, ...state } = parseAnswer(
      stateSchema,
      await this.#call({ method: "GET", path: "/v1/state", body: null, fresh: true }, signal),
    );
    return { ...state, masterPid };
  }

  /** Every document that is held, without its value. */
  async held(signal: AbortSignal): Promise<readonly HeldDocument[]> {
    const answer = await this.#call({ method: "GET", path: "/v1/documents", body: null, fresh: false }, signal);
    return parseAnswer(heldSchema, answer).documents.filter(isKnown);
  }

  /** Throws AgentError push-failed when nobody answers. */
  async explain(asked: ExplainedRequest, signal: AbortSignal): Promise<Explanation> {
    const { headers, ...rest } = asked;
    const lines = Object.entries(headers).map(([name, value]) => ["header", `${name}: ${value}`]);
    const query = [...Object.entries(rest), ...lines].map(
      ([name, value = ""]) => `${name}=${encodeURIComponent(value)}`,
    );
    const path = `/v1/explain?${query.join("&")}`;
    const answer = await this.#call({ method: "GET", path, body: null, fresh: false }, signal);
    const said = parseAnswer(explanationSchema, answer);
    const { action, status, reason, host, route, backend, peers, ejected, last_request: lastRequest } = said;
    return {
      action,
      status: status ?? null,
      reason: reason ?? null,
      host: host ?? null,
      route: route ?? null,
      backend: backend ?? null,
      peers,
      ejected: ejected ?? [],
      lastRequestAt: lastRequest === undefined ? null : lastRequest * 1000,
    };
  }

  /** Peers that get no requests, for they failed, by the key of their backend. Throws AgentError push-failed. */
  async ejected(signal: AbortSignal): Promise<ReadonlyMap<string, readonly EjectedPeer[]>> {
    const answer = await this.#call({ method: "GET", path: "/v1/peers", body: null, fresh: false }, signal);
    const found = new Map<string, readonly EjectedPeer[]>();
    for (const { backend, peers } of parseAnswer(peersSchema, answer).backends) {
      const out = peers.filter(({ state }) => state === "ejected");
      const ejected = out.map(({ address, cause = "", since = 0 }) => ({ address, cause, since: since * 1000 }));
      if (ejected.length > 0) found.set(backend, ejected);
    }
    return found;
  }

  /** Says which peers fail their checks. Throws AgentError push-failed. */
  async tellFailing(failing: readonly FailingPeers[], signal: AbortSignal): Promise<void> {
    const lines = failing.map(({ backend, ttlS, peers }) => {
      const said = peers.map(({ address, cause, since }) => ({ address, cause, since: since / 1000 }));
      return `${JSON.stringify({ backend, ttl_s: ttlS, peers: said })}\n`;
    });
    for (const piece of cutPieces(lines)) {
      await this.#call({ method: "PUT", path: "/v1/peers", body: piece.join(""), fresh: false }, signal);
    }
  }

  /** Prometheus text. */
  metrics(signal: AbortSignal): Promise<string> {
    return this.#call({ method: "GET", path: "/v1/metrics", body: null, fresh: false }, signal);
  }

  /** Asks nginx to send itself HUP. Answers before the reload is done; `state` tells when it is. */
  async reload(signal: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/reload", body: null, fresh: true }, signal);
  }

  /** Goes on over a new connection: the one that is kept leads to a worker that may be about to end. */
  renew(): void {
    const before = this.#agent;
    this.#agent = keepingAgent();
    // Those in use come to their end.
    for (const sockets of Object.values(before.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }

  #call(call: Call, signal: AbortSignal): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const fail = (cause: unknown): void => {
      reject(
        new AgentError(
          "push-failed",
          `cannot ${call.method} ${call.path} on ${this.#socketPath}: ${errorText(cause)}`,
          {
            cause,
            hint: "Look whether nginx runs: `headgate status`.",
          },
        ),
      );
    };
    const outgoing = request(
      {
        socketPath: this.#socketPath,
        method: call.method,
        path: call.path,
        agent: call.fresh ? false : this.#agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)]),
        headers:
          call.body === null
            ? { host: "headgate" }
            : { host: "headgate", "content-length": Buffer.byteLength(call.body) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error(`answer is longer than ${ANSWER_BYTES_MAX} bytes`));
          else chunks.push(chunk);
        });
        response.on("error", fail);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(text);
          else fail(new Error(`status ${status}: ${text.slice(0, 200)}`));
        });
      },
    );
    outgoing.on("error", fail);
    outgoing.end(call.body ?? undefined);
    return promise;
  }
}

function keepingAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

/** One line of NDJSON; the value is JSON already. */
export function encodeLine(line: PushLine): string {
  const kind = JSON.stringify(line.kind);
  const key = JSON.stringify(line.key);
  return `{"kind":${kind},"key":${key},"generation":${line.generation},"schema":${SCHEMA},"value":${line.text ?? "null"}}\n`;
}

function* cutPieces(lines: readonly string[]): Generator<readonly string[]> {
  let piece: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = Buffer.byteLength(line);
    if (piece.length > 0 && bytes + size > PIECE_BYTES_MAX) {
      yield piece;
      piece = [];
      bytes = 0;
    }
    piece.push(line);
    bytes += size;
  }
  if (piece.length > 0) yield piece;
}

function tooLong(bytes: number): PushResult {
  return { kind: "invalid", message: `it has ${bytes} bytes, and a document may have ${PUSH_BODY_BYTES_MAX}` };
}

function toResult(answer: z.infer<typeof resultSchema>): PushResult {
  switch (answer.result) {
    case "stale":
      return { kind: "stale", held: answer.held };
    case "invalid":
      return { kind: "invalid", message: answer.message };
    case "applied":
    case "same":
    case "no-memory":
      return { kind: answer.result };
    default:
      return answer satisfies never;
  }
}

function parseAnswer<T>(schema: z.ZodMiniType<T>, text: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new AgentError("push-failed", `cannot read the data plane's answer: not JSON: ${text.slice(0, 80)}`, {
      cause,
    });
  }
  const parsed = z.safeParse(schema, json);
  if (!parsed.success) {
    throw new AgentError("push-failed", `cannot read the data plane's answer: ${parsed.error.message}`, {
      hint: "Agent and data plane may be of versions too far apart; `headgate version` shows both.",
    });
  }
  return parsed.data;
}
