// What a default backend answers in place of another one, by requests to a real nginx.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { variantOf } from "../../../agent/render/variants.ts";
import { ask, Backend, raw, RawBackend, statusOf } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";

const ERRORS = {
  kind: "errors",
  codes: [401, 404, 413, 502, 503],
  backend: "shop/errors/80",
  port: "8080",
} as const;

const VARIANT = variantOf("http", false, { transfer: null, intercept: [401, 404, 413, 502, 503] });
assert.ok(VARIANT);
/** As a route has them: with the variant that intercepts them. */
const INTERCEPT: FilterValue = { kind: "variant", profile: VARIANT.name };

describe("errors that a default backend answers", () => {
  let nginx: TestNginx;
  let backend: Backend;
  let errors: Backend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start({ workers: 1, reach: true, view: { variants: [VARIANT] } });
    [backend, errors] = await Promise.all([Backend.start("b"), Backend.start("errors")]);
    errors.answer = (incoming, outgoing) => {
      incoming.resume();
      outgoing.statusCode = Number(incoming.headers["x-code"]);
      outgoing.setHeader("x-of", "errors");
      incoming.on("end", () => outgoing.end(`sorry: ${String(incoming.headers["x-code"])}`));
    };
    backend.answer = (incoming, outgoing) => {
      incoming.resume();
      outgoing.statusCode = Number(/^\/(\d+)$/.exec(incoming.url ?? "")?.[1] ?? "500");
      outgoing.setHeader("x-of", "backend");
      outgoing.setHeader("x-powered-by", "b");
      outgoing.setHeader("set-cookie", ["a=1", "b=2"]);
      outgoing.setHeader("www-authenticate", "Basic");
      incoming.on("end", () => outgoing.end("own words"));
    };
  });
  after(async () => {
    await Promise.all([backend, errors].map((one) => one[Symbol.asyncDispose]()));
    await nginx[Symbol.asyncDispose]();
  });

  async function use(peers: readonly string[], filters: readonly FilterValue[], of = [errors.peer]): Promise<void> {
    const results = await nginx.push.put(
      lines.backend("shop/errors/80", of),
      lines.backend("shop/web/80", peers),
      lines.route("shop/front/all", "shop/web/80", { filters }),
      lines.host("errors.test", { "/": "shop/front/all" }),
    );
    for (const { result, message } of results) assert.equal(result, "applied", message);
  }

  test("of the backend: only those that are named, and nothing of its answer is left", async () => {
    await use([backend.peer], [ERRORS, INTERCEPT]);
    const replaced = await ask(nginx.http, "errors.test", { path: "/404", headers: { accept: "text/html" } });
    assert.deepEqual([replaced.status, replaced.text], [404, "sorry: 404"]);
    const { "x-of": of, "x-powered-by": by, "set-cookie": cookies } = replaced.headers;
    assert.deepEqual([of, by, cookies], ["errors", undefined, undefined]);
    assert.equal(replaced.headers["content-length"], "10");
    const seen = errors.seen.at(-1);
    assert.deepEqual([seen?.method, seen?.url, seen?.headers.host], ["GET", "/", "errors.test"]);
    const told = Object.entries(seen?.headers ?? {}).filter(([name]) =>
      /^x-(code|format|original|namespace|ingr|serv)/.test(name),
    );
    assert.deepEqual(Object.fromEntries(told), {
      "x-code": "404",
      "x-format": "text/html",
      "x-original-uri": "/404",
      "x-namespace": "shop",
      "x-ingress-name": "front",
      "x-service-name": "web",
      "x-service-port": "8080",
    });
    const own = await ask(nginx.http, "errors.test", { path: "/500" });
    assert.deepEqual([own.status, own.text, own.headers["x-of"]], [500, "own words", "backend"]);
    assert.deepEqual((await ask(nginx.http, "errors.test", { path: "/200" })).text, "own words");
    assert.equal((await ask(nginx.http, "errors.test", { path: "/401" })).headers["www-authenticate"], "Basic");
  });

  test("a body that was sent is not sent again, and the connection lives on", async () => {
    await use([backend.peer], [ERRORS, INTERCEPT]);
    const post = "POST /404 HTTP/1.1\r\nHost: errors.test\r\nContent-Length: 4\r\n\r\nbody";
    const answer = await raw(nginx.http, `${post}GET /200 HTTP/1.1\r\nHost: errors.test\r\nConnection: close\r\n\r\n`);
    assert.deepEqual(answer.match(/HTTP\/1.1 \d+|sorry: 404|own words/g), [
      "HTTP/1.1 404",
      "sorry: 404",
      "HTTP/1.1 200",
      "own words",
    ]);
    assert.deepEqual([errors.seen.at(-1)?.method, errors.seen.at(-1)?.headers["content-length"]], ["GET", undefined]);
    const head = await ask(nginx.http, "errors.test", { method: "HEAD", path: "/404" });
    assert.deepEqual([head.status, head.headers["x-of"], head.text], [404, "errors", ""]);
  });

  test("the default backend has the last word, also about the status", async () => {
    const before = errors.answer;
    errors.answer = (_, outgoing) => outgoing.writeHead(302, { location: "/login" }).end();
    await use(
      [backend.peer],
      [ERRORS, INTERCEPT, { kind: "response_headers", set: [{ name: "X-Own", value: ["1"] }], remove: [] }],
    );
    const { status, headers } = await ask(nginx.http, "errors.test", { path: "/401" });
    errors.answer = before;
    assert.deepEqual([status, headers["location"], headers["x-own"]], [302, "/login", "1"]);
  });

  test("of nginx: no peer that answers, a body that is too long", async () => {
    await use(["127.0.0.1:1"], [ERRORS]);
    const gone = await ask(nginx.http, "errors.test", { method: "POST", path: "/x", body: "x" });
    assert.deepEqual([gone.status, gone.text], [502, "sorry: 502"]);
    const long = await ask(nginx.http, "errors.test", { method: "POST", body: "x".repeat(1_100_000) });
    assert.deepEqual([long.status, long.text], [413, "sorry: 413"]);
    await use(["127.0.0.1:1"], [{ ...ERRORS, codes: [404] }]);
    const plain = await ask(nginx.http, "errors.test");
    assert.deepEqual([plain.status, plain.text], [502, "502 bad gateway\n"]);
  });

  test("without interception, or before the reload that brings it, those of nginx alone", async () => {
    await use([backend.peer], [ERRORS]);
    assert.equal((await ask(nginx.http, "errors.test", { path: "/404" })).text, "own words");
    await use([backend.peer], [ERRORS, { kind: "variant", profile: "http-e0" }]);
    assert.equal((await ask(nginx.http, "errors.test", { path: "/404" })).text, "own words");
    await use(["127.0.0.1:1"], [ERRORS]);
    assert.equal((await ask(nginx.http, "errors.test")).text, "sorry: 502");
  });

  test("a Service without peers: the request itself goes to the default backend", async () => {
    await use([], [{ ...ERRORS, codes: [] }]);
    const { status, text } = await ask(nginx.http, "errors.test", { method: "POST", path: "/a?b", body: "body" });
    assert.deepEqual([status, text], [503, "sorry: 503"]);
    const seen = errors.seen.at(-1);
    assert.deepEqual([seen?.method, seen?.url, seen?.headers["content-length"]], ["POST", "/a?b", "4"]);
    assert.deepEqual([seen?.headers["x-original-uri"], seen?.headers["x-service-name"]], ["/a?b", "web"]);
    const explained: Record<string, unknown> = await nginx.push.json("GET", "/v1/explain?host=errors.test&path=/a");
    assert.deepEqual([explained["action"], explained["backend"]], ["proxy", "shop/errors/80"]);
  });

  test("a default backend that is not there, or fails, costs its page and not the status", async () => {
    await use([backend.peer], [ERRORS, INTERCEPT], []);
    const own = await ask(nginx.http, "errors.test", { path: "/404" });
    assert.deepEqual([own.status, own.text], [404, "404 not found\n"]);
    await use([], [ERRORS], []);
    assert.deepEqual((await ask(nginx.http, "errors.test")).text, "503 service unavailable\n");
    await use([backend.peer], [ERRORS, INTERCEPT], ["127.0.0.1:1"]);
    const failed = await ask(nginx.http, "errors.test", { path: "/404" });
    assert.deepEqual([failed.status, failed.text], [404, "404 not found\n"]);
    await use([], [ERRORS], ["127.0.0.1:1"]);
    assert.equal((await ask(nginx.http, "errors.test")).status, 503);
  });

  test("nobody stays in flight at the backend that the default one answered for", async () => {
    const hash: FilterValue = { kind: "balance", by: "hash", key: ["$request_uri"], bound: 0 };
    await use([backend.peer], [hash, ERRORS, INTERCEPT]);
    for (let time = 0; time < 3; time += 1) await ask(nginx.http, "errors.test", { path: "/404" });
    const inFlight = await nginx.reach(`
      local peers, store = require("headgate.peers"), require("headgate.store")
      ngx.print(peers.of(store.get(store.backend, "shop/web/80"), ngx.now()).held.total)
    `);
    assert.equal(inFlight, "0");
  });

  test("guards come first, and a client cannot name an error", async () => {
    await use(
      [backend.peer],
      [
        { kind: "access", allow: [["192.0.2.0/24"]], deny: [] },
        { ...ERRORS, codes: [403] },
      ],
    );
    const before = errors.seen.length;
    const { status, text } = await ask(nginx.http, "errors.test", { path: "/404", headers: { "x-code": "200" } });
    assert.deepEqual([status, text, errors.seen.length], [403, "403 forbidden\n", before]);
    await use([backend.peer], [ERRORS, INTERCEPT]);
    await ask(nginx.http, "errors.test", { path: "/404", headers: { "x-code": "200", "x-namespace": "evil" } });
    const { headers } = errors.seen.at(-1) ?? { headers: {} as Record<string, unknown> };
    assert.deepEqual([headers["x-code"], headers["x-namespace"]], ["404", "shop"]);
    for (const path of ["/errors", "/default-backend", "/@errors"]) {
      assert.equal((await ask(nginx.http, "errors.test", { path })).status, 500, path);
    }
  });

  test("what no error is, and an answer that is no HTTP, stay as they are", async () => {
    await using broken = await RawBackend.start((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"));
    });
    await use([broken.peer], []);
    const answer = await ask(nginx.http, "errors.test");
    assert.deepEqual([answer.status, answer.text], [502, "502 bad gateway\n"]);
    await use([broken.peer], [ERRORS]);
    assert.equal((await ask(nginx.http, "errors.test")).text, "sorry: 502");
    assert.equal(statusOf(await raw(nginx.http, "GET / HTTP/1.0\r\nHost: errors.test\r\n\r\n")), 502);
  });
});
