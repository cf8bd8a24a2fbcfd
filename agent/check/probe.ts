// One check of one peer: asks it, and says whether it is well. Sends nothing of any client's.

import type { ClientHttp2Session } from "node:http2";
import { request as requestHttp, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { connect } from "node:net";
import { hostPort } from "../lib/host-port.ts";
import { VERSION } from "../lib/version.ts";
import type { PeerCheck } from "../model/peer-check.ts";

export interface CheckedAddress {
  /** Without brackets. */
  readonly address: string;
  readonly port: number;
}

/** Why a peer is not well, in a few words; null: it is. Never rejects. */
export type Probe = (peer: CheckedAddress, check: PeerCheck, signal: AbortSignal) => Promise<string | null>;

const HEADER_BYTES_MAX = 16_384;
/** grpc.health.v1.HealthCheckResponse: field 1, and its value SERVING. */
const SERVING = Buffer.from([0x08, 0x01]);
const GRPC_BYTES_MAX = 1024;

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EHOSTUNREACH: "no route",
  ENETUNREACH: "no route",
  EPIPE: "reset",
};

/** Asks within `check.timeoutMs`. */
export const probePeer: Probe = async (peer, check, signal) => {
  const timeout = AbortSignal.timeout(check.timeoutMs);
  const both = AbortSignal.any([signal, timeout]);
  try {
    const cause = await ask(peer, check, both);
    return cause !== null && timeout.aborted ? "timeout" : cause;
  } catch (error) {
    if (timeout.aborted) return "timeout";
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return CAUSES[code] ?? (code === "" ? "no answer" : code);
  }
};

function ask(peer: CheckedAddress, check: PeerCheck, signal: AbortSignal): Promise<string | null> {
  switch (check.kind) {
    case "tcp":
      return askTcp(peer, signal);
    case "http":
    case "https":
      return askHttp(peer, check, signal);
    case "grpc":
      return askGrpc(peer, check, signal);
  }
}

function askTcp({ address, port }: CheckedAddress, signal: AbortSignal): Promise<null> {
  const { promise, resolve, reject } = Promise.withResolvers<null>();
  const socket = connect({ host: address, port, signal });
  socket.once("connect", () => resolve(null)).once("error", reject);
  return promise.finally(() => socket.destroy());
}

/** Any body is left unread. A certificate is not verified, as for requests that say nothing of it. */
function askHttp(
  { address, port }: CheckedAddress,
  { kind, host, path, status }: PeerCheck,
  signal: AbortSignal,
): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string | null>();
  const options: RequestOptions = {
    host: address,
    port,
    path,
    method: "GET",
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    headers: {
      host: host === "" ? hostPort(address, port) : host,
      "user-agent": `headgate-check/${VERSION}`,
      connection: "close",
    },
    signal,
  };
  const asked = kind === "https" ? requestHttps({ ...options, rejectUnauthorized: false }) : requestHttp(options);
  asked.once("response", ({ statusCode = 0 }) => {
    resolve(statusCode >= status.from && statusCode <= status.to ? null : `status ${statusCode}`);
  });
  asked.once("error", reject).end();
  return promise.finally(() => asked.destroy());
}

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
async function askGrpc(
  { address, port }: CheckedAddress,
  { host, service }: PeerCheck,
  signal: AbortSignal,
): Promise<string | null> {
  // Rarely needed, and slow to load.
  const http2 = await import("node:http2");
  const { promise, resolve, reject } = Promise.withResolvers<string | null>();
  const session = http2.connect(`http://${hostPort(address, port)}`, {
    maxSessionMemory: 1,
    settings: { enablePush: false },
  });
  const stop = (): void => session.destroy();
  signal.addEventListener("abort", stop);
  session.once("error", reject).once("close", () => reject(new Error("closed")));
  askHealth(session, { host: host === "" ? hostPort(address, port) : host, service }, { resolve, reject });
  return promise.finally(() => {
    signal.removeEventListener("abort", stop);
    session.destroy();
  });
}

interface Waiting {
  readonly resolve: (cause: string | null) => void;
  readonly reject: (error: Error) => void;
}

function askHealth(
  session: ClientHttp2Session,
  { host, service }: { readonly host: string; readonly service: string },
  { resolve, reject }: Waiting,
): void {
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    ":authority": host,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": `headgate-check/${VERSION}`,
  });
  let body = Buffer.alloc(0);
  let grpcStatus = "";
  const take = (headers: Record<string, unknown>): void => {
    const said = headers["grpc-status"];
    if (typeof said === "string") grpcStatus = said;
  };
  stream.once("response", (headers) => {
    take(headers);
    const status = headers[":status"];
    if (status !== 200) resolve(`status ${status ?? 0}`);
  });
  stream.on("data", (piece: Buffer) => {
    body = Buffer.concat([body, piece]);
    if (body.length > GRPC_BYTES_MAX) resolve("answer is too long");
  });
  stream.once("trailers", take).once("error", reject);
  stream.once("end", () => {
    if (grpcStatus !== "0")
      resolve(grpcStatus === "" ? "no gRPC status" : `gRPC status ${/^\d{1,3}/.exec(grpcStatus)?.[0] ?? "?"}`);
    else resolve(body.subarray(5).equals(SERVING) ? null : "not serving");
  });
  const name = Buffer.from(service, "ascii");
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, value >> 7];
}
