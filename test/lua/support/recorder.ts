// A backend that reads its bytes as strictly as HTTP allows, and remembers them: what a lenient one would bear with is a
// fault here, and what makes no whole request stays visible.

import { createServer, type Server, type Socket } from "node:net";
import { eventually } from "./wait.ts";

export interface Recorded {
  readonly method: string;
  readonly uri: string;
  /** Name as it came, value without spaces around it; in order. */
  readonly headers: readonly (readonly [string, string])[];
  /** Without its chunks. */
  readonly body: string;
}

const REQUEST_LINE = /^([A-Z][A-Z_-]*) ([^\u0000-\u0020\u007f]+) HTTP\/1\.1$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\u0000-\u0008\u000a-\u001f\u007f]*)$/;
const BROKEN_ESCAPE = /%(?![0-9a-f]{2})/i;

/** A recording server. All bytes are latin1. */
export class Recorder implements AsyncDisposable {
  readonly requests: Recorded[] = [];
  /** What was no HTTP/1.1 of the strictest kind, in words. */
  readonly faults: string[] = [];
  /** The raw answer to a request; it echoes method and URI unless replaced, so that answers cannot be confused. */
  answer: (request: Recorded) => string;
  readonly #rests = new Map<Socket, string>();
  readonly #server: Server;

  private constructor() {
    this.answer = echo;
    this.#server = createServer((socket) => {
      this.#rests.set(socket, "");
      socket.on("error", () => {});
      socket.on("close", () => {
        if (this.#rests.get(socket) === "") this.#rests.delete(socket);
      });
      socket.on("data", (data) => this.#take(socket, data.toString("latin1")));
    });
  }

  static async start(): Promise<Recorder> {
    const recorder = new Recorder();
    recorder.#server.unref();
    await new Promise<void>((resolve, reject) => {
      recorder.#server.once("error", reject);
      recorder.#server.listen(0, "127.0.0.1", resolve);
    });
    return recorder;
  }

  /** "address:port" */
  get peer(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the recorder does not listen");
    return `127.0.0.1:${address.port}`;
  }

  /** Bytes that are no whole request (yet), of all connections. */
  get rest(): string {
    return [...this.#rests.values()].join("");
  }

  /** "GET /x" of every request so far. */
  get lines(): readonly string[] {
    return this.requests.map(({ method, uri }) => `${method} ${uri}`);
  }

  /** Forgets what came, and closes what is open. */
  async reset(): Promise<void> {
    const sockets = [...this.#rests.keys()];
    for (const socket of sockets) socket.destroy();
    await eventually("the recorder's connections are closed", () => sockets.every(({ closed }) => closed));
    this.#rests.clear();
    this.requests.length = 0;
    this.faults.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#rests.keys()) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(socket: Socket, text: string): void {
    let rest = (this.#rests.get(socket) ?? "") + text;
    for (;;) {
      const taken = readRequest(rest, (fault) => this.faults.push(fault));
      if (taken === null) break;
      rest = rest.slice(taken.length);
      this.requests.push(taken.request);
      socket.write(this.answer(taken.request), "latin1");
    }
    this.#rests.set(socket, rest);
  }
}

function echo({ method, uri }: Recorded): string {
  const body = `${method} ${uri}`;
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${method === "HEAD" ? "" : body}`;
}

interface Taken {
  readonly request: Recorded;
  readonly length: number;
}

function readRequest(text: string, fault: (text: string) => void): Taken | null {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const [, method = "", uri = ""] = REQUEST_LINE.exec(first) ?? [];
  if (method === "") fault(`request line ${JSON.stringify(first)}`);
  // Behind the path stands what the client wrote, unread by nginx.
  if (BROKEN_ESCAPE.test(uri.split(/[?#]/)[0] ?? "")) fault(`broken escape in ${JSON.stringify(uri)}`);
  const headers = lines.map((line): readonly [string, string] => {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) fault(`header line ${JSON.stringify(line)}`);
    return [name ?? "", value ?? ""];
  });
  const valuesOf = (wanted: string): readonly string[] =>
    headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  if (valuesOf("host").length !== 1) fault(`${valuesOf("host").length} Host headers`);
  const framing = [...valuesOf("content-length"), ...valuesOf("transfer-encoding")];
  if (framing.length > 1) fault(`length told ${framing.length} times: ${framing.join(", ")}`);
  const body = readBody(text.slice(end + 4), framing[0] ?? "0", fault);
  return body === null
    ? null
    : { request: { method, uri, headers, body: body.content }, length: end + 4 + body.length };
}

interface Body {
  readonly content: string;
  readonly length: number;
}

function readBody(text: string, framing: string, fault: (text: string) => void): Body | null {
  if (/^(0|[1-9][0-9]*)$/.test(framing)) {
    const length = Number(framing);
    return text.length < length ? null : { content: text.slice(0, length), length };
  }
  if (framing !== "chunked") fault(`length ${JSON.stringify(framing)}`);
  let content = "";
  let at = 0;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20));
    if (size === null) {
      if (text.length - at >= 20) fault(`chunk ${JSON.stringify(text.slice(at, at + 20))}`);
      return null;
    }
    const length = Number.parseInt(size[1] ?? "", 16);
    const start = at + size[0].length;
    if (text.length < start + length + 2) return null;
    if (text.slice(start + length, start + length + 2) !== "\r\n") fault("a chunk without its end");
    content += text.slice(start, start + length);
    at = start + length + 2;
    if (length === 0) return { content, length: at };
  }
}
