// Another service is asked whether a request may pass, in a real nginx.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, beforeEach, describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { AuthSite } from "../support/auth-site.ts";
import { ask, raw, statusOf } from "../support/backend.ts";
import { eventually } from "../support/wait.ts";

describe("external authentication", () => {
  let site: AuthSite;
  let http: number;
  before(async () => {
    site = await AuthSite.start();
    http = site.nginx.http;
  });
  after(() => site[Symbol.asyncDispose]());
  beforeEach(() => site.reset());

  const lastAsked = () => site.auth.seen.at(-1)?.headers ?? {};
  const lastSent = () => site.backend.seen.at(-1)?.headers ?? {};

  test("a 2xx lets a request pass with its body; the service is told about it and gets no body", async () => {
    await site.use("pass.test", { auth: { request_headers: [{ name: "X-Team", value: ["shop of ", "$host"] }] } });
    let got = 0;
    site.backend.answer = (incoming, outgoing) => {
      incoming.on("data", (chunk: Buffer) => (got += chunk.length));
      incoming.on("end", () => outgoing.end("b"));
    };
    const body = "x".repeat(300_000);
    const headers = { cookie: "s=1", "x-team": "evil", "x-forwarded-uri": "/open", "x-original-url": "http://x/" };
    const answer = await ask(http, "pass.test", { method: "POST", body, path: "/a%20b?c=d", headers });
    assert.deepEqual([answer.status, answer.text, got], [200, "b", body.length]);
    assert.deepEqual([site.auth.seen.at(-1)?.method, site.auth.seen.at(-1)?.url], ["GET", "/check"]);
    const { "x-request-id": id, ...told } = lastAsked();
    assert.equal(id, lastSent()["x-request-id"]);
    assert.deepEqual(told, {
      host: "auth.sso.svc:4180",
      cookie: "s=1",
      "x-auth-request-redirect": "/a%20b?c=d",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "pass.test",
      "x-forwarded-method": "POST",
      "x-forwarded-port": `${http}`,
      "x-forwarded-proto": "http",
      "x-forwarded-uri": "/a%20b?c=d",
      "x-original-method": "POST",
      "x-original-url": "http://pass.test/a%20b?c=d",
      "x-real-ip": "127.0.0.1",
      "x-sent-from": "headgate",
      "x-team": "shop of pass.test",
    });
  });

  test("401 and 403 are the client's answer, anything else but 2xx is 503, and the backend sees none of it", async () => {
    await site.use("status.test");
    const expected: readonly (readonly [number, number])[] = [
      [200, 200],
      [202, 200],
      [204, 200],
      [299, 200],
      [301, 503],
      [304, 503],
      [400, 503],
      [401, 401],
      [402, 503],
      [403, 403],
      [404, 503],
      [429, 503],
      [500, 503],
      [503, 503],
    ];
    for (const [status, then] of expected) {
      site.authAnswers(status, status === 301 ? { location: "/yes" } : {});
      const before = site.backend.seen.length;
      assert.equal((await ask(http, "status.test")).status, then, `${status}`);
      assert.equal(site.backend.seen.length - before, then === 200 ? 1 : 0, `${status}`);
    }
    for (const [status, type, body] of [
      [401, "application/json", '{"no":1}'],
      [403, "text/html", "<p>no"],
    ] as const) {
      site.authAnswers(status, { "content-type": type }, body);
      const answer = await ask(http, "status.test");
      assert.deepEqual([answer.status, answer.headers["content-type"], answer.text], [status, type, body]);
      const head = await ask(http, "status.test", { method: "HEAD" });
      assert.deepEqual([head.status, head.headers["content-length"], head.text], [status, `${body.length}`, ""]);
    }
    site.authAnswers(403, { "content-encoding": "gzip" }, "?");
    assert.equal((await ask(http, "status.test")).text, "403 forbidden\n");
    site.authAnswers(403, {}, "x".repeat(100_000));
    assert.equal((await ask(http, "status.test")).text, "403 forbidden\n");
    site.authAnswers(401, { "www-authenticate": ['Bearer realm="a"', "Basic"], "x-other": "1", "set-cookie": "a=1" });
    const { headers } = await ask(http, "status.test");
    assert.equal(headers["www-authenticate"], 'Bearer realm="a", Basic');
    assert.deepEqual([headers["x-other"], headers["set-cookie"]], [undefined, undefined]);
  });

  test("methods, HEAD, HTTP/2, upgrades: all are asked about", async () => {
    await site.use("kinds.test", { auth: { method: "POST" } });
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.equal((await ask(http, "kinds.test", { method })).status, 200);
      assert.equal(lastAsked()["x-original-method"], method);
      assert.equal(site.auth.seen.at(-1)?.method, "POST");
    }
    site.authAnswers(403);
    for (const method of ["GET", "HEAD", "PUT", "OPTIONS", "TRACE", "BREW"]) {
      const before = site.backend.seen.length;
      const answer = await raw(http, `${method} / HTTP/1.1\r\nHost: kinds.test\r\nConnection: close\r\n\r\n`);
      assert.notEqual(statusOf(answer), 200, method);
      assert.equal(site.backend.seen.length, before);
    }
    for (const [status, body] of [
      [403, ""],
      [200, "x".repeat(70_000)],
    ] as const) {
      site.authAnswers(status);
      assert.equal(await overHttp2("kinds.test", body), status);
    }
  });

  /** The status of a POST over HTTP/2. */
  function overHttp2(host: string, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${site.nginx.https}`, {
        servername: host,
        rejectUnauthorized: false,
      });
      session.on("error", reject);
      const stream = session.request({ ":method": "POST", ":authority": host, ":path": "/" });
      stream.on("response", (headers) => {
        resolve(headers[":status"] ?? 0);
        session.destroy();
      });
      stream.on("error", reject);
      stream.end(body);
    });
  }

  test("a WebSocket is opened after the service's word, and its bytes pass", async () => {
    await site.use("ws.test");
    site.backend.server.once("upgrade", (_, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.on("data", (data: Buffer) => socket.end(`echo ${data.toString()}`));
    });
    const head = "GET /ws HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const text = await new Promise<string>((resolve, reject) => {
      let got = "";
      const socket = connect(http, "127.0.0.1", () => socket.write(head));
      socket.on("error", reject);
      socket.on("data", (data) => {
        got += data.toString();
        if (got.endsWith("\r\n\r\n")) socket.write("hello");
      });
      socket.on("close", () => resolve(got));
    });
    assert.match(text, /^HTTP\/1\.1 101 [\s\S]*echo hello$/);
    assert.deepEqual([lastAsked().upgrade, lastAsked().connection], [undefined, undefined]);
    site.authAnswers(401);
    assert.equal(statusOf(await raw(http, head.replace("Upgrade\r\n", "Upgrade, close\r\n"))), 401);
  });

  test("copied headers take the place of the client's, however it spells and repeats them", async () => {
    await site.use("copy.test", { auth: { response_headers: ["X-Auth-User", "X-Groups", "Authorization"] } });
    site.authAnswers(200, { "x-auth-user": "ann", "x-groups": ["a", "b"] });
    const spoof =
      "GET / HTTP/1.1\r\nHost: copy.test\r\nConnection: close\r\nX-Auth-User: root\r\nx-auth-user: root\r\n" +
      "X-AUTH-USER: root\r\nX-Groups: admin\r\nAuthorization: Bearer x\r\nX-Kept: 1\r\n\r\n";
    assert.equal(statusOf(await raw(http, spoof)), 200);
    const { "x-auth-user": user, "x-groups": groups, authorization, "x-kept": kept } = lastSent();
    assert.deepEqual([user, groups, authorization, kept], ["ann", "a, b", undefined, "1"]);
    assert.equal(lastAsked().authorization, "Bearer x");
    site.authAnswers(200, { authorization: "Bearer of-the-service", "x-auth-user": "" });
    assert.equal(statusOf(await raw(http, spoof)), 200);
    assert.deepEqual(
      [lastSent()["x-auth-user"], lastSent()["x-groups"], lastSent().authorization],
      [undefined, undefined, "Bearer of-the-service"],
    );
  });

  test("variables of the URL cannot end its line or part its arguments", async () => {
    const parts = [
      "/v/",
      "$request_method",
      "?u=",
      "$request_uri",
      "&c=",
      "$cookie_a",
      "&h=",
      "$http_x_h",
      "&n=",
      "$nothing",
    ];
    await site.use("url.test", { auth: { target: parts } });
    const headers = { cookie: "a=1 HTTP/1.1&b=2#", "x-h": "é/../?&x" };
    assert.equal((await ask(http, "url.test", { path: "/p?q#f", headers })).status, 200);
    assert.equal(site.auth.seen.at(-1)?.url, "/v/GET?u=/p?q%23f&c=1%20HTTP%2F1.1%26b=2%23&h=%E9%2F..%2F%3F%26x&n=");
  });

  test("a preflight that is answered here asks nobody, any other OPTIONS is asked about", async () => {
    const cors: FilterValue = {
      kind: "cors",
      origins: ["https://app.example"],
      methods: "GET",
      headers: "",
      expose: "",
      credentials: false,
      max_age_s: 1,
    };
    site.authAnswers(401);
    await site.use("cors.test", { filters: [cors] });
    const status = async (method: string, origin: string): Promise<number> =>
      (await ask(http, "cors.test", { method, headers: { origin } })).status;
    assert.equal(await status("OPTIONS", "https://app.example"), 204);
    assert.equal(site.auth.seen.length, 0);
    assert.equal(await status("OPTIONS", "https://evil.example"), 401);
    assert.equal(await status("GET", "https://app.example"), 401);
    assert.equal(site.backend.seen.length, 0);
  });

  test("access lists and the redirect to https come before it", async () => {
    await site.put(site.lines.serverName("order.test", ""));
    await site.use("order.test", { filters: [{ kind: "access", allow: [["192.0.2.1/32"]], deny: [] }] });
    assert.equal((await ask(http, "order.test")).status, 403);
    await site.use("order.test", {
      route: { ssl_redirect: "certificate" },
      filters: [{ kind: "app_root", path: "/app" }],
    });
    assert.equal((await ask(http, "order.test")).status, 308);
    assert.equal(site.auth.seen.length, 0);
    site.authAnswers(403);
    assert.equal((await ask(site.nginx.https, "order.test", { servername: "order.test" })).status, 403);
    await site.use("order.test", { route: { closed: "closed" } });
    assert.equal((await ask(http, "order.test")).status, 503);
  });

  test("a host that is served here is asked by its own route, unless that is guarded, closed or gone", async () => {
    const { lines, auth } = site;
    const sso = (change: Parameters<typeof lines.route>[2] = {}) =>
      site.put(
        lines.backend("own/sso/80", [auth.peer]),
        lines.route("own/i/sso", "own/sso/80", { path: "/oauth2", ...change }),
      );
    await sso();
    await site.use("own.test", {
      auth: { scheme: "https", host: "$host", backend: "", target: ["/oauth2/auth?x=", "$uri"] },
    });
    await site.put(lines.host("own.test", { "/": "own.test/i/all", "/oauth2": "own/i/sso" }));
    const status = async (): Promise<number> => (await ask(http, "own.test", { path: "/p" })).status;
    assert.equal(await status(), 200);
    assert.deepEqual([site.auth.seen.at(-1)?.url, lastAsked().host], ["/oauth2/auth?x=/p", "own.test"]);
    await sso({ filters: [{ kind: "strip", prefix: "/oauth2", target: "/in" }] });
    assert.equal(await status(), 200);
    assert.equal(site.auth.seen.at(-1)?.url, "/in/auth?x=/p");
    const before = site.auth.seen.length;
    await sso({ filters: [{ kind: "access", allow: [["127.0.0.0/8"]], deny: [] }] });
    assert.equal(await status(), 503);
    await sso({ closed: "no" });
    assert.equal(await status(), 503);
    await site.put(lines.backend("own/empty/80", []));
    const errors: FilterValue = { kind: "errors", codes: [], backend: "own/sso/80", port: "80" };
    await sso({ backends: [{ backend: "own/empty/80", weight: 1 }], filters: [errors] });
    assert.equal(await status(), 503, "a default backend has no say");
    await site.put(lines.host("own.test", { "/": "own.test/i/all" }));
    assert.equal(await status(), 503, "its own path is guarded by itself: there is no loop");
    assert.equal(site.auth.seen.length, before);
    await sso();
    await site.put(lines.host("sso.test", { "/": "own/i/sso" }));
    await site.use("other.test", { auth: { host: "sso.test", backend: "" } });
    assert.equal((await ask(http, "other.test")).status, 200, "a name that is a host here");
    assert.equal(lastAsked().host, "sso.test");
    await site.put(lines.delete("host", "ingress/sso.test"));
    assert.equal((await ask(http, "other.test")).status, 503);
  });

  test("explain says who would be asked, and asks nobody; outcomes are counted", async () => {
    await site.use("explain.test");
    const { text } = await site.nginx.push.call(
      "GET",
      "/v1/explain?host=explain.test&path=/&scheme=https&client=10.0.0.1",
    );
    const { action, note } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([action, note], ["proxy", "would ask http://auth.sso.svc:4180"]);
    assert.equal(site.auth.seen.length, 0);
    await ask(http, "explain.test");
    await eventually("the outcome is counted", async () =>
      /headgate_external_auth_total\{host="auth\.sso\.svc:4180",outcome="allowed"\} \d+/.test(
        (await site.nginx.push.call("GET", "/v1/metrics")).text,
      ),
    );
  });
});
