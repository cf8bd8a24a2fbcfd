// What went wrong with one call to the API server, in a form a reflector can decide by.

import { AgentError, errorText } from "../lib/errors.ts";
import type { ErrorCode } from "../lib/errors.ts";

export interface ApiFailureOptions {
  /** The HTTP status, or the code of an ERROR event; null where there was no answer. */
  readonly status?: number;
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | null;
  readonly hint?: string | null;
  readonly cause?: unknown;
}

export class ApiFailure extends AgentError {
  readonly status: number | null;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message: string, options: ApiFailureOptions = {}) {
    super(code, message, { ...(options.hint ? { hint: options.hint } : {}), cause: options.cause });
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** Anything thrown, as a failure; what is not one of ours counts as a broken connection. */
export function toFailure(thrown: unknown): ApiFailure {
  if (thrown instanceof ApiFailure) return thrown;
  if (thrown instanceof AgentError)
    return new ApiFailure(thrown.code, thrown.message, { hint: thrown.hint, cause: thrown });
  return new ApiFailure("apiserver-unreachable", networkText(thrown), { cause: thrown });
}

/** The words of a Status object (metav1.Status) or of anything else a server sent as the body of an error. */
export function failureFromStatus(status: number, body: string, retryAfterHeader: string | undefined): ApiFailure {
  const parsed = parseStatus(body);
  const text = printable(parsed.message ?? body) || "no message";
  const seconds = parsed.retryAfterS ?? Number(retryAfterHeader ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
  return new ApiFailure("apiserver-refused", `API server refused (${status}): ${text}`, { status, retryAfterMs });
}

export function garbage(what: string): ApiFailure {
  return new ApiFailure("apiserver-garbage", `API server answered with something else than the protocol: ${what}`);
}

/** At most 300 printable characters of text that a server sent, for a message. */
function printable(text: string): string {
  // Control characters could move a terminal's cursor; C1 and the bidirectional marks could lie about order.
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Z}]+/gu, " ").trim();
  return clean.length > 300 ? `${clean.slice(0, 300)}…` : clean;
}

interface ParsedStatus {
  readonly message: string | null;
  readonly retryAfterS: number | null;
}

function parseStatus(body: string): ParsedStatus {
  try {
    const value: unknown = JSON.parse(body);
    const message = field(value, "message");
    const seconds = field(field(value, "details"), "retryAfterSeconds");
    return {
      message: typeof message === "string" && message !== "" ? message : null,
      retryAfterS: typeof seconds === "number" && seconds > 0 ? seconds : null,
    };
  } catch {
    return { message: null, retryAfterS: null };
  }
}

/** A member of an untrusted value; undefined where it is no object or has no such member. */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name]; // it is an object that has this member, checked above
}

/** Node's words for a broken connection; an AggregateError (several addresses tried) has an empty message. */
function networkText(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === "") {
    return thrown.errors.map((error) => errorText(error)).join("; ");
  }
  const text = errorText(thrown);
  // Node's word for a peer that went away in the middle of an answer.
  return text === "aborted" ? "connection lost in the middle of an answer" : text;
}
