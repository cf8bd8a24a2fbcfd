// An HTTP/1.1 client with one kept connection and one request at a time: little between the wire and the clock.

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  /** performance.now(). */
  readonly sentAt: number;
  readonly arrivedAt: number;
}

interface Pending {
  readonly sentAt: number;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

const REPLY_MS_MAX = 10_000;

export class KeepAliveClient {
  readonly #target: Target;
  #socket: Socket | null = null;
  #pending: Pending | null = null;
  #received = "";
  /** Connections made so far. */
  connections = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Asks and waits. Rejects when the connection ends before the answer; the next request makes a new one. */
  async ask(host: string, path: string): Promise<Reply> {
    const socket = this.#socket ?? (await this.#connect(host));
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#received = "";
    this.#pending = { sentAt: performance.now(), resolve, reject };
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return promise;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  async #connect(host: string): Promise<Socket> {
    const { address, port, tls } = this.#target;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = tls
      ? connectTls(
          { host: address, port, servername: host, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] },
          resolve,
        )
      : connectTcp({ host: address, port }, resolve);
    socket.once("error", reject);
    await promise;
    this.connections += 1;
    socket.off("error", reject);
    socket.setNoDelay(true).setEncoding("latin1");
    socket.setTimeout(REPLY_MS_MAX, () => socket.destroy(new Error(`no answer within ${REPLY_MS_MAX} ms`)));
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", (error) => this.#fail(socket, error));
    socket.on("close", () => this.#fail(socket, new Error("the connection ended without an answer")));
    this.#socket = socket;
    return socket;
  }

  #take(text: string): void {
    const arrivedAt = performance.now();
    this.#received += text;
    const pending = this.#pending;
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (pending === null || headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (length === undefined) {
      this.#fail(this.#socket, new Error(`an answer without Content-Length: ${head}`));
      return;
    }
    const body = this.#received.slice(headEnd + 4);
    if (body.length < Number(length)) return;
    this.#pending = null;
    if (/^connection: *close/im.test(head)) this.close();
    pending.resolve({ status: Number(head.slice(9, 12)), body, sentAt: pending.sentAt, arrivedAt });
  }

  #fail(socket: Socket | null, error: Error): void {
    if (socket !== this.#socket) return;
    this.close();
    const pending = this.#pending;
    this.#pending = null;
    pending?.reject(error);
  }
}
