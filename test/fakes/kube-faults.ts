// What the fake API server does wrong when it is told to.

import type { ServerResponse } from "node:http";

export interface FakeRequest {
  readonly method: string;
  readonly verb: "list" | "watch" | "get" | "create" | "update" | "patch" | "delete";
  readonly plural: string;
  readonly namespace: string | null;
  readonly name: string | null;
  readonly query: URLSearchParams;
  readonly authorization: string | null;
  readonly userAgent: string | null;
  /** Common name of the client's certificate, or null. */
  readonly clientName: string | null;
}

export type FaultAction =
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Says 200 and then nothing, ever. */
  | { readonly kind: "silence" }
  /** Resets the connection instead of an answer. */
  | { readonly kind: "reset" }
  /** Says 200, these bytes, and then ends (`reset`: resets) the connection. */
  | { readonly kind: "bytes"; readonly bytes: string | Buffer; readonly reset?: boolean; readonly contentType?: string }
  | { readonly kind: "status"; readonly code: number; readonly retryAfterS?: number; readonly message?: string }
  /** Answers rightly, but so much later. */
  | { readonly kind: "slow"; readonly ms: number }
  /** A list without items, as a server with a broken cache might say. */
  | { readonly kind: "empty" };

export interface Fault {
  /** undefined: any. */
  readonly verb?: FakeRequest["verb"];
  readonly plural?: string;
  /** How many requests meet it; undefined: all until `clear`. */
  readonly times?: number;
  readonly when?: (request: FakeRequest) => boolean;
  readonly action: FaultAction;
}

export class Faults {
  #held: { readonly fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#held.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#held = [];
  }

  /** The first fault that this request meets; it is used up by that. */
  take(request: FakeRequest): FaultAction | null {
    for (const held of this.#held) {
      const { verb, plural, when } = held.fault;
      if (held.left <= 0 || (verb !== undefined && verb !== request.verb)) continue;
      if ((plural !== undefined && plural !== request.plural) || when?.(request) === false) continue;
      held.left--;
      return held.fault.action;
    }
    return null;
  }
}

export interface FakeStatus {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterS?: number;
}

/** metav1.Status as the body of an error. */
export function statusBody({ code, reason, message, retryAfterS }: FakeStatus): object {
  const details = retryAfterS === undefined ? {} : { details: { retryAfterSeconds: retryAfterS } };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, ...details, code };
}

export function sendStatus(response: ServerResponse, status: FakeStatus): void {
  const wait = status.retryAfterS === undefined ? {} : { "retry-after": String(status.retryAfterS) };
  response.writeHead(status.code, { "content-type": "application/json", ...wait });
  response.end(JSON.stringify(statusBody(status)));
}

/** A TCP reset, not an orderly end; under TLS only the end of the connection without close_notify. */
export function reset(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return;
  if ("encrypted" in socket) socket.destroy();
  else socket.resetAndDestroy();
}

/** Does what the fault says; false: the request is to be answered rightly after all. */
export async function applyFault(action: FaultAction, response: ServerResponse): Promise<boolean> {
  switch (action.kind) {
    case "hang":
      return true;
    case "silence":
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      return true;
    case "reset":
      reset(response);
      return true;
    case "bytes":
      response.writeHead(200, { "content-type": action.contentType ?? "application/json" });
      if (action.reset === true) response.write(action.bytes, () => setImmediate(() => reset(response)));
      else response.end(action.bytes);
      return true;
    case "status":
      sendStatus(response, {
        code: action.code,
        reason: "Injected",
        message: action.message ?? "injected fault",
        ...(action.retryAfterS === undefined ? {} : { retryAfterS: action.retryAfterS }),
      });
      return true;
    case "slow": {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, action.ms);
      await promise;
      return false;
    }
    case "empty":
      return false;
  }
}
