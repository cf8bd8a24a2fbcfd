// HTTP/2 as frames: node:http2 refuses to send most of what must be tested. Literals only, no Huffman, no table.

import type { Socket } from "node:net";
import { dial, type Door } from "./raw-http1.ts";

export type Fields = readonly (readonly [name: string, value: string])[];

/** How a stream ended. */
export type Outcome =
  | { readonly kind: "answer"; readonly status: number; readonly body: string }
  | { readonly kind: "reset"; readonly code: number }
  | { readonly kind: "closed"; readonly code: number | null };

export interface Http2Request {
  readonly fields: Fields;
  /** DATA frames; none: the stream ends with its headers, or with its trailers. */
  readonly data?: readonly string[];
  readonly trailers?: Fields;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8, continuation: 9 };
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const FRAME_BYTES_MAX = 16_384;
const DEADLINE_MS = 20_000;

/** `:status` as HPACK's static table has it. */
const STATIC_STATUS: Readonly<Record<number, number>> = {
  0x88: 200,
  0x89: 204,
  0x8a: 206,
  0x8b: 304,
  0x8c: 400,
  0x8d: 404,
  0x8e: 500,
};

interface Stream {
  status: number;
  body: string;
  readonly settle: (outcome: Outcome) => void;
}

/** A connection that has sent its preface. Bytes of names and values are latin1. */
export class RawHttp2 implements Disposable {
  readonly #socket: Socket;
  readonly #streams = new Map<number, Stream>();
  #next = 1;
  #buffer = Buffer.alloc(0);
  #goAway: number | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => this.#read(data));
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      for (const stream of this.#streams.values()) stream.settle({ kind: "closed", code: this.#goAway });
    });
  }

  static async dial(door: Door): Promise<RawHttp2> {
    const connection = new RawHttp2(await dial(door, "wire.test", "h2"));
    connection.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, Buffer.alloc(0))]));
    return connection;
  }

  /** Sends a request on a stream of its own. */
  ask({ fields, data = [], trailers = [] }: Http2Request): Promise<Outcome> {
    const bodies = data.map((text) => Buffer.from(text, "latin1"));
    return this.askBlock(encode(fields), bodies, trailers.length === 0 ? null : encode(trailers));
  }

  /** As `ask`, with the header block as bytes. */
  askBlock(block: Buffer, bodies: readonly Buffer[] = [], trailers: Buffer | null = null): Promise<Outcome> {
    const id = this.#next;
    this.#next += 2;
    const parts = [...headerFrames(id, block, bodies.length === 0 && trailers === null)];
    for (const [index, body] of bodies.entries()) {
      const last = trailers === null && index === bodies.length - 1;
      parts.push(frame(FRAME.data, last ? END_STREAM : 0, id, body));
    }
    if (trailers !== null) parts.push(...headerFrames(id, trailers, true));
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const timer = setTimeout(() => reject(new Error(`stream ${id} has no end after ${DEADLINE_MS} ms`)), DEADLINE_MS);
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    this.#streams.set(id, { status: 0, body: "", settle });
    if (this.#socket.destroyed) settle({ kind: "closed", code: this.#goAway });
    else this.write(Buffer.concat(parts));
    return promise;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < 9 + length) return;
      const [type, flags, id] = [this.#buffer[3] ?? 0, this.#buffer[4] ?? 0, this.#buffer.readUInt32BE(5)];
      const payload = this.#buffer.subarray(9, 9 + length);
      this.#buffer = this.#buffer.subarray(9 + length);
      this.#take(type, { flags, id, payload });
    }
  }

  #take(type: number, { flags, id, payload }: { flags: number; id: number; payload: Buffer }): void {
    if (type === FRAME.settings && (flags & ACK) === 0) this.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
    if (type === FRAME.goAway) this.#goAway = payload.readUInt32BE(4);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (type === FRAME.headers) stream.status ||= statusOf(payload);
    if (type === FRAME.data) stream.body += payload.toString("latin1");
    const ended = (type === FRAME.headers || type === FRAME.data) && (flags & END_STREAM) !== 0;
    if (ended) stream.settle({ kind: "answer", status: stream.status, body: stream.body });
    if (type === FRAME.reset) stream.settle({ kind: "reset", code: payload.readUInt32BE(0) });
  }
}

/** A header block: each field a literal that enters no table. */
export function encode(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** A length and the bytes, without Huffman. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

function headerFrames(id: number, block: Buffer, endStream: boolean): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += FRAME_BYTES_MAX) {
    pieces.push(block.subarray(at, at + FRAME_BYTES_MAX));
  }
  return pieces.map((piece, index) => {
    const end = index === pieces.length - 1 ? END_HEADERS : 0;
    const first = index === 0;
    return frame(first ? FRAME.headers : FRAME.continuation, end | (first && endStream ? END_STREAM : 0), id, piece);
  });
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

// nginx writes the status first: as an index, or as three digits without Huffman under the name of ":status".
function statusOf(block: Buffer): number {
  let at = 0;
  while (((block[at] ?? 0) & 0xe0) === 0x20) at += 1;
  const first = block[at] ?? 0;
  return STATIC_STATUS[first] ?? Number(block.subarray(at + 2, at + 5).toString("latin1"));
}
