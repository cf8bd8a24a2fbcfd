// Whatever the service that is asked answers: the backend is reached if that is a well-formed 2xx, and else never.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import { AuthSite } from "../support/auth-site.ts";
import { ask, RawBackend } from "../support/backend.ts";
import { eventually } from "../support/wait.ts";

const OK = "HTTP/1.1 200 OK\r\n";

/** Name, bytes of an answer after which the connection ends, status for the client. */
const ANSWERS: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ["a length", `${OK}Content-Length: 2\r\n\r\nok`, 200],
  ["no body", "HTTP/1.1 204 \r\n\r\n", 200],
  ["no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200],
  ["until the end", `${OK}\r\nall of it`, 200],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", 200],
  ["chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n`, 200],
  [
    "an interim answer before",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    200,
  ],
  ["equal lengths", `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, 200],
  ["bytes behind the answer", `${OK}Content-Length: 0\r\n\r\nHTTP/1.1 403 No\r\n\r\n`, 200],
  ["a body longer than is read", `${OK}Content-Length: 100000\r\n\r\n${"x".repeat(100_000)}`, 200],
  ["an empty value", `${OK}X-A:\r\nContent-Length: 0\r\n\r\n`, 200],
  ["403", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", 403],
  ["a body that breaks off", `${OK}Content-Length: 3\r\n\r\nok`, 503],
  ["nothing", "", 503],
  ["half a status line", "HTTP/1.1 20", 503],
  ["half a head", `${OK}Content-Length: 0\r\n`, 503],
  ["line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", 503],
  ["a line feed in a header", `${OK}X-A: 1\nX-B: 2\r\n\r\n`, 503],
  ["a folded header", `${OK}X-A: 1\r\n b\r\nContent-Length: 0\r\n\r\n`, 503],
  ["a space before the colon", `${OK}X-A : 1\r\nContent-Length: 0\r\n\r\n`, 503],
  ["a header without a colon", `${OK}garbage\r\n\r\n`, 503],
  ["a null byte", `${OK}X-A: \0\r\n\r\n`, 503],
  ["a carriage return", `${OK}X-A: a\rb\r\n\r\n`, 503],
  ["HTTP/2", "HTTP/2 200\r\n\r\n", 503],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", 503],
  ["lower case", "http/1.1 200 OK\r\n\r\n", 503],
  ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 503],
  ["four digits", "HTTP/1.1 2000 OK\r\n\r\n", 503],
  ["two digits", "HTTP/1.1 20 OK\r\n\r\n", 503],
  ["a status with a sign", "HTTP/1.1 +20 OK\r\n\r\n", 503],
  ["a space too many", "HTTP/1.1  200 OK\r\n\r\n", 503],
  ["bytes before it", `x${OK}\r\n`, 503],
  ["status 600", "HTTP/1.1 600 No\r\n\r\n", 503],
  ["a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 503],
  ["only interim answers", "HTTP/1.1 100 Continue\r\n\r\n".repeat(9), 503],
  ["different lengths", `${OK}Content-Length: 0\r\nContent-Length: 5\r\n\r\n`, 503],
  ["a length that is none", `${OK}Content-Length: -1\r\n\r\n`, 503],
  ["a list of lengths", `${OK}Content-Length: 0, 0\r\n\r\n`, 503],
  ["a length and chunks", `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 503],
  ["another coding", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 503],
  ["chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 503],
  ["a chunk that is none", `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 503],
  ["a chunk that is too short", `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nok\r\n0\r\n\r\n`, 503],
  ["chunks without an end", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`, 503],
  ["a bad trailer", `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n`, 503],
  ["headers too long", `${OK}X-A: ${"x".repeat(40_000)}\r\n\r\n`, 503],
  ["too many headers", `${OK}${"X-A: 1\r\n".repeat(300)}\r\n`, 503],
  ["headers that never end", `${OK}${"X-A: 1\r\n".repeat(9_000)}`, 503],
  ["a redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 503],
];

describe("answers of the service that is asked", () => {
  let site: AuthSite;
  let service: RawBackend;
  let handle: (socket: Socket) => void;
  before(async () => {
    site = await AuthSite.start();
    service = await RawBackend.start((socket) => {
      socket.on("data", () => handle(socket));
    });
  });
  after(() => Promise.all([service[Symbol.asyncDispose](), site[Symbol.asyncDispose]()]));
  beforeEach(() => {
    site.backend.seen.length = 0;
  });

  const use = (authPeers = [service.peer]): Promise<void> =>
    site.use("raw.test", { authPeers, auth: { response_headers: ["X-User"] } });

  /** The status for the client; the backend has been asked if and only if that is 200. */
  async function status(): Promise<number> {
    const before = site.backend.seen.length;
    const answer = await ask(site.nginx.http, "raw.test", { headers: { "x-user": "spoof" } });
    assert.equal(site.backend.seen.length - before, answer.status === 200 ? 1 : 0);
    if (answer.status === 200) assert.notEqual(site.backend.seen.at(-1)?.headers["x-user"], "spoof");
    return answer.status;
  }

  test("a table of them, in one piece and byte by byte", async () => {
    await use();
    for (const [name, bytes, expected] of ANSWERS) {
      handle = (socket) => socket.end(bytes, "latin1");
      assert.equal(await status(), expected, name);
      if (bytes.length > 500) continue;
      handle = (socket) => {
        socket.setNoDelay(true);
        const next = (at: number): void => {
          if (at === bytes.length) socket.end();
          else socket.write(bytes.slice(at, at + 1), "latin1", () => setImmediate(next, at + 1));
        };
        next(0);
      };
      assert.equal(await status(), expected, `${name}, byte by byte`);
    }
  });

  test("whatever is cut off or changed in a good one, it is 200 only for what is one", async () => {
    await use();
    const good = `${OK}Content-Length: 2\r\nX-User: ann\r\n\r\nok`;
    for (let length = 0; length <= good.length; length += 1) {
      handle = (socket) => socket.end(good.slice(0, length), "latin1");
      assert.equal(await status(), length === good.length ? 200 : 503, JSON.stringify(good.slice(0, length)));
    }
    const seed = Number(process.env["HEADGATE_SEED"] ?? Date.now() % 1_000_000);
    const random = generator(seed);
    for (let round = 0; round < 400; round += 1) {
      const bytes = mangled(random);
      handle = (socket) => socket.end(bytes, "latin1");
      const got = await status();
      const wanted = isGoodAnswer(bytes) ? [200] : [401, 403, 503];
      assert.ok(wanted.includes(got), `seed ${seed}, ${JSON.stringify(bytes)}: ${got}`);
    }
  });

  test("one that is slow, trickles or never ends is given up after its time", async () => {
    const traffic = buildTraffic((key) => (key === "externalAuth.timeoutMs" ? 300 : undefined));
    await site.nginx.reconfigure({ traffic });
    await use();
    const took = async (): Promise<readonly [number, boolean]> => {
      const start = performance.now();
      const got = await status();
      return [got, performance.now() - start < 2_000];
    };
    handle = () => {};
    assert.deepEqual(await took(), [503, true]);
    handle = (socket) => {
      socket.write(OK);
      const timer = setInterval(() => socket.write("X-A: 1\r\n"), 20);
      socket.on("close", () => clearInterval(timer));
    };
    assert.deepEqual(await took(), [503, true]);
    handle = (socket) => void socket.write(`${OK}\r\nno end of it`);
    assert.deepEqual(await took(), [503, true]);
    handle = (socket) => void socket.write(`${OK}Content-Length: 9\r\n\r\n`);
    assert.deepEqual(await took(), [503, true]);
    await site.nginx.reconfigure({ traffic: buildTraffic(() => undefined) });
  });

  test("one that is gone closes the route; of several peers another is asked", async () => {
    await use(["127.0.0.1:1"]);
    assert.equal(await status(), 503);
    await use([]);
    assert.equal(await status(), 503);
    handle = (socket) => socket.end(`${OK}Content-Length: 0\r\n\r\n`);
    await use(["127.0.0.1:1", service.peer, "127.0.0.1:2"]);
    for (let i = 0; i < 6; i += 1) assert.equal(await status(), 200);
    await site.put(site.lines.delete("backend", "raw.test/auth/80"));
    assert.equal(await status(), 503);
  });

  test("a connection is kept, and one that was closed meanwhile costs nothing", async () => {
    await use();
    let last: Socket | undefined;
    handle = (socket) => {
      last = socket;
      socket.write(`${OK}Content-Length: 2\r\n\r\nok`);
    };
    const before = service.connections;
    for (let i = 0; i < 5; i += 1) assert.equal(await status(), 200);
    assert.equal(service.connections, before + 1);
    const answered = handle;
    // It closes the connection upon the next request, unheard: that is asked anew on another one.
    handle = (socket) => {
      handle = answered;
      socket.destroy();
    };
    assert.equal(await status(), 200);
    assert.equal(service.connections, before + 2);
    handle = (socket) => {
      handle = answered;
      socket.end("HTTP/1.1 2");
    };
    assert.equal(await status(), 503, "half an answer is not asked for again");
    // Bytes that nobody asked for end the connection, and are nobody's answer.
    handle = answered;
    assert.equal(await status(), 200);
    const connections = service.connections;
    await new Promise((resolve) =>
      last?.write("HTTP/1.1 200 OK\r\nX-User: root\r\nContent-Length: 0\r\n\r\n", resolve),
    );
    await eventually("the connection is closed", async () => last?.destroyed === true || last?.readableEnded === true);
    handle = (socket) => socket.end("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    assert.equal(await status(), 403);
    assert.equal(service.connections, connections + 1);
  });
});

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A good answer with up to three bytes changed, put in or taken out. */
function mangled(random: () => number): string {
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T; // the index is within
  const length = one(["Content-Length: 2\r\n\r\nok", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]);
  let bytes = `HTTP/1.1 ${one([200, 204, 299, 302, 401, 403, 404, 500, 503])} Some\r\nX-User: ann\r\n${length}`;
  for (let changes = Math.floor(random() * 4); changes > 0; changes -= 1) {
    const at = Math.floor(random() * bytes.length);
    const put = one([
      "",
      "\r",
      "\n",
      "\r\n",
      " ",
      ":",
      "0",
      "9",
      "a",
      "\0",
      "\t",
      "\x7f",
      ",",
      "HTTP/1.1 200 OK\r\n\r\n",
    ]);
    bytes = bytes.slice(0, at) + put + bytes.slice(at + one([0, 1]));
  }
  return bytes;
}

/** Whether bytes, and the end of the connection behind them, are a well-formed 2xx: another reading than the Lua's. */
function isGoodAnswer(bytes: string): boolean {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const [statusLine = "", ...fields] = bytes.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.([01]) ([1-5]\d\d)( [^\x00-\x08\x0a-\x1f\x7f]*)?$/.exec(statusLine);
  const token = /^([!#$%&'*+\-.^_`|~0-9a-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)$/i;
  const parsed = fields.map((field) => token.exec(field));
  if (status === null || parsed.includes(null)) return false;
  const values = (name: string): readonly string[] =>
    parsed.flatMap((field) =>
      field?.[1]?.toLowerCase() === name ? [(field[2] ?? "").replace(/^[ \t]+|[ \t]+$/g, "")] : [],
    );
  if (status[2]?.startsWith("1")) return status[2] !== "101" && isGoodAnswer(bytes.slice(end + 4));
  if (!status[2]?.startsWith("2")) return false;
  const [lengths, codings] = [values("content-length"), values("transfer-encoding")];
  if (lengths.length > 0 && codings.length > 0) return false;
  if (lengths.some((length) => !/^\d{1,15}$/.test(length) || length !== lengths[0])) return false;
  if (codings.length > 0 && (codings.length > 1 || codings[0]?.toLowerCase() !== "chunked" || status[1] === "0"))
    return false;
  if (status[2] === "204") return true;
  const body = bytes.slice(end + 4);
  if (codings.length === 0)
    return lengths.length === 0 || Number(lengths[0]) > 65_536 || body.length >= Number(lengths[0]);
  return isChunked(body, token);
}

function isChunked(body: string, token: RegExp): boolean {
  const line = /^([0-9a-f]{1,8})([ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n/i.exec(body);
  if (line === null) return false;
  const size = Number.parseInt(line[1] ?? "", 16);
  const rest = body.slice(line[0].length);
  if (size > 0)
    return size > 65_536 || (rest.slice(size, size + 2) === "\r\n" && isChunked(rest.slice(size + 2), token));
  for (let trailers = rest; ;) {
    const end = trailers.indexOf("\r\n");
    if (end <= 0) return end === 0;
    if (!token.test(trailers.slice(0, end))) return false;
    trailers = trailers.slice(end + 2);
  }
}
