// What a route does beyond balancing, by requests to a real nginx: the backends see bytes.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type { FilterValue, RouteValue } from "../../../agent/render/documents.ts";
import { ask, Backend, raw, RawBackend, statusOf } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";
import type { Line } from "../support/push.ts";

const HERE: FilterValue = { kind: "access", allow: [["127.0.0.0/8"]], deny: [] };
const NOBODY: FilterValue = { kind: "access", allow: [["192.0.2.1/32", "2001:db8::/32"]], deny: [] };

describe("filters", () => {
  let nginx: TestNginx;
  let backend: Backend;
  let plain: RawBackend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start({ workers: 1, httpsPort: 8443 });
    backend = await Backend.start("any");
    plain = await RawBackend.start((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    });
  });
  after(async () => {
    await plain[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) {
      assert.equal(result.result, "applied", result.message);
    }
  }

  async function site(name: string, filters: readonly FilterValue[], change: Partial<RouteValue> = {}): Promise<void> {
    await put(
      lines.backend(`${name}/web/80`, [backend.peer]),
      lines.route(`${name}/i/all`, `${name}/web/80`, { filters, ...change }),
      lines.host(name, { "/": `${name}/i/all` }),
    );
  }

  /** The request line that the backend gets for a target, or the status where it gets none. */
  async function sent(name: string, target: string): Promise<string | number> {
    const count = plain.received.length;
    const answer = await raw(nginx.http, `GET ${target} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    if (plain.received.length === count) return statusOf(answer);
    assert.equal(plain.received.length, count + 1);
    return plain.received.at(-1)?.split("\r\n")[0] ?? "";
  }

  async function rewriting(name: string, filter: FilterValue): Promise<void> {
    await put(
      lines.backend(`${name}/web/80`, [plain.peer]),
      lines.route(`${name}/i/all`, `${name}/web/80`, { filters: [filter] }),
      lines.host(name, { "/": `${name}/i/all` }),
    );
  }

  test("a guard by address lets through whom all its lists allow, and nobody it denies", async () => {
    const status = async (...filters: readonly FilterValue[]): Promise<number> => {
      await site("guard.test", filters);
      return (await ask(nginx.http, "guard.test", { method: "POST", body: "x".repeat(100_000) })).status;
    };
    const asked = backend.seen.length;
    assert.equal(await status(NOBODY), 403);
    assert.equal(await status(HERE, NOBODY), 403);
    assert.equal(await status({ kind: "access", allow: [["127.0.0.1/32"], ["10.0.0.0/8"]], deny: [] }), 403);
    assert.equal(await status({ kind: "access", allow: [["127.0.0.0/8"]], deny: ["127.0.0.1/32"] }), 403);
    assert.equal(backend.seen.length, asked);
    assert.equal((await ask(nginx.http, "guard.test")).text, "403 forbidden\n");
    await eventually("they are counted for their Ingress", async () =>
      /headgate_requests_total\{namespace="guard.test",ingress="i",service="web",code="4xx"\} 5$/m.test(
        (await nginx.push.call("GET", "/v1/metrics")).text,
      ),
    );
    assert.equal(await status(HERE), 200);
    assert.equal(await status({ kind: "access", allow: [[], ["127.0.0.1/32"]], deny: ["::/0"] }), 200);
    assert.equal(await status(), 200);
  });

  test("an IPv4 client of an IPv6 socket counts as IPv4, a unix socket as nobody", async () => {
    await using other = await TestNginx.start({ workers: 1, reach: true });
    const answer = await other.reach(`
      local networks = require("headgate.networks")
      local mapped = networks.client(networks.address("::ffff:127.0.0.1"))
      ngx.print(mapped == networks.address("127.0.0.1"), " ", networks.client(ngx.var.binary_remote_addr) == nil)
    `);
    assert.equal(answer, "true true");
  });

  test("a guard comes before the redirects, closed comes before the guard", async () => {
    await put(lines.serverName("order.test", ""));
    const root: FilterValue = { kind: "app_root", path: "/app" };
    await site("order.test", [root, NOBODY], { ssl_redirect: "always" });
    assert.equal((await ask(nginx.http, "order.test")).status, 403);
    assert.equal((await ask(nginx.http, "order.test", { path: "/.well-known/acme-challenge/x" })).status, 403);
    await site("order.test", [root, NOBODY], { closed: "auth-url is not served" });
    assert.equal((await ask(nginx.http, "order.test")).status, 503);
    await site("order.test", [root, HERE], { ssl_redirect: "certificate" });
    assert.equal((await ask(nginx.http, "order.test")).headers.location, "https://order.test:8443/");
    const secure = await ask(nginx.https, "order.test", { servername: "order.test" });
    assert.deepEqual([secure.status, secure.headers.location], [302, "/app"]);
  });

  test("always redirects to https without a certificate, but not below the ACME challenge", async () => {
    await site("always.test", [], { ssl_redirect: "always" });
    const answer = await ask(nginx.http, "always.test", { path: "/x?y" });
    assert.deepEqual([answer.status, answer.headers.location], [308, "https://always.test:8443/x?y"]);
    assert.equal((await ask(nginx.http, "always.test", { path: "/.well-known/acme-challenge/x" })).status, 200);
    assert.equal((await ask(nginx.https, "always.test", { servername: "always.test" })).status, 200);
  });

  test("the root of an application is a relative redirect of / alone", async () => {
    await site("root.test", [{ kind: "app_root", path: "/app é?x=1" }]);
    const answer = await raw(nginx.http, "GET /?q HTTP/1.1\r\nHost: root.test\r\nConnection: close\r\n\r\n");
    assert.equal(statusOf(answer), 302);
    assert.match(answer, /\r\nLocation: \/app%20%C3%A9\?x=1\r\n/);
    assert.equal((await ask(nginx.http, "root.test", { path: "/x" })).status, 200);
  });

  test("a rewrite puts encoded captures into the target, and keeps the query", async () => {
    await rewriting("rewrite.test", { kind: "rewrite", pattern: "^/foo(/|$)(.*)", target: "/bar/$2" });
    const cases: readonly (readonly [string, string])[] = [
      ["/foo/x/y", "GET /bar/x/y HTTP/1.1"],
      ["/FOO", "GET /bar/ HTTP/1.1"],
      ["/foo/x?a=%20&b=/../", "GET /bar/x?a=%20&b=/../ HTTP/1.1"],
      ["/foo/x#?a", "GET /bar/x HTTP/1.1"],
      ["/foo/a%20b%3fc%23d%25e", "GET /bar/a%20b%3Fc%23d%25e HTTP/1.1"],
      ["/foo/%2e%2e%2fx", "GET /foo/%2e%2e%2fx HTTP/1.1"],
      ["/foo/%252e%252e/x", "GET /bar/%252e%252e/x HTTP/1.1"],
      ["/foo/\xe9\xff", "GET /bar/%E9%FF HTTP/1.1"],
      ["/other%20", "GET /other%20 HTTP/1.1"],
    ];
    for (const [target, expected] of cases) {
      assert.equal(await sent("rewrite.test", target), expected, target);
    }
  });

  test("no path puts a second request on the upstream connection", async () => {
    await rewriting("smuggle.test", { kind: "rewrite", pattern: "^/rw/((?s:.*))", target: "/$1" });
    const evil = "/rw/a%20HTTP/1.1%0d%0aX-Evil:%20y%0d%0a%0d%0aGET%20/smuggled";
    const expected = "GET /a%20HTTP/1.1%0D%0AX-Evil:%20y%0D%0A%0D%0AGET%20/smuggled HTTP/1.1";
    assert.equal(await sent("smuggle.test", evil), expected);
    assert.equal(await sent("smuggle.test", "/rw/%01%7f%80"), "GET /%01%7F%80 HTTP/1.1");
  });

  test("a target may bring arguments; the client's come behind, and a capture adds none", async () => {
    await rewriting("query.test", { kind: "rewrite", pattern: "/a/(.*)", target: "/index.php?path=$1" });
    assert.equal(await sent("query.test", "/a/b%20c"), "GET /index.php?path=b%20c HTTP/1.1");
    assert.equal(await sent("query.test", "/a/b&x=1?y=%20"), "GET /index.php?path=b%26x=1&y=%20 HTTP/1.1");
  });

  test("a rewrite that makes a dot segment is refused", async () => {
    await rewriting("dots.test", { kind: "rewrite", pattern: "^/static(.*)", target: "/files/$1" });
    assert.equal(await sent("dots.test", "/static/a"), "GET /files//a HTTP/1.1");
    assert.equal(await sent("dots.test", "/static../secret"), 400);
    assert.equal(await sent("dots.test", "/static..;/secret"), 400);
  });

  test("a rewrite whose pattern gives up answers 503; one that is none is refused when it comes", async () => {
    await rewriting("giveup.test", { kind: "rewrite", pattern: "^/(a+)+$", target: "/x" });
    assert.equal(await sent("giveup.test", "/aaa"), "GET /x HTTP/1.1");
    assert.equal(await sent("giveup.test", `/${"a".repeat(30)}b`), 503);
    const bad = lines.route("giveup.test/i/bad", "giveup.test/web/80", {
      filters: [{ kind: "rewrite", pattern: "^/(", target: "/" }],
    });
    const [result] = await nginx.push.put(bad);
    assert.equal(result?.result, "invalid");
    assert.match(result.message ?? "", /^filters: pattern \^\/\(: /);
  });

  test("a strip replaces its prefix by whole segments", async () => {
    await rewriting("strip.test", { kind: "strip", prefix: "/foo", target: "/bar" });
    const cases: readonly (readonly [string, string | number])[] = [
      ["/foo/x%20y?q=%20", "GET /bar/x%20y?q=%20 HTTP/1.1"],
      ["/foo", "GET /bar HTTP/1.1"],
      ["/foo/", "GET /bar/ HTTP/1.1"],
      ["/food", "GET /food HTTP/1.1"],
      ["/foo/..;/x", 400],
    ];
    for (const [target, expected] of cases) assert.equal(await sent("strip.test", target), expected, target);
    await rewriting("strip.test", { kind: "strip", prefix: "/foo", target: "/" });
    assert.equal(await sent("strip.test", "/foo"), "GET / HTTP/1.1");
    assert.equal(await sent("strip.test", "/foo/x"), "GET /x HTTP/1.1");
  });

  test("the name for the TLS of a backend is a variable of nginx", async () => {
    await using other = await TestNginx.start({ workers: 1 });
    await other.stop();
    const profile = join(other.directory, "nginx/profiles/http.conf");
    const text = readFileSync(profile, "utf8");
    writeFileSync(profile, text.replace("proxy_redirect off;", "proxy_redirect off; add_header X-Name =$hg_tls_name;"));
    await other.spawn();
    const name: FilterValue = { kind: "upstream_tls_name", name: "web.shop.example" };
    await other.push.put(
      lines.backend("tls/web/80", [backend.peer]),
      lines.route("tls/i/named", "tls/web/80", { filters: [name] }),
      lines.route("tls/i/plain", "tls/web/80"),
      lines.host("tls.test", { "/named": "tls/i/named", "/": "tls/i/plain" }),
    );
    assert.equal((await ask(other.http, "tls.test", { path: "/named" })).headers["x-name"], "=web.shop.example");
    assert.equal((await ask(other.http, "tls.test")).headers["x-name"], "=");
  });

  test("explain tells guards, redirects and rewritten URIs", async () => {
    interface Explained {
      readonly action: string;
      readonly status?: number;
      readonly reason?: string;
      readonly uri?: string;
      readonly note?: string;
    }
    const explain = (query: string): Promise<Explained> =>
      nginx.push.json("GET", `/v1/explain?host=explain.test&${query}`);
    await site("explain.test", [
      { kind: "access", allow: [["10.0.0.0/8"]], deny: [] },
      { kind: "app_root", path: "/app" },
      { kind: "rewrite", pattern: "^/a/(.*)", target: "/$1" },
    ]);
    const denied = await explain("path=/a/x&client=192.0.2.1");
    assert.deepEqual(
      [denied.action, denied.status, denied.reason],
      ["answer", 403, "the client's address is not allowed"],
    );
    const allowed = await explain("path=/a/x%2520y?z&client=10.1.1.1");
    assert.deepEqual([allowed.action, allowed.uri, allowed.note], ["proxy", "/x%20y?z", undefined]);
    const root = await explain("path=/&client=10.1.1.1");
    assert.deepEqual([root.action, root.status, root.reason], ["redirect", 302, "/app"]);
    assert.match((await explain("path=/a/x")).note ?? "", /guards by address are left out/);
    assert.equal((await nginx.push.call("GET", "/v1/explain?host=explain.test&path=/&client=x")).status, 400);
  });
});
