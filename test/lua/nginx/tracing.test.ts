// What of a request can be found again: the access log and W3C Trace Context.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { SettingValue } from "../../../agent/config/check-value.ts";
import { ask, Backend, raw, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const VALID = `00-${TRACE}-${PARENT}-01`;
const STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";

async function start(settings: Readonly<Record<string, SettingValue>>): Promise<TestNginx> {
  return TestNginx.start({ workers: 1, view: { traffic: buildTraffic((key) => settings[key]) } });
}

/** The lines of the access log as objects, when there are as many. */
async function logged(nginx: TestNginx, count: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
  let lines: readonly string[] = [];
  await eventually(`${count} lines are written`, () => {
    lines = nginx.accessLog().split("\n").filter(Boolean);
    return lines.length === count;
  });
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>); // of our own format
}

describe("the access log as JSON", () => {
  test("it names the route's objects, the peer, its answer and the trace; whatever clients write stays JSON", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({ "accessLog.style": "json" });
    const lines = new Lines();
    await nginx.push.put(...lines.site("a.test", [backend.peer]));
    const agent = 'a"b\\c\u007f\u0001'.replaceAll(/[\u0001\u007f]/g, "");
    await ask(nginx.http, "a.test", {
      path: "/x?y=%22",
      headers: { "user-agent": agent, traceparent: VALID, "x-request-id": "r-1" },
    });
    const [entry] = await logged(nginx, 1);
    assert.ok(entry !== undefined);
    const { time, duration, request_bytes, response_bytes, upstream_header_time, upstream_response_time, ...rest } =
      entry;
    assert.deepEqual(rest, {
      remote_addr: "127.0.0.1",
      request_id: "r-1",
      traceparent: VALID,
      method: "GET",
      scheme: "http",
      host: "a.test",
      uri: "/x?y=%22",
      protocol: "HTTP/1.1",
      status: 200,
      referer: "",
      user_agent: agent,
      namespace: "test",
      ingress: "a-test",
      service: "a-test",
      service_port: "80",
      upstream_addr: backend.peer,
      upstream_status: "200",
      tls: "",
    });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/);
    for (const number of [duration, request_bytes, response_bytes]) assert.equal(typeof number, "number");
    for (const text of [upstream_header_time, upstream_response_time]) assert.match(String(text), /^\d+\.\d{3}$/);
  });

  test("several tries, answers of our own, no route, bytes that are no HTTP, and clients that go: each is a line of JSON", async () => {
    await using good = await Backend.start("good");
    await using bad = await RawBackend.start((socket) => socket.once("data", () => socket.destroy()));
    await using slow = await RawBackend.start(() => undefined);
    await using nginx = await start({ "accessLog.style": "json" });
    const lines = new Lines();
    await nginx.push.put(
      ...lines.site("bad.test", [bad.peer]),
      ...lines.site("slow.test", [slow.peer]),
      lines.backend("test/tries/80", [bad.peer, good.peer]),
      lines.route("test/tries/all", "test/tries/80"),
      lines.host("tries.test", { "/": "test/tries/all" }),
      lines.route("test/closed/all", "test/tries/80", { closed: "on purpose" }),
      lines.host("closed.test", { "/": "test/closed/all" }),
    );
    for (const host of ["tries.test", "tries.test", "bad.test", "closed.test", "nobody.test"])
      await ask(nginx.http, host);
    await raw(nginx.http, 'GARBAGE \u0001"\\ \xff\r\n\r\n');
    const client = connect(nginx.http, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n");
    await eventually("the slow peer has it", () => slow.received.length > 0);
    client.destroy();
    const entries = await logged(nginx, 7);
    const shown = entries.map((entry) =>
      [entry["status"], entry["namespace"], entry["ingress"], entry["service"]].join(" "),
    );
    assert.deepEqual(shown.toSorted(), [
      "200 test tries tries",
      "200 test tries tries",
      "400   ",
      "404   ",
      "499 test slow-test slow-test",
      "502 test bad-test bad-test",
      "503 test closed tries",
    ]);
    const twice = entries.find(({ upstream_addr: peers }) => String(peers).includes(","));
    assert.equal(twice?.["upstream_addr"], `${bad.peer}, ${good.peer}`);
    assert.equal(twice?.["upstream_status"], "502, 200");
  });

  test("a format of one's own may name the objects too", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({ "accessLog.format": '["$hg_namespace","${hg_service}","$hg_service_port"]' });
    await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
    await ask(nginx.http, "a.test");
    assert.deepEqual(await logged(nginx, 1), [["test", "a-test", "80"]]);
  });
});

describe("trace context", () => {
  test("it is passed on as clients say it, and none is made, where nothing else is set", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({});
    await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
    await ask(nginx.http, "a.test", { headers: { traceparent: VALID, tracestate: STATE } });
    await ask(nginx.http, "a.test", { headers: { traceparent: "nonsense", tracestate: STATE } });
    await ask(nginx.http, "a.test");
    const seen = backend.seen.map(({ headers }) => [headers["traceparent"], headers["tracestate"]]);
    assert.deepEqual(seen, [
      [VALID, STATE],
      ["nonsense", STATE],
      [undefined, undefined],
    ]);
    await eventually("the log has it", () => nginx.accessLog().includes(` ${VALID}\n`));
  });

  for (const [sampled, flags] of [
    [true, "01"],
    [false, "00"],
  ] as const) {
    test(`where it is set, one begins for requests without; its flags are ${flags}`, async () => {
      await using backend = await Backend.start("b");
      const settings = { "http.traceContext": "create", "http.traceSampled": sampled, "accessLog.style": "json" };
      await using nginx = await start(settings);
      await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
      const made = new RegExp(`^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-${flags}$`);
      for (let i = 0; i < 20; i++) await ask(nginx.http, "a.test");
      await ask(nginx.http, "nobody.test");
      const sent = backend.seen.map(({ headers }) => String(headers["traceparent"]));
      for (const value of sent) assert.match(value, made);
      assert.equal(new Set(sent.map((value) => value.slice(3, 35))).size, 20, "each is another trace");
      const entries = await logged(nginx, 21);
      const written = entries.map(({ traceparent }) => String(traceparent));
      assert.deepEqual(written.slice(0, 20), sent, "the log has what the backend got");
      assert.match(written[20] ?? "", made);
    });
  }

  test("where it is set, one that can be read goes on unchanged, and one that cannot is replaced with its state", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await start({ "http.traceContext": "create", "accessLog.style": "json" });
    await nginx.push.put(...new Lines().site("a.test", [backend.peer]));
    const later = `01-${TRACE}-${PARENT}-00-more`;
    for (const traceparent of [VALID, later]) {
      await ask(nginx.http, "a.test", { headers: { traceparent, tracestate: STATE } });
    }
    const broken = [
      `00-${"0".repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${"0".repeat(16)}-01`,
      `ff-${TRACE}-${PARENT}-01`,
      `${VALID}-more`,
      VALID.toUpperCase(),
      "nonsense",
      "x".repeat(3000),
    ];
    for (const traceparent of broken) {
      await ask(nginx.http, "a.test", { headers: { traceparent, tracestate: STATE } });
    }
    const seen = backend.seen.map(({ headers }) => [headers["traceparent"], headers["tracestate"]]);
    assert.deepEqual(seen.slice(0, 2), [
      [VALID, STATE],
      [later, STATE],
    ]);
    for (const [index, [traceparent, state]] of seen.slice(2).entries()) {
      assert.match(String(traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/, broken[index]);
      assert.doesNotMatch(String(traceparent), new RegExp(TRACE));
      assert.equal(state, undefined);
    }
    const entries = await logged(nginx, 9);
    assert.deepEqual(
      entries.map(({ traceparent }) => traceparent),
      seen.map(([traceparent]) => traceparent),
    );
  });
});
