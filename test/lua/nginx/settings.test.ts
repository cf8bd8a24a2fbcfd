// Settings of the traffic of all hosts, as a client and a backend see them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect as connectSecure } from "node:tls";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { SettingValue } from "../../../agent/config/check-value.ts";
import { ask, Backend, raw, statusOf } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { selfSigned, TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

/** A running nginx with settings otherwise than by default, and one host on one backend. */
async function start(
  settings: Readonly<Record<string, SettingValue>>,
  backend: Backend,
  lines = new Lines(),
): Promise<TestNginx> {
  const nginx = await TestNginx.start({ workers: 1, view: { traffic: buildTraffic((key) => settings[key]) } });
  await nginx.push.put(...lines.site("a.test", [backend.peer]));
  return nginx;
}

/** Gives a.test a certificate of its own. */
async function certify(nginx: TestNginx, lines: Lines): Promise<void> {
  const [crt, key] = [join(nginx.directory, "a.crt"), join(nginx.directory, "a.key")] as const;
  selfSigned(crt, key, "a.test");
  const pem = { certificate: readFileSync(crt, "utf8"), key: readFileSync(key, "utf8") };
  await nginx.push.put(lines.certificate("test/a", pem), lines.serverName("a.test", "test/a"));
}

const FROM_PROXY = {
  "x-forwarded-for": "192.0.2.9, 198.51.100.7",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "public.test",
  "x-forwarded-port": "8443",
} as const;

describe("settings", () => {
  test("without trusted proxies nobody's word about the client counts", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({}, backend);
    await ask(nginx.http, "a.test", { headers: FROM_PROXY });
    const { headers } = backend.seen[0] ?? assert.fail("nothing was sent");
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-real-ip"], "127.0.0.1");
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.equal(headers["x-forwarded-host"], "a.test");
    assert.equal(headers["x-forwarded-port"], String(nginx.http));
  });

  test("a proxy that is not in the list is not believed", async () => {
    await using backend = await Backend.start("b");
    const settings = { "clients.trustedProxies": ["192.0.2.0/24"], "clients.forwardedHeaders": true };
    await using nginx = await start({ ...settings, "clients.appendForwardedFor": true }, backend);
    await ask(nginx.http, "a.test", { headers: FROM_PROXY });
    const { headers } = backend.seen[0] ?? assert.fail("nothing was sent");
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.equal(headers["x-forwarded-host"], "a.test");
  });

  test("a trusted proxy is believed: the client, its scheme, host and port; and https is not redirected", async () => {
    await using backend = await Backend.start("b");
    const settings = { "clients.trustedProxies": ["127.0.0.0/8"], "clients.forwardedHeaders": true };
    const lines = new Lines();
    await using nginx = await start(settings, backend, lines);
    const deny = { kind: "access", allow: [], deny: ["198.51.100.7/32"] } as const;
    await nginx.push.put(lines.route("test/a-test/all", "test/a-test/80", { ssl_redirect: "always" }));
    assert.equal((await ask(nginx.http, "a.test", { headers: FROM_PROXY })).status, 200);
    const { headers } = backend.seen[0] ?? assert.fail("nothing was sent");
    assert.equal(headers["x-forwarded-for"], "198.51.100.7", "the last one that is not trusted");
    assert.equal(headers["x-real-ip"], "198.51.100.7");
    assert.equal(headers["x-forwarded-proto"], "https");
    assert.equal(headers["x-scheme"], "https");
    assert.equal(headers["x-forwarded-host"], "public.test");
    assert.equal(headers["x-forwarded-port"], "8443");
    assert.equal((await ask(nginx.http, "a.test")).status, 308);
    await nginx.push.put(lines.route("test/a-test/all", "test/a-test/80", { filters: [deny] }));
    assert.equal((await ask(nginx.http, "a.test", { headers: FROM_PROXY })).status, 403, "guards see the client");
    assert.equal((await ask(nginx.http, "a.test")).status, 200);
  });

  test("the whole chain is handed on where it is asked for", async () => {
    await using backend = await Backend.start("b");
    const trusted = { "clients.trustedProxies": ["127.0.0.0/8"], "clients.forwardedHeaders": true };
    await using nginx = await start({ ...trusted, "clients.appendForwardedFor": true }, backend);
    await ask(nginx.http, "a.test", { headers: FROM_PROXY });
    assert.equal(backend.seen[0]?.headers["x-forwarded-for"], "192.0.2.9, 198.51.100.7, 127.0.0.1");
    await ask(nginx.http, "a.test", { headers: { "x-forwarded-for": "<script>" } });
    assert.equal(backend.seen[1]?.headers["x-forwarded-for"], "127.0.0.1");
  });

  test("the PROXY protocol, 1 and 2: its address counts from trusted proxies, and without it there is no answer", async () => {
    await using backend = await Backend.start("b");
    for (const [trusted, wants] of [
      ["127.0.0.0/8", "192.0.2.9"],
      ["10.0.0.0/8", "127.0.0.1"],
    ] as const) {
      const settings = { "clients.trustedProxies": [trusted], "clients.proxyProtocol": true };
      await using nginx = await start(settings, backend);
      const request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
      const first = await raw(nginx.http, `PROXY TCP4 192.0.2.9 198.51.100.1 1234 80\r\n${request}`);
      assert.equal(statusOf(first), 200);
      assert.equal(backend.seen.at(-1)?.headers["x-real-ip"], wants);
      const header = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x04\xd2\0\x50";
      assert.equal(statusOf(await raw(nginx.http, header + request)), 200);
      assert.equal(backend.seen.at(-1)?.headers["x-real-ip"], wants);
      assert.equal(await raw(nginx.http, request).catch(() => ""), "", "a client without the header is cut off");
    }
  });

  test("Strict-Transport-Security: over TLS, with a certificate of the host's own, once", async () => {
    await using backend = await Backend.start("b");
    backend.answer = (_incoming, outgoing) => {
      outgoing.setHeader("strict-transport-security", "max-age=1");
      outgoing.end("b");
    };
    const lines = new Lines();
    await using nginx = await start({}, backend, lines);
    const header = async (servername?: string): Promise<unknown> =>
      (
        await ask(
          servername === undefined ? nginx.http : nginx.https,
          "a.test",
          servername === undefined ? {} : { servername },
        )
      ).headers["strict-transport-security"];
    assert.equal(await header("a.test"), undefined, "the default certificate");
    await certify(nginx, lines);
    assert.equal(await header("a.test"), "max-age=31536000; includeSubDomains");
    assert.equal(await header(), undefined, "over http");
    await using off = await start({ "http.hsts.enabled": false }, backend);
    const answer = await ask(off.https, "a.test", { servername: "a.test" });
    assert.equal(answer.headers["strict-transport-security"], "max-age=1", "the backend's own, where ours is off");
  });

  test("the redirect has the status and the exceptions that are set", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await start({ "http.redirectCode": "301", "http.noRedirectPaths": ["/plain"] }, backend, lines);
    await nginx.push.put(lines.route("test/a-test/all", "test/a-test/80", { ssl_redirect: "always" }));
    const answer = await ask(nginx.http, "a.test", { path: "/x?y" });
    assert.deepEqual([answer.status, answer.headers.location], [301, "https://a.test/x?y"]);
    assert.equal((await ask(nginx.http, "a.test", { path: "/plain/x" })).status, 200);
    assert.equal((await ask(nginx.http, "a.test", { path: "/.well-known/acme-challenge/t" })).status, 301);
  });

  test("answers are compressed by type and length where it is on", async () => {
    await using backend = await Backend.start("b");
    backend.answer = (incoming, outgoing) => {
      outgoing.setHeader("content-type", incoming.url === "/css" ? "text/css" : "image/png");
      outgoing.end("a".repeat(1000));
    };
    const encoding = async (nginx: TestNginx, path: string): Promise<unknown> =>
      (await ask(nginx.http, "a.test", { path, headers: { "accept-encoding": "gzip" } })).headers["content-encoding"];
    await using on = await start({ "http.gzip.enabled": true }, backend);
    assert.deepEqual([await encoding(on, "/css"), await encoding(on, "/png")], ["gzip", undefined]);
    await using off = await start({}, backend);
    assert.equal(await encoding(off, "/css"), undefined);
  });

  test("headers over their size are refused and cost nobody else", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({ "http.largeHeaderBuffers": 2, "http.largeHeaderBufferKb": 2 }, backend);
    assert.equal((await ask(nginx.http, "a.test", { headers: { x: "a".repeat(1500) } })).status, 200);
    assert.equal((await ask(nginx.http, "a.test", { headers: { x: "a".repeat(2500) } })).status, 400);
    assert.equal((await ask(nginx.http, "a.test", { path: `/${"a".repeat(2500)}` })).status, 414);
    assert.equal(backend.seen.length, 1);
  });

  test("versions of TLS that are not set are refused, names without a certificate where that is set", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    const settings = { "tls.protocols": ["TLSv1.3"], "tls.rejectUnknownNames": true };
    await using nginx = await start(settings, backend, lines);
    await certify(nginx, lines);
    const shake = (servername: string, maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<string | null> =>
      new Promise((resolve) => {
        const options = { host: "127.0.0.1", port: nginx.https, servername, maxVersion, rejectUnauthorized: false };
        const socket = connectSecure(options, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on("error", () => resolve(null));
      });
    assert.equal(await shake("a.test", "TLSv1.3"), "TLSv1.3");
    assert.equal(await shake("a.test", "TLSv1.2"), null);
    assert.equal(await shake("b.test", "TLSv1.3"), null);
  });

  test("the access log has the format that is set, and leaves out what is not to be logged", async () => {
    await using backend = await Backend.start("b");
    const format = '{"host":"$host","path":"$request_uri","agent":"$http_user_agent"}';
    const settings = { "accessLog.format": format, "accessLog.escape": "json", "accessLog.skipPaths": ["/healthz"] };
    await using nginx = await start(settings, backend);
    await ask(nginx.http, "a.test", { path: "/healthz?full" });
    await ask(nginx.http, "a.test", { path: "/x", headers: { "user-agent": 'a"b' } });
    await eventually("the line is written", () => nginx.accessLog() !== "");
    assert.deepEqual(
      nginx
        .accessLog()
        .trim()
        .split("\n")
        .map((line): unknown => JSON.parse(line)),
      [{ host: "a.test", path: "/x", agent: 'a"b' }],
    );
  });

  test("a peer that takes long is waited for as long as is set", async () => {
    await using backend = await Backend.start("b");
    backend.answer = () => undefined;
    const lines = new Lines();
    await using nginx = await start({ "proxy.readTimeoutS": 1, "proxy.retryOn": [] }, backend, lines);
    const timeouts = { connect_ms: 5_000, send_ms: 60_000, read_ms: 1_000 };
    await nginx.push.put(lines.route("test/a-test/all", "test/a-test/80", { timeouts }));
    assert.equal((await ask(nginx.http, "a.test")).status, 504);
    assert.equal(backend.seen.length, 1);
  });

  test("headers that trickle have a total time", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({ "http.headerTimeoutS": 1 }, backend);
    const socket = connect(nginx.http, "127.0.0.1");
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: a.test\r\n");
    const trickle = setInterval(() => socket.write("x: y\r\n"), 200);
    const began = performance.now();
    await closed;
    clearInterval(trickle);
    assert.ok(performance.now() - began < 10_000, "not by a time between two bytes");
    assert.equal(backend.seen.length, 0);
  });
});
