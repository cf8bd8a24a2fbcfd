// Requests over TLS with a certificate, a session or a version of one's own choice.

import { connect as connectHttp2 } from "node:http2";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

import type { KeyPairText } from "./certificates.ts";

export interface TlsRequest {
  /** Where to; default: 127.0.0.1. */
  readonly address?: string;
  readonly host: string;
  /** Name in the handshake; null: none. Default: the host. */
  readonly sni?: string | null;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly certificate?: KeyPairText | undefined;
  readonly session?: Buffer | undefined;
  readonly version?: "TLSv1.2" | "TLSv1.3";
  readonly h2?: boolean;
}
export interface TlsAnswer {
  readonly status: number;
  readonly text: string;
  /** For the next handshake; null where the server gave none. */
  readonly session: Buffer | null;
  readonly reused: boolean;
}

const ANSWER_MS_MAX = 10_000;

/** One request on a connection of its own. Any certificate of the server is taken. */
export async function askTls(port: number, request: TlsRequest): Promise<TlsAnswer> {
  const socket = connect(optionsOf(port, request));
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error(`no answer within ${ANSWER_MS_MAX} ms`)));
  let session: Buffer | null = null;
  socket.on("session", (given) => {
    session = given;
  });
  let reused = false;
  socket.on("secureConnect", () => {
    reused = socket.isSessionReused();
  });
  try {
    const { status, text } = await (request.h2 === true ? overHttp2(socket, request) : overHttp1(socket, request));
    return { status, text, session, reused };
  } finally {
    socket.destroy();
  }
}

function optionsOf(
  port: number,
  { address, host, sni, certificate, session, version, h2 }: TlsRequest,
): ConnectionOptions {
  const name = sni === undefined ? host : sni;
  return {
    host: address ?? "127.0.0.1",
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [h2 === true ? "h2" : "http/1.1"],
    ...(name !== null && { servername: name }),
    ...(certificate !== undefined && { cert: certificate.certificate, key: certificate.key }),
    ...(session !== undefined && { session }),
    ...(version !== undefined && { minVersion: version, maxVersion: version }),
  };
}

function overHttp1(socket: TLSSocket, { host, path = "/", headers = {} }: TlsRequest): Promise<Got> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const text = Buffer.concat(chunks).toString();
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
      if (Number.isNaN(status)) reject(new Error(`no answer: ${JSON.stringify(text)}`));
      else resolve({ status, text });
    });
    const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more.join("")}Connection: close\r\n\r\n`);
  });
}

interface Got {
  readonly status: number;
  readonly text: string;
}

function overHttp2(socket: TLSSocket, { host, path = "/", headers = {} }: TlsRequest): Promise<Got> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const client = connectHttp2(`https://${host}`, { createConnection: () => socket });
      client.on("error", reject);
      const stream = client.request({ ":path": path, ":authority": host, ...headers });
      const chunks: Buffer[] = [];
      let status = 0;
      stream.on("response", (head) => {
        status = head[":status"] ?? 0;
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => {
        client.destroy();
        resolve({ status, text: Buffer.concat(chunks).toString() });
      });
      stream.end();
    });
  });
}
