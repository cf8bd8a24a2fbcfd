// Which route a request takes, and what is answered where none does.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

describe("routing", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start({ httpsPort: 8443 });
    backend = await Backend.start("any");
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) {
      assert.equal(result.result, "applied", result.message);
    }
  }

  test("503 while nothing is known: no host can be said not to exist", async () => {
    await using fresh = await TestNginx.start();
    assert.equal((await ask(fresh.http, "new.test")).status, 503);
    await fresh.push.put(lines.backend("shop/other/80", []));
    assert.equal((await ask(fresh.http, "new.test")).status, 404);
  });

  test("the redirect to https comes and goes with the certificate of the host", async () => {
    const key = "test/secured-test";
    await put(
      ...lines.site("secured.test", [backend.peer]),
      lines.route(`${key}/all`, `${key}/80`, { ssl_redirect: "certificate" }),
    );
    const statuses = async (): Promise<readonly number[]> =>
      Promise.all(Array.from({ length: 10 }, async () => (await ask(nginx.http, "secured.test")).status));
    assert.deepEqual([...new Set(await statuses())], [200]);
    await put(lines.serverName("secured.test", ""));
    assert.deepEqual([...new Set(await statuses())], [308]);
    await put(lines.delete("server_name", "ingress/secured.test"));
    assert.deepEqual([...new Set(await statuses())], [200]);
  });

  test("404 for an unknown host, and 200 at once when its document comes", async () => {
    await put(...lines.site("known.test", [backend.peer]));
    const unknown = await ask(nginx.http, "new.test");
    assert.equal(unknown.status, 404);
    assert.equal(unknown.text, "404 not found\n");
    assert.match(unknown.headers["content-type"] ?? "", /^text\/plain/);
    assert.equal(unknown.headers["server"], "nginx");
    await put(...lines.site("new.test", [backend.peer]));
    for (let i = 0; i < 20; i++) {
      assert.equal((await ask(nginx.http, "new.test")).status, 200);
    }
    await put(lines.delete("host", "ingress/new.test"));
    for (let i = 0; i < 20; i++) {
      assert.equal((await ask(nginx.http, "new.test")).status, 404);
    }
  });

  test("exact before wildcard before the host of rules without one; a wildcard covers one label", async () => {
    await using exact = await Backend.start("exact");
    await using wild = await Backend.start("wild");
    await using any = await Backend.start("rest");
    await put(
      ...lines.site("www.order.test", [exact.peer]),
      ...lines.site("*.order.test", [wild.peer]),
      ...lines.site("_", [any.peer]),
    );
    assert.equal((await ask(nginx.http, "www.order.test")).text, "exact");
    assert.equal((await ask(nginx.http, "other.order.test")).text, "wild");
    assert.equal((await ask(nginx.http, "a.b.order.test")).text, "rest");
    assert.equal((await ask(nginx.http, "order.test")).text, "rest");
    await put(lines.delete("host", "ingress/_"));
    assert.equal((await ask(nginx.http, "order.test")).status, 404);
  });

  test("longest prefix by whole segments, exact before prefix, then the fallbacks", async () => {
    const routes = ["root", "api", "deep", "exact", "fallback", "default"];
    const backends = await Promise.all(routes.map((name) => Backend.start(name)));
    await put(
      ...backends.flatMap((one) => [
        lines.backend(`paths/${one.name}/80`, [one.peer]),
        lines.route(`paths/i/${one.name}`, `paths/${one.name}/80`),
      ]),
      lines.host(
        "paths.test",
        { "/api": "paths/i/api", "/api/v1/deep": "paths/i/deep" },
        {
          exact: { "/api/v1": "paths/i/exact" },
          fallback: "paths/i/fallback",
        },
      ),
      lines.host("bare.test", { "/only": "paths/i/root" }),
      lines.host("_", {}, { fallback: "paths/i/default" }),
    );
    const expected: readonly (readonly [string, string, string])[] = [
      ["paths.test", "/api", "api"],
      ["paths.test", "/api/", "api"],
      ["paths.test", "/api/v1", "exact"],
      ["paths.test", "/api/v1/", "api"],
      ["paths.test", "/api/v1/deeper", "api"],
      ["paths.test", "/api/v1/deep/x?y=/z", "deep"],
      ["paths.test", "/apis", "fallback"],
      ["paths.test", "/%61pi", "api"],
      ["bare.test", "/only/x", "root"],
      ["bare.test", "/other", "default"],
      ["unknown.test", "/", "default"],
    ];
    for (const [host, path, name] of expected) {
      assert.equal((await ask(nginx.http, host, { path })).text, name, `${host}${path}`);
    }
    await put(lines.delete("host", "ingress/_"));
    assert.equal((await ask(nginx.http, "bare.test", { path: "/other" })).status, 404);
    await Promise.all(backends.map((one) => one[Symbol.asyncDispose]()));
  });

  test("503 without peers, without backend, without route and for a closed route", async () => {
    await put(
      lines.backend("none/empty/80", []),
      lines.route("none/i/empty", "none/empty/80"),
      lines.route("none/i/missing", "none/missing/80"),
      lines.route("none/i/nothing", ""),
      lines.backend("none/full/80", [backend.peer]),
      lines.route("none/i/closed", "none/full/80", { closed: "auth-url is not served" }),
      lines.route("none/i/profile", "none/full/80", { profile: "https-0a1b" }),
      lines.host("none.test", {
        "/empty": "none/i/empty",
        "/missing": "none/i/missing",
        "/nothing": "none/i/nothing",
        "/closed": "none/i/closed",
        "/profile": "none/i/profile",
        "/route": "none/i/not-there",
      }),
    );
    const asked = backend.seen.length;
    for (const path of ["/empty", "/missing", "/nothing", "/closed", "/profile", "/route"]) {
      const answer = await ask(nginx.http, "none.test", { path, method: "POST", body: "x".repeat(100_000) });
      assert.equal(answer.status, 503, path);
      assert.equal(answer.text, "503 service unavailable\n");
    }
    assert.equal(backend.seen.length, asked);
  });

  test("what keeps requests out does not wait for the profile of a later configuration", async () => {
    await put(...lines.site("strict.test", [backend.peer]));
    const statuses = async (): Promise<readonly number[]> => {
      const seen = new Set<number>();
      for (let i = 0; i < 16; i++) seen.add((await ask(nginx.http, "strict.test")).status);
      return [...seen];
    };
    assert.deepEqual(await statuses(), [200]);
    const key = ["test/strict-test/all", "test/strict-test/80"] as const;
    const nobody = { kind: "access", allow: [["192.0.2.0/24"]], deny: [] } as const;
    await put(lines.route(...key, { profile: "https-0a1b", filters: [nobody] }));
    // A worker that has not decoded the version before has nothing that could stand in.
    const kept = await statuses();
    assert.ok(kept.includes(403) && kept.every((status) => status === 403 || status === 503), kept.join());
    await put(lines.route(...key, { profile: "https-0a1b", closed: "by a test" }));
    assert.deepEqual(await statuses(), [503]);
    await put(lines.route(...key, {}));
    assert.deepEqual(await statuses(), [200]);
  });

  test("a route that names a profile of a later configuration keeps its version before", async () => {
    await put(...lines.site("profile.test", [backend.peer]));
    assert.equal((await ask(nginx.http, "profile.test")).status, 200);
    const old = lines.route("test/profile-test/all", "test/profile-test/80", { profile: "https-0a1b" });
    await put(old);
    // The worker that has decoded the version before serves it; one that has not answers 503.
    const statuses = new Set<number>();
    for (let i = 0; i < 20; i++) {
      statuses.add((await ask(nginx.http, "profile.test")).status);
    }
    assert.ok(statuses.has(200));
    assert.ok([...statuses].every((status) => status === 200 || status === 503));
    // Its reload is on its way: that is no fault.
    assert.ok(!(await nginx.push.state()).problems.some((problem) => /profile: not in the running/.test(problem)));
  });

  test("308 to https where the host has a certificate, but never for ACME challenges", async () => {
    const redirecting = { ssl_redirect: "certificate" } as const;
    await put(
      lines.backend("tls/web/80", [backend.peer]),
      lines.route("tls/i/all", "tls/web/80", redirecting),
      lines.serverName("secure.test", ""),
      lines.serverName("*.wild.test", ""),
      lines.serverName("_", ""),
      lines.host("secure.test", { "/": "tls/i/all" }),
      lines.host("*.wild.test", { "/": "tls/i/all" }),
      lines.host("plain.test", { "/": "tls/i/all" }),
    );
    const answer = await ask(nginx.http, "SECURE.test:1234", { path: "/a%20b/?x=%2F&y=é", method: "POST", body: "x" });
    assert.equal(answer.status, 308);
    assert.equal(answer.headers.location, "https://secure.test:8443/a%20b/?x=%2F&y=%C3%A9");
    const wild = await ask(nginx.http, "a.wild.test", { path: "//x" });
    assert.equal(wild.headers.location, "https://a.wild.test:8443//x");
    assert.equal((await ask(nginx.http, "plain.test")).status, 200);
    assert.equal((await ask(nginx.http, "secure.test", { path: "/.well-known/acme-challenge/t" })).status, 200);
    assert.equal((await ask(nginx.http, "secure.test", { path: "/.well-known/acme-challenge/../x" })).status, 308);
    assert.equal((await ask(nginx.https, "secure.test", { servername: "secure.test" })).status, 200);
    await put(lines.delete("server_name", "ingress/_"));
  });

  test("explain says what the router does with a request", async () => {
    await put(...lines.site("explain.test", ["10.0.0.1:80", "[2001:db8::1]:80"]));
    const found = await nginx.push.json("GET", "/v1/explain?host=explain.test&path=/a/b&scheme=http");
    assert.deepEqual(found, {
      host: "explain.test",
      route: "test/explain-test/all",
      match: "prefix",
      path: "/",
      backend: "test/explain-test/80",
      action: "proxy",
      uri: "/a/b",
      peers: ["10.0.0.1:80", "[2001:db8::1]:80"],
    });
    const none = await nginx.push.json<object>("GET", "/v1/explain?host=nobody.test&path=/");
    assert.deepEqual(none, { action: "answer", status: 404, reason: "no such host", peers: [] });
  });
});
