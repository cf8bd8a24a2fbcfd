// A DNS server for tests: answers A queries over UDP from a table, and knows no other type (RFC 1035, section 4.1).

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** Addresses, or what to say instead: `silent` is no answer at all. */
export type Zone = Map<string, readonly string[] | "NXDOMAIN" | "SERVFAIL" | "silent">;

const HEADER_BYTES = 12;
const CODES = { SERVFAIL: 2, NXDOMAIN: 3 } as const;
const TYPE_A = 1;
const ANSWER_FLAGS = 0x8180;
const TTL_S = 1;

export class DnsServer {
  readonly zone: Zone = new Map();
  readonly #address: string;
  readonly #asked = new Map<string, number>();
  #socket: Socket | null = null;

  constructor(address: string) {
    this.#address = address;
  }

  async start(): Promise<void> {
    const socket = createSocket("udp4");
    socket.on("message", (query, { port, address }) => {
      const reply = this.#answer(query);
      if (reply !== null) socket.send(reply, port, address);
    });
    socket.bind(53, this.#address);
    await once(socket, "listening");
    this.#socket = socket;
  }

  /** From now on nobody answers at the port. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.close();
    await once(socket, "close");
  }

  /** How often a name was asked for, of any type. */
  asked(name: string): number {
    return this.#asked.get(name) ?? 0;
  }

  #answer(query: Buffer): Buffer | null {
    const labels: string[] = [];
    let at = HEADER_BYTES;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join(".").toLowerCase();
    const type = query.readUInt16BE(at + 1);
    const question = query.subarray(HEADER_BYTES, at + 5);
    this.#asked.set(name, this.asked(name) + 1);
    const found = this.zone.get(name) ?? "NXDOMAIN";
    if (found === "silent") return null;
    if (typeof found === "string") return message(query, CODES[found], question, []);
    return message(query, 0, question, type === TYPE_A ? found : []);
  }
}

function message(query: Buffer, code: number, question: Buffer, addresses: readonly string[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(ANSWER_FLAGS | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc00c, 0); // the name is that of the question
    record.writeUInt16BE(TYPE_A, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(TTL_S, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split(".").map(Number), 12);
    return record;
  });
  return Buffer.concat([header, question, ...records]);
}
