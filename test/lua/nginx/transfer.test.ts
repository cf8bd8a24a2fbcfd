// Bodies by requests to a real nginx: limits of a route, and variants of its profile.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { after, before, describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { type VariantProfile, variantOf } from "../../../agent/render/variants.ts";
import { ask, Backend, raw, statusOf } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";

const KB = 1024;

function variant(change: Partial<VariantProfile>, base = "http"): VariantProfile {
  const { bodyKbMax = null, ...transfer } = {
    buffering: null,
    requestBuffering: null,
    bufferKb: null,
    ...change,
  };
  const bodyBytesMax = bodyKbMax === null ? null : bodyKbMax * KB;
  const made = variantOf(base, base.startsWith("grpc"), {
    transfer: { ...transfer, bodyBytesMax },
    intercept: null,
  });
  assert.ok(made);
  return made;
}

const SMALL = variant({ bodyKbMax: 64 });
const LARGE = variant({ bodyKbMax: 4096 });
const UNLIMITED = variant({ bodyKbMax: 0 });
const HEADERS = variant({ bufferKb: 32 });
const STREAMED = variant({ requestBuffering: false });
const BUFFERED = variant({ buffering: true, bufferKb: 8 });
const OVER_TLS = variant({ bodyKbMax: 64 }, "https-named");

describe("bodies", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    // The usual limit is 1 MB.
    const variants = [
      SMALL,
      LARGE,
      UNLIMITED,
      HEADERS,
      STREAMED,
      BUFFERED,
      OVER_TLS,
      variant({ bodyKbMax: 64 }, "grpc"),
    ];
    nginx = await TestNginx.start({ workers: 1, view: { variants } });
    backend = await Backend.start("b");
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  async function use(...filters: readonly FilterValue[]): Promise<void> {
    const results = await nginx.push.put(
      lines.backend("shop/web/80", [backend.peer]),
      lines.route("shop/front/all", "shop/web/80", { filters }),
      lines.host("bodies.test", { "/": "shop/front/all" }),
    );
    for (const { result, message } of results) assert.equal(result, "applied", message);
  }

  const limited = (bytes: number, { name }: VariantProfile): Promise<void> =>
    use({ kind: "body_limit", bytes }, { kind: "variant", profile: name });

  const sized = async (bytes: number): Promise<number> =>
    (await ask(nginx.http, "bodies.test", { method: "POST", body: "x".repeat(bytes) })).status;

  /** Without its length told before: in chunks. */
  async function chunked(bytes: number): Promise<number> {
    const head = "POST / HTTP/1.1\r\nHost: bodies.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    const half = Math.floor(bytes / 2);
    const chunk = (size: number): string => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
    return statusOf(await raw(nginx.http, `${head}${chunk(half)}${chunk(bytes - half)}0\r\n\r\n`));
  }

  function overHttp2(bytes: number, length: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${nginx.https}`, { rejectUnauthorized: false });
      session.on("error", reject);
      const request = session.request({
        ":method": "POST",
        ":path": "/",
        ":authority": "bodies.test",
        ...(length ? { "content-length": bytes } : {}),
      });
      request.on("response", (headers) => {
        resolve(Number(headers[":status"]));
        session.destroy();
      });
      request.on("error", () => undefined);
      request.end("x".repeat(bytes));
    });
  }

  test("are at most as long as the route says: told in advance, in chunks, and over HTTP/2", async () => {
    await limited(60 * KB, SMALL);
    assert.equal(await sized(60 * KB), 200);
    assert.equal(await sized(60 * KB + 1), 413, "the exact limit, where the length is told");
    assert.equal(await chunked(60 * KB), 200);
    assert.equal(await chunked(64 * KB + 1), 413, "the variant's limit, where it is not");
    assert.equal(await overHttp2(60 * KB, true), 200);
    assert.equal(await overHttp2(60 * KB + 1, true), 413);
    assert.equal(await overHttp2(60 * KB, false), 200);
    assert.equal(await overHttp2(64 * KB + 1, false), 413);
  });

  test("may be longer than the configuration says, or have no limit", async () => {
    await use();
    assert.equal(await sized(1025 * KB), 413);
    assert.equal(await chunked(1025 * KB), 413);
    await limited(4096 * KB, LARGE);
    assert.deepEqual([await sized(4096 * KB), await sized(4096 * KB + 1)], [200, 413]);
    assert.deepEqual([await chunked(4096 * KB), await chunked(4096 * KB + 1)], [200, 413]);
    await use({ kind: "variant", profile: UNLIMITED.name });
    assert.deepEqual([await sized(5000 * KB), await chunked(5000 * KB)], [200, 200]);
  });

  test("a stricter route stays strict behind a wider one, on one connection", async () => {
    const results = await nginx.push.put(
      lines.route("shop/front/wide", "shop/web/80", { filters: [{ kind: "variant", profile: UNLIMITED.name }] }),
      lines.route("shop/front/all", "shop/web/80", {
        filters: [
          { kind: "body_limit", bytes: 64 * KB },
          { kind: "variant", profile: SMALL.name },
        ],
      }),
      lines.host("bodies.test", { "/": "shop/front/all", "/wide": "shop/front/wide" }),
    );
    for (const { result } of results) assert.equal(result, "applied");
    const body = "x".repeat(70 * KB);
    const post = (path: string, more: string): string =>
      `POST ${path} HTTP/1.1\r\nHost: bodies.test\r\n${more}Transfer-Encoding: chunked\r\n\r\n` +
      `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const answer = await raw(nginx.http, post("/wide", "") + post("/", "Connection: close\r\n"));
    assert.deepEqual(answer.match(/HTTP\/1\.1 \d{3}/g), ["HTTP/1.1 200", "HTTP/1.1 413"]);
  });

  test("a variant that is not there: the profile serves, and what tells its length is held to the limit", async () => {
    await use({ kind: "body_limit", bytes: 100 }, { kind: "variant", profile: "http-b1k" });
    assert.deepEqual([await sized(100), await sized(101)], [200, 413]);
    assert.equal(await chunked(101), 200);
  });

  test("a variant that comes with a reload is used from then on", async () => {
    await using other = await TestNginx.start({ workers: 1 });
    await other.push.put(
      ...lines.site("later.test", [backend.peer]),
      lines.route("test/later-test/all", "test/later-test/80", { filters: [{ kind: "variant", profile: LARGE.name }] }),
    );
    const status = async (): Promise<number> =>
      (await ask(other.http, "later.test", { method: "POST", body: "x".repeat(2048 * KB) })).status;
    assert.equal(await status(), 413);
    await other.reconfigure({ variants: [LARGE] });
    assert.equal(await status(), 200);
    await other.reconfigure({ variants: [] });
    assert.equal(await status(), 413);
  });

  test("long headers of an answer want a large buffer", async () => {
    backend.answer = (_, outgoing) => outgoing.setHeader("x-long", "x".repeat(12_000)).end("b");
    await use();
    assert.equal((await ask(nginx.http, "bodies.test")).status, 502);
    await use({ kind: "variant", profile: HEADERS.name });
    assert.equal((await ask(nginx.http, "bodies.test")).status, 200);
  });

  test("a request that is not buffered reaches the backend while it is still coming", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.answer = (incoming, outgoing) => {
      resolve();
      incoming.resume();
      incoming.on("end", () => outgoing.end("b"));
    };
    await use({ kind: "variant", profile: STREAMED.name });
    const { createConnection } = await import("node:net");
    const socket = createConnection(nginx.http, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: bodies.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\na");
    await promise;
    const chunks: Buffer[] = [];
    socket.on("data", (data) => chunks.push(data));
    socket.write("b");
    await new Promise((done) => socket.on("close", done));
    assert.equal(statusOf(Buffer.concat(chunks).toString()), 200);
  });

  test("a buffered answer is taken from the backend before the client has read it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.answer = (_, outgoing) => {
      outgoing.on("finish", resolve);
      outgoing.end(Buffer.alloc(16 * KB * KB));
    };
    await use({ kind: "variant", profile: BUFFERED.name });
    const { createConnection } = await import("node:net");
    const socket = createConnection(nginx.http, "127.0.0.1");
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: bodies.test\r\nConnection: close\r\n\r\n");
    await promise;
    socket.destroy();
  });
});
