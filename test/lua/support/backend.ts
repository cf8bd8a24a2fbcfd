// Backends as real servers, and clients that write what no well-behaved client would.

import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer, request } from "node:http";
import { request as secureRequest } from "node:https";
import { type Server, type Socket, connect, createServer as createTcpServer } from "node:net";
import { connect as connectSecure } from "node:tls";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A server that remembers what it was asked and answers with its name. */
export class Backend implements AsyncDisposable {
  readonly name: string;
  readonly seen: Seen[] = [];
  /** Replace it to answer something else. */
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void;
  readonly server = createServer((incoming, outgoing) => {
    this.seen.push({ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers });
    this.answer(incoming, outgoing);
  });

  constructor(name: string) {
    this.name = name;
    this.answer = (incoming, outgoing) => {
      incoming.resume();
      incoming.on("end", () => outgoing.end(name));
    };
  }

  static async start(name: string, address = "127.0.0.1"): Promise<Backend> {
    const backend = new Backend(name);
    backend.server.keepAliveTimeout = 60_000;
    await listen(backend.server, address);
    return backend;
  }

  /** "address:port" */
  get peer(): string {
    return peerOf(this.server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A TCP server that does what it is told with each connection, and counts them. */
export class RawBackend implements AsyncDisposable {
  connections = 0;
  readonly received: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(handle: (socket: Socket) => void) {
    this.#server = createTcpServer((socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("data", (data) => this.received.push(data.toString("latin1")));
      handle(socket);
    });
  }

  static async start(handle: (socket: Socket) => void): Promise<RawBackend> {
    const backend = new RawBackend(handle);
    await listen(backend.#server, "127.0.0.1");
    return backend;
  }

  get peer(): string {
    return peerOf(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function listen(server: Server, address: string): Promise<void> {
  // A test that fails before it closes its servers must not keep the runner waiting.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, address, resolve);
  });
}

/** "address:port" of a server that listens. */
export function peerOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error("the backend does not listen");
  }
  return address.family === "IPv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

export interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}
export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** TLS, with this server name; any certificate is taken. */
  readonly servername?: string;
}

/** One request on a connection of its own. */
export function ask(port: number, host: string, options: Ask = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const send = options.servername === undefined ? request : secureRequest;
    const outgoing = send(
      {
        host: "127.0.0.1",
        port,
        method: options.method ?? "GET",
        path: options.path ?? "/",
        headers: { ...options.headers, host },
        agent: false,
        ...(options.servername === undefined ? {} : { servername: options.servername, rejectUnauthorized: false }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

/** Writes bytes and gives back all that comes until the other side closes (say `Connection: close`). */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => socket.write(text, "latin1"));
    socket.on("data", (data) => chunks.push(data));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

/** As `raw`, over TLS with `host` as server name. */
export function rawSecure(port: number, host: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const options = { host: "127.0.0.1", port, servername: host, rejectUnauthorized: false };
    const socket = connectSecure(options, () => socket.write(text, "latin1"));
    socket.on("data", (data: Buffer) => chunks.push(data));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

/** The status of an answer that `raw` gave; 0 when there is none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
}
