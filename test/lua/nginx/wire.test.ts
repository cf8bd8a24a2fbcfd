// What clients write against the rules of the wire, and what arrives at a backend.

import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";

import { ask, Backend, raw, RawBackend, statusOf } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { hasHttp2Directive, TestNginx } from "../support/nginx.ts";

describe("wire", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
    backend = await Backend.start("b");
    await nginx.push.put(
      ...lines.site("a.test", [backend.peer]),
      lines.host("strict.test", { "/": "test/a-test/all", "/admin": "test/a-test/closed" }, { strict_paths: true }),
      lines.route("test/a-test/closed", "test/a-test/80", { closed: "guarded" }),
    );
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  /** Status, and the URLs that arrived at the backend. */
  async function send(text: string): Promise<{ status: number; urls: readonly string[]; answer: string }> {
    backend.seen.length = 0;
    const answer = await raw(nginx.http, text);
    return { status: statusOf(answer), urls: backend.seen.map((seen) => seen.url), answer };
  }

  function get(host: string, target: string): ReturnType<typeof send> {
    return send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  }

  test("the backend gets the path as the client wrote it", async () => {
    for (const target of ["/a%20b/c%2Fd?y=%20", "//a///b/../c", "/a;b/c#d", "/%7Efoo?x=?&#z"]) {
      const { status, urls } = await get("a.test", Buffer.from(target).toString("latin1"));
      assert.equal(status, 200, target);
      assert.deepEqual(urls, [Buffer.from(target).toString("latin1")]);
    }
  });

  test("every spelling of a host is one host, and is sent in one spelling", async () => {
    for (const host of ["a.test", "A.TEST", "a.test:80", "a.test.", "A.Test.:8080"]) {
      const { status } = await get(host, "/");
      assert.equal(status, 200, host);
      assert.equal(backend.seen[0]?.headers.host, "a.test");
      assert.equal(backend.seen[0]?.headers["x-forwarded-host"], "a.test");
    }
  });

  test("an absolute-form URI that agrees is served, one that disagrees gets 400", async () => {
    assert.equal((await get("a.test", "http://a.test/x?y")).status, 200);
    assert.deepEqual(backend.seen.at(-1)?.url, "/x?y");
    assert.equal((await get("A.test:80", "http://a.TEST:80/x")).status, 200);
    for (const [host, target] of [
      ["a.test", "http://b.test/"],
      ["b.test", "http://a.test/"],
      ["strict.test", "http://a.test/admin"],
      ["", "http://a.test/"],
    ] as const) {
      const { status, urls } = await get(host, target);
      assert.equal(status, 400, `${host} ${target}`);
      assert.deepEqual(urls, []);
    }
  });

  test("hosts that are none get 400", async () => {
    for (const host of [
      "a b.test",
      "a\u0001.test",
      "a.test/x",
      "<a>.test",
      `${"a".repeat(300)}.test`,
      "[x",
      "é.test",
    ]) {
      const { status, urls } = await get(Buffer.from(host).toString("latin1"), "/");
      assert.equal(status, 400, host);
      assert.deepEqual(urls, []);
    }
    assert.equal((await send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).status, 400);
    assert.equal((await send("GET / HTTP/1.0\r\n\r\n")).status, 400);
    assert.equal((await send("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n")).status, 400);
  });

  test("what nginx itself cannot read gets 400, and no words about its version", async () => {
    for (const target of ["/../a", "/%zz", "/%00", "/a\u0001", "*", "a"]) {
      const { status, urls, answer } = await get("a.test", target);
      assert.equal(status, 400, target);
      assert.deepEqual(urls, []);
      assert.doesNotMatch(answer, /nginx\/\d/);
    }
  });

  test("a strict host refuses every path that a backend could read otherwise", async () => {
    const refused = [
      "/x/..%2fadmin",
      "/x/%2e%2e/admin",
      "/x/../admin",
      "/x/..;/admin",
      "/;/admin",
      "/x;y/../admin",
      "/\\admin",
      "/x%5c..%5cadmin",
      "/#/../admin",
      "/x/.%2e/admin",
      "/%2e/admin",
      "/x%3b/admin",
      "/admin/..%2fpublic",
      "/admin;x",
      "/x/%c0%ae%c0%ae/admin",
      "/a%0aadmin",
      "/..;/admin",
    ];
    for (const target of refused) {
      const { status, urls } = await get("strict.test", target);
      assert.equal(status, 400, target);
      assert.deepEqual(urls, [], target);
    }
    for (const target of ["/admin", "/admin/", "/admin/x", "//admin", "/./admin", "/%61dmin", "/x/.././admin"]) {
      const { status, urls } = await get("strict.test", target);
      assert.ok(status === 503 || status === 400, `${target}: ${status}`);
      assert.deepEqual(urls, [], target);
    }
  });

  test("a strict host is sent what was judged, and else what the client wrote", async () => {
    for (const [target, sent] of [
      ["//x/./y?q=//a/../b", "/x/y?q=//a/../b"],
      ["/x/", "/x/"],
      ["/x%20y/%E2%82%AC", "/x%20y/%E2%82%AC"],
      ["/page;v=1", "/page;v=1"],
    ] as const) {
      const { status, urls } = await get("strict.test", target);
      assert.equal(status, 200, target);
      assert.deepEqual(urls, [sent]);
    }
  });

  test("a request for the path of a profile is routed like any other", async () => {
    for (const target of ["/http", "/.headgate/variables", "/HTTP", "//http"]) {
      const { status, urls } = await get("a.test", target);
      assert.equal(status, 200, target);
      assert.deepEqual(urls, [target]);
      assert.equal((await get("nobody.test", target)).status, 404);
    }
    assert.equal((await get("strict.test", "/admin/http")).status, 503);
  });

  test("what a client says of itself in headers is replaced or removed", async () => {
    const forged = [
      "X-Forwarded-For: 1.2.3.4",
      "X-Real-IP: 1.2.3.4",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: evil",
      "X-Forwarded-Port: 1",
      "X-Scheme: https",
      "X-Forwarded-Scheme: https",
      "Forwarded: for=1.2.3.4",
      "X-Original-URL: /admin",
      "X-Original-URI: /admin",
      "X-Rewrite-URL: /admin",
      "Proxy: evil",
      "ssl-client-verify: SUCCESS",
      "ssl-client-cert: x",
      "ssl-client-subject-dn: CN=root",
      "X-Forwarded-Prefix: /x",
      "X_Forwarded_For: 1.2.3.4",
      "X-Keep: yes",
    ];
    await send(`GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${forged.join("\r\n")}\r\n\r\n`);
    const { "x-request-id": id, ...headers } = backend.seen[0]?.headers ?? {};
    assert.match(String(id), /^\d+-[\d.]+-\d+-\d+$/);
    assert.deepEqual(headers, {
      host: "a.test",
      "x-real-ip": "127.0.0.1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "a.test",
      "x-forwarded-port": String(nginx.http),
      "x-forwarded-proto": "http",
      "x-forwarded-scheme": "http",
      "x-scheme": "http",
      "x-keep": "yes",
    });
  });

  test("a request id is kept when it is sane", async () => {
    for (const [given, kept] of [
      ["abc-1.2_3", true],
      ["a b", false],
      ['"', false],
      ["x".repeat(129), false],
    ] as const) {
      await ask(nginx.http, "a.test", { headers: { "x-request-id": given } });
      assert.equal(backend.seen.at(-1)?.headers["x-request-id"] === given, kept, given);
    }
  });

  test("a backend cannot choose a location, a file or a rate by its headers", async () => {
    await using evil = await Backend.start("evil");
    evil.answer = (_, outgoing) => {
      outgoing.setHeader("X-Accel-Redirect", "/http");
      outgoing.setHeader("X-Accel-Limit-Rate", "1");
      outgoing.end("own words");
    };
    await nginx.push.put(...lines.site("evil.test", [evil.peer]));
    const answer = await ask(nginx.http, "evil.test");
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "own words");
    assert.equal(evil.seen.length, 1);
  });

  test("an answer of the backend passes as it is, whatever its status", async () => {
    await using rude = await Backend.start("rude");
    rude.answer = (incoming, outgoing) => {
      outgoing.statusCode = Number(incoming.url?.slice(1));
      outgoing.end("of the backend");
    };
    await nginx.push.put(...lines.site("rude.test", [rude.peer]));
    for (const status of [400, 404, 413, 500, 502, 503, 504]) {
      const answer = await ask(nginx.http, "rude.test", { path: `/${status}` });
      assert.deepEqual([answer.status, answer.text], [status, "of the backend"]);
    }
  });

  test("no request hides in another", async () => {
    const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    const tries = [
      `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `POST /none HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
      `POST /admin HTTP/1.1\r\nHost: strict.test\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
      `GET /rw/a%20HTTP/1.1%0d%0aX-Evil:%20y%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    ];
    for (const text of tries) {
      const { urls } = await send(`${text}GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
      assert.ok(!urls.includes("/smuggled"), text);
    }
  });

  test("websocket passes; any other upgrade does not", async () => {
    await using upgraded = await RawBackend.start((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
        socket.on("data", (data) => socket.write(data));
      });
    });
    await nginx.push.put(...lines.site("ws.test", [upgraded.peer]));
    const echoed = await new Promise<string>((resolve, reject) => {
      const socket = connect(nginx.http, "127.0.0.1", () =>
        socket.write("GET /ws HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"),
      );
      let text = "";
      socket.on("error", reject);
      socket.on("data", (data) => {
        const first = text === "";
        text += data.toString();
        if (first) {
          socket.write("ping");
        } else {
          socket.destroy();
          resolve(text);
        }
      });
    });
    assert.match(echoed, /^HTTP\/1\.1 101 .*\r\n\r\nping$/s);
    assert.match(upgraded.received[0] ?? "", /\r\nUpgrade: websocket\r\n/);
    for (const protocol of ["h2c", "websocket, h2c", "TLS/1.0"]) {
      await ask(nginx.http, "a.test", { headers: { connection: "Upgrade", upgrade: protocol } });
      assert.equal(backend.seen.at(-1)?.headers.upgrade, undefined, protocol);
    }
  });

  test("HTTP/2 on TLS, and on plain connections where nginx can", async () => {
    const origins = [`https://127.0.0.1:${nginx.https}`];
    if (hasHttp2Directive()) {
      origins.push(`http://127.0.0.1:${nginx.http}`);
    }
    for (const origin of origins) {
      const session = connectHttp2(origin, { rejectUnauthorized: false });
      const fetch = (headers: Record<string, string>): Promise<number> =>
        new Promise((resolve, reject) => {
          const stream = session.request(headers);
          stream.on("response", (answer) => resolve(Number(answer[":status"])));
          stream.on("error", reject);
          stream.resume();
        });
      try {
        assert.equal(await fetch({ ":path": "/h2", ":authority": "a.test" }), 200);
        assert.equal(backend.seen.at(-1)?.url, "/h2");
        assert.equal(backend.seen.at(-1)?.headers.host, "a.test");
        assert.equal(await fetch({ ":path": "/", ":authority": "nobody.test" }), 404);
        const disagree = { ":path": "/", ":authority": "a.test", host: "strict.test" };
        assert.equal(await fetch(disagree).catch(() => 400), 400);
      } finally {
        session.destroy();
      }
    }
  });

  test("the access log names Ingress, Service and peer", async () => {
    await get("a.test", "/for-the-log");
    const { eventually } = await import("../support/wait.ts");
    await eventually("the log is written", () => {
      const line =
        nginx
          .accessLog()
          .split("\n")
          .find((one) => one.includes("/for-the-log")) ?? "";
      return line.includes(" a.test test/a-test/a-test ") && line.includes(` ${backend.peer} 200 `);
    });
  });
});
