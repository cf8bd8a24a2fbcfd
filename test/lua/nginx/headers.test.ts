// Headers that a route sets and takes away, by requests to a real nginx.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend, raw, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";

describe("headers of a route", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start({ workers: 1 });
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
      lines.host("headers.test", { "/": "shop/front/all" }),
    );
    for (const { result, message } of results) assert.equal(result, "applied", message);
  }

  async function sent(path: string, headers: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    assert.equal((await ask(nginx.http, "headers.test", { path, headers })).status, 200);
    return { ...backend.seen.at(-1)?.headers };
  }

  test("of a request are set over the client's, filled in, or taken away", async () => {
    await use({
      kind: "request_headers",
      set: [
        { name: "X-Tenant", value: ["shop"] },
        { name: "X_Under", value: ["1"] },
        { name: "X-Where", value: ["$scheme", "://", "$host", "$request_uri", " ", "$request_method"] },
        { name: "X-Id", value: ["$request_id"] },
      ],
      remove: ["X-Debug", "Cookie"],
    });
    const seen = await sent("/a?b=%20", { "x-tenant": "evil", "x-debug": "1", cookie: "a=b", "x-other": "2" });
    assert.equal(seen["x-tenant"], "shop");
    assert.equal(seen["x_under"], "1");
    assert.equal(seen["x-where"], "http://headers.test/a?b=%20 GET");
    assert.equal(seen["x-id"], seen["x-request-id"]);
    assert.deepEqual([seen["x-debug"], seen["cookie"], seen["x-other"]], [undefined, undefined, "2"]);
    await use();
    assert.equal((await sent("/", { "x-tenant": "mine" }))["x-tenant"], "mine");
  });

  test("a client's second header of a name that is set or taken away does not get by", async () => {
    await use({ kind: "request_headers", set: [{ name: "X-Tenant", value: ["shop"] }], remove: ["X-Debug"] });
    const twice = "X-Tenant: a\r\nx-tenant: b\r\nX-Debug: 1\r\nx-debug: 2\r\n";
    await raw(nginx.http, `GET / HTTP/1.1\r\nHost: headers.test\r\n${twice}Connection: close\r\n\r\n`);
    const headers = backend.seen.at(-1)?.headers;
    assert.deepEqual([headers?.["x-tenant"], headers?.["x-debug"]], ["shop", undefined]);
  });

  test("bytes of a client's URI cannot end a header", async () => {
    await using bytes = await RawBackend.start((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    });
    await use({ kind: "request_headers", set: [{ name: "X-Uri", value: ["$request_uri"] }], remove: [] });
    await nginx.push.put(lines.backend("shop/web/80", [bytes.peer]));
    await raw(nginx.http, 'GET /\xe9"x%0d%0aEvil:1 HTTP/1.1\r\nHost: headers.test\r\nConnection: close\r\n\r\n');
    assert.match(bytes.received.join(""), /\r\nX-Uri: \/%E9%22x%0d%0aEvil:1\r\n/);
  });

  test("of an answer are set over the backend's or taken away, and CORS has the last word", async () => {
    backend.answer = (_, outgoing) => {
      outgoing.setHeader("X-Powered-By", "b");
      outgoing.setHeader("X-Frame-Options", "ALLOW");
      outgoing.setHeader("Content-Type", "text/html");
      outgoing.end("b");
    };
    await use(
      {
        kind: "response_headers",
        set: [
          { name: "X-Frame-Options", value: ["DENY"] },
          { name: "x_under", value: ["$host"] },
          { name: "Access-Control-Allow-Origin", value: ["*"] },
        ],
        remove: ["X-Powered-By", "Content-Type"],
      },
      {
        kind: "cors",
        origins: ["https://app.example"],
        methods: "GET",
        headers: "",
        expose: "",
        credentials: false,
        max_age_s: 1,
      },
    );
    const { headers } = await ask(nginx.http, "headers.test", { headers: { origin: "https://app.example" } });
    assert.equal(headers["x-frame-options"], "DENY");
    assert.equal(headers["x_under"], "headers.test");
    assert.equal(headers["access-control-allow-origin"], "https://app.example");
    assert.deepEqual([headers["x-powered-by"], headers["content-type"]], [undefined, undefined]);
    await use();
    assert.equal((await ask(nginx.http, "headers.test")).headers["x-frame-options"], "ALLOW");
  });

  test("redirects and cookies of a backend are said in the client's words", async () => {
    const before = backend.answer;
    backend.answer = (_, outgoing) => {
      outgoing.setHeader("set-cookie", ["a=1; Domain=web.internal; Path=/app/x", "b=2"]);
      outgoing.writeHead(302, { location: "http://web.internal/app/login?x" }).end();
    };
    await use(
      { kind: "location", from: "http://web.internal/app/", to: ["$scheme", "://", "$host", "/"] },
      { kind: "cookie_domain", from: "web.internal", to: "headers.test" },
      { kind: "cookie_path", from: "/app/", to: "/" },
    );
    const { headers } = await ask(nginx.http, "headers.test");
    assert.equal(headers.location, "http://headers.test/login?x");
    assert.deepEqual(headers["set-cookie"], ["a=1; Domain=headers.test; Path=/x", "b=2"]);
    await use();
    assert.equal((await ask(nginx.http, "headers.test")).headers.location, "http://web.internal/app/login?x");
    backend.answer = before;
  });

  test("a backend may be asked for another host; what is said of the client's stays", async () => {
    await use({ kind: "upstream_host", name: "web.internal.example:8080" });
    const seen = await sent("/", {});
    assert.deepEqual([seen["host"], seen["x-forwarded-host"]], ["web.internal.example:8080", "headers.test"]);
    await use();
    assert.equal((await sent("/", {}))["host"], "headers.test");
  });

  test("a backend is told of the prefix that a rewrite took away, never of a client's", async () => {
    const told = async (path: string): Promise<unknown> =>
      (await sent(path, { "x-forwarded-prefix": "/evil" }))["x-forwarded-prefix"];
    await use(
      { kind: "rewrite", pattern: "^/(app|s p)(/.*)?$", target: "/$2" },
      { kind: "forwarded_prefix", value: "/of/$1" },
    );
    assert.deepEqual(
      [await told("/app/x"), await told("/s%20p/x"), await told("/other")],
      ["/of/app", "/of/s%20p", undefined],
    );
    await use({ kind: "strip", prefix: "/app", target: "/" }, { kind: "forwarded_prefix", value: "/app" });
    assert.deepEqual([await told("/app/x"), await told("/other")], ["/app", undefined]);
    await use();
    assert.equal(await told("/app"), undefined);
  });

  test("those of all hosts are set by the configuration", async () => {
    const settings: Readonly<Record<string, readonly string[]>> = {
      "proxy.setHeaders": ['X-Edge: "a\\b" $request_id@$host', "Accept-Encoding: identity"],
      "http.addHeaders": ["X-Frame-Options: DENY"],
      "http.hideHeaders": ["X-Powered-By"],
    };
    await using other = await TestNginx.start({ workers: 1, view: { traffic: buildTraffic((key) => settings[key]) } });
    await other.push.put(...lines.site("all.test", [backend.peer]));
    const { headers } = await ask(other.http, "all.test", { headers: { "x-edge": "evil" } });
    assert.deepEqual([headers["x-frame-options"], headers["x-powered-by"]], ["ALLOW, DENY", undefined]);
    const seen = backend.seen.at(-1)?.headers ?? {};
    assert.equal(seen["x-edge"], `"a\\b" ${String(seen["x-request-id"])}@all.test`);
    assert.equal(seen["accept-encoding"], "identity");
    const missing = await ask(other.http, "nobody.test");
    assert.deepEqual([missing.status, missing.headers["x-frame-options"]], [404, "DENY"]);
  });
});
