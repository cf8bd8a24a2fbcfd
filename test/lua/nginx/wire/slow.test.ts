// Clients that take their time. Headers and handshakes have a time in all; bodies only have one between two reads.
// A header block of HTTP/2 has the time of an idle connection: nginx has no other for it.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { buildTraffic } from "../../../../agent/config/build-traffic.ts";
import { dial, readAnswers, untilClosed } from "../../support/raw-http1.ts";
import { encode } from "../../support/raw-http2.ts";
import { FULL_SET, Site } from "./site.ts";

const HEADER_S = 1;
const BODY_S = 1;
const IDLE_S = 2;
const EVERY_MS = 50;
/** With room for a busy machine; a trickle that counts anew with each byte would never end. */
const CLOSED_WITHIN_MS = 6_000;

let site: Site;
before(async () => {
  const defaults = buildTraffic(() => undefined);
  const times = { headerTimeoutS: HEADER_S, bodyTimeoutS: BODY_S, keepaliveTimeoutS: IDLE_S };
  site = await Site.start({ view: { traffic: { ...defaults, http: { ...defaults.http, ...times } } } });
});
after(async () => {
  await site[Symbol.asyncDispose]();
});

/** Writes byte by byte, for as long as the other side listens. */
function trickle(socket: Socket, bytes: Buffer): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length && socket.writable) socket.write(bytes.subarray(at, at + 1));
    else clearInterval(timer);
    at += 1;
  }, EVERY_MS);
}

async function closesInTime(socket: Socket): Promise<string> {
  const started = performance.now();
  const text = await untilClosed(socket);
  const took = performance.now() - started;
  assert.ok(took < CLOSED_WITHIN_MS, `it took ${Math.round(took)} ms`);
  return text;
}

const TOO_SLOW: readonly { readonly name: string; readonly bytes: string }[] = [
  { name: "a request line", bytes: `GET /${"x".repeat(1_000)} HTTP/1.1\r\nHost: wire.test\r\n\r\n` },
  { name: "a header", bytes: `GET /x HTTP/1.1\r\nHost: wire.test\r\nX-A: ${"a".repeat(1_000)}\r\n\r\n` },
  { name: "headers", bytes: `GET /x HTTP/1.1\r\nHost: wire.test\r\n${"A: b\r\n".repeat(200)}\r\n` },
  { name: "empty lines before the request", bytes: "\r\n".repeat(500) },
  { name: "nothing at all", bytes: "" },
];

describe("what trickles", { concurrency: true }, () => {
  for (const { name, bytes } of TOO_SLOW) {
    test(`${name} is cut off, whatever comes meanwhile`, async () => {
      for (const door of FULL_SET ? [site.plain, site.secure] : [site.plain]) {
        const socket = await dial(door);
        trickle(socket, Buffer.from(bytes, "latin1"));
        const text = await closesInTime(socket);
        assert.match(text, /^$|^HTTP\/1\.1 408 /);
      }
    });
  }

  test("a handshake that does not begin, or does not end", async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...Array<number>(500).fill(0)]),
    ]) {
      const socket = connect(site.secure.port, "127.0.0.1");
      trickle(socket, bytes);
      await closesInTime(socket);
    }
  });

  test("a header block of HTTP/2 is cut off", async () => {
    const long = `/${"x".repeat(1_000)}`;
    const block = encode(
      Object.entries({ ":method": "GET", ":scheme": "http", ":authority": "wire.test", ":path": long }),
    );
    const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const headers = [0, block.length >> 8, block.length & 255, 1, 5, 0, 0, 0, 1];
    for (const door of site.http2Doors) {
      const socket = await dial(door, "wire.test", "h2");
      socket.write(
        Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([...settings, ...headers])]),
      );
      trickle(socket, block);
      await closesInTime(socket);
    }
  });

  test("a body that stops is cut off", async () => {
    const socket = await dial(site.plain);
    socket.write("POST /stops HTTP/1.1\r\nHost: wire.test\r\nContent-Length: 100\r\n\r\nhello");
    assert.match(await closesInTime(socket), /^$|^HTTP\/1\.1 408 /);
  });

  test("a body that goes on is served at last: that is nginx's limit", async () => {
    const socket = await dial(site.plain);
    const length = Math.ceil((2 * BODY_S * 1000) / EVERY_MS);
    socket.write(`POST /goes-on HTTP/1.1\r\nHost: wire.test\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`);
    trickle(socket, Buffer.alloc(length, "a"));
    const { answers } = readAnswers(await closesInTime(socket));
    assert.deepEqual(
      answers.map(({ body }) => body),
      ["POST /goes-on"],
    );
  });
});

test("of all these only the body that came to its end arrived", () => {
  site.arrived([`POST /goes-on ${"a".repeat(40)}`]);
});
