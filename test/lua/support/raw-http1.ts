// HTTP/1.1 as bytes: no library between the test and the socket that would refuse or mend what is sent.

import { connect, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";

/** A listener of nginx: a port of 127.0.0.1. */
export interface Door {
  readonly port: number;
  readonly secure: boolean;
}

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
export interface Exchange {
  readonly answers: readonly RawAnswer[];
  /** What came and is no answer. */
  readonly rest: string;
  readonly durationMs: number;
}

const DEADLINE_MS = 20_000;

/** A connection, with `serverName` over TLS; any certificate is taken. */
export function dial({ port, secure }: Door, serverName = "wire.test", protocol = "http/1.1"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const address = { host: "127.0.0.1", port };
    const tls = { servername: serverName, rejectUnauthorized: false, ALPNProtocols: [protocol] };
    const socket = secure
      ? connectSecure({ ...address, ...tls }, () => resolve(socket))
      : connect(address, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Writes bytes (latin1) and reads until the other side closes. Throws when it does not within the deadline. */
export async function exchange(door: Door, bytes: string): Promise<Exchange> {
  const socket = await dial(door);
  const started = performance.now();
  socket.write(bytes, "latin1");
  const { answers, rest } = readAnswers(await untilClosed(socket));
  return { answers, rest, durationMs: performance.now() - started };
}

/** All that comes until the other side closes. A reset is a close: what came before it counts. */
export function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => {
      reject(new Error(`the connection is still open after ${DEADLINE_MS} ms; so far: ${JSON.stringify(text)}`));
      socket.destroy();
    }, DEADLINE_MS);
    socket.on("data", (data: Buffer) => {
      text += data.toString("latin1");
    });
    socket.on("error", () => {});
    // nginx says so when it has nothing more to say; it would linger for the rest of ours.
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

/** The answers in what a server wrote. */
export function readAnswers(text: string): { readonly answers: readonly RawAnswer[]; readonly rest: string } {
  const answers: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const head = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (head === null) return { answers, rest };
    const headers = Object.fromEntries(
      (head[2] ?? "")
        .split("\r\n")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const status = Number(head[1]);
    const { body, length } = bodyOf(rest.slice(head[0].length), status, headers);
    rest = rest.slice(head[0].length + length);
    answers.push({ status, headers, body });
  }
}

function bodyOf(
  text: string,
  status: number,
  headers: Readonly<Record<string, string>>,
): { readonly body: string; readonly length: number } {
  if (status < 200 || status === 204 || status === 304) return { body: "", length: 0 };
  if (headers["transfer-encoding"] === "chunked") {
    const length = text.indexOf("0\r\n\r\n") + 5;
    return { body: text.slice(0, length), length };
  }
  const told = headers["content-length"];
  const length = told === undefined ? text.length : Math.min(Number(told), text.length);
  return { body: text.slice(0, length), length };
}
