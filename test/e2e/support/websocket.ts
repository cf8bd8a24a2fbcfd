// A WebSocket client that needs no frames: the backend echoes bytes.

import { connect, type Socket } from "node:net";

export interface OpenSocket {
  /** Sends and waits until the same bytes come back; rejects when the connection ends. */
  echo(text: string): Promise<void>;
  readonly closed: () => boolean;
  close(): void;
}

export async function openWebSocket(address: string, port: number, host: string, path = "/"): Promise<OpenSocket> {
  const socket = connect({ host: address, port });
  let received = "";
  let closed = false;
  socket.setEncoding("utf8").on("data", (text: string) => (received += text));
  socket.on("error", () => (closed = true)).on("close", () => (closed = true));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  await waitFor(socket, () => received.includes("\r\n\r\n"));
  if (!received.startsWith("HTTP/1.1 101")) throw new Error(`no upgrade: ${received.split("\r\n")[0] ?? ""}`);
  // RFC 6455, section 4.2.2: the answer to the key above.
  if (!received.includes("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) throw new Error(`wrong accept: ${received}`);
  return {
    async echo(text) {
      received = "";
      socket.write(text);
      await waitFor(socket, () => received.includes(text));
    },
    closed: () => closed,
    close: () => socket.destroy(),
  };
}

function waitFor(socket: Socket, condition: () => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => fail(new Error("nothing came within 10 s")), 10_000);
  const check = (): void => {
    if (condition()) done(resolve);
  };
  const fail = (error: Error): void => done(() => reject(error));
  const ended = (): void => fail(new Error("the connection ended"));
  const done = (then: () => void): void => {
    clearTimeout(timer);
    socket.off("data", check).off("close", ended).off("error", fail);
    then();
  };
  socket.on("data", check).on("close", ended).on("error", fail);
  return promise;
}
