// Every shape of the rendered files starts a real nginx.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { NginxView } from "../../../agent/render/files.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { freePort, hasHttp2Directive, TestNginx } from "../support/nginx.ts";

const views: Readonly<Record<string, Partial<NginxView>>> = {
  "no access log": { accessLog: { kind: "off" } },
  "as many workers as cores": { workerProcesses: 0 },
  "bodies without limit": { clientMaxBodyMb: 0 },
  "http2 on the listeners": { http2: hasHttp2Directive() ? "directive" : "listen" },
};

describe("rendered files", () => {
  for (const [name, view] of Object.entries(views)) {
    test(`serve: ${name}`, async () => {
      await using backend = await Backend.start("b");
      await using nginx = await TestNginx.start({ view });
      await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
      assert.equal((await ask(nginx.http, "a.test")).text, "b");
      assert.equal((await ask(nginx.https, "a.test", { servername: "a.test" })).text, "b");
      assert.doesNotMatch(nginx.errorLog(), /\[(warn|error|crit|alert|emerg)\]/);
    });
  }

  test("serve: an IPv6 listener", async () => {
    const port = await freePort();
    await using nginx = await TestNginx.start({ view: { listeners: [{ address: "::1", port, tls: false }] } });
    const answer = await fetch(`http://[::1]:${port}/`);
    assert.equal(answer.status, 503);
    assert.equal((await nginx.push.state()).workers.length, 2);
  });

  test("keep the limit of bodies", async () => {
    await using nginx = await TestNginx.start({ view: { clientMaxBodyMb: 1 } });
    await using backend = await Backend.start("b");
    await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
    const answer = await ask(nginx.http, "a.test", { method: "POST", body: "x".repeat(1_100_000) });
    assert.deepEqual([answer.status, answer.text], [413, "413 request body too large\n"]);
    assert.equal(backend.seen.length, 0);
  });
});
