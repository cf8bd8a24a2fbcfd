// One case of raw HTTP/1.1: what a client writes, what it gets, and what arrives at the backend.

export interface Http1Case {
  readonly name: string;
  /** Bytes, as latin1. A well-formed GET /last follows, unless the case says that it is the end. */
  readonly send: string;
  /** Status of each answer, without that to /last. */
  readonly statuses: readonly number[];
  /** What arrives, without /last: "GET /x", or "POST /x hello" with the body after it. */
  readonly arrives: readonly string[];
  /** Header lines (name in lower case) that one of the requests has at the backend, and names that none of them has. */
  readonly has?: readonly string[];
  readonly hasNot?: readonly string[];
  /** What comes and is no answer of HTTP/1; nothing unless told. */
  readonly rest?: RegExp;
  /** True: nginx goes on to /last. False: it closes before. */
  readonly goesOn: boolean;
  /** Debian 12 runs it too: its nginx has other code for this. */
  readonly debian12?: true;
}

export const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: wire.test\r\n\r\n";

interface Wish {
  readonly line?: string;
  readonly host?: string | null;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** A request as written: nothing is added but a Host, and nothing checked. */
export function request({ line = "GET /x HTTP/1.1", host = "wire.test", headers = [], body = "" }: Wish): string {
  const lines = [line, ...(host === null ? [] : [`Host: ${host}`]), ...headers];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** A case that gets 400, of which nothing arrives, and after which nginx closes. */
export function refused(name: string, send: string, status = 400): Http1Case {
  return { name, send, statuses: [status], arrives: [], goesOn: false };
}

/** A case that is served, as `arrives` says, and after which nginx goes on. */
export function served(name: string, send: string, ...arrives: readonly string[]): Http1Case {
  return { name, send, statuses: arrives.map(() => 200), arrives, goesOn: true };
}
