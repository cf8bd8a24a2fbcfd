// What nginx counts of each Service, and when it forgets it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { ask, Backend, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

describe("metrics of a Service", () => {
  let nginx: TestNginx;
  let lines: Lines;
  before(async () => {
    nginx = await TestNginx.start();
    lines = new Lines();
  });
  after(() => nginx[Symbol.asyncDispose]());

  /** The series of a Service by what follows "headgate_service_", once their counts are there. */
  async function series(service: string, requests: number): Promise<ReadonlyMap<string, number>> {
    let found = new Map<string, number>();
    await eventually(`${requests} requests of ${service} are counted`, async () => {
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      const where = `namespace="test",service="${service}",port="80"`;
      found = new Map(
        text.split("\n").flatMap((line) => {
          const said = /^headgate_service_(\w+)\{(.*)\} (\S+)$/.exec(line);
          if (said === null || !said[2]?.startsWith(where)) return [];
          return [[`${said[1]}${said[2].slice(where.length)}`, Number(said[3])] as const];
        }),
      );
      return found.get("request_duration_seconds_count") === requests;
    });
    return found;
  }

  test("times are in buckets, to the header of the answer and to its end; bytes both ways are counted", async () => {
    await using backend = await Backend.start("b");
    backend.answer = (incoming, outgoing) => {
      incoming.resume();
      const header = (): void => {
        outgoing.writeHead(200, { "content-length": 5000 });
        outgoing.flushHeaders();
      };
      incoming.on("end", () => {
        // Later than the buckets below 0.1 s by a margin: a busy machine is late, never early.
        setTimeout(header, 120);
        setTimeout(() => outgoing.end("x".repeat(5000)), 320);
      });
    };
    await nginx.push.put(...lines.site("times.test", [backend.peer]));
    for (let i = 0; i < 2; i++) await ask(nginx.http, "times.test", { method: "POST", body: "y".repeat(3000) });
    const of = await series("times-test", 2);
    assert.equal(of.get('request_duration_seconds_bucket,le="0.25"'), 0);
    assert.equal(of.get('request_duration_seconds_bucket,le="+Inf"'), 2);
    assert.equal(of.get('response_header_seconds_bucket,le="0.1"'), 0);
    assert.equal(of.get("response_header_seconds_count"), 2);
    const [header, duration] = ["response_header_seconds_sum", "request_duration_seconds_sum"].map((name) =>
      of.get(name),
    );
    assert.ok(header !== undefined && duration !== undefined && header >= 0.24 && duration >= header + 0.3);
    const [received, sent] = ["request_bytes_total", "response_bytes_total"].map((name) => of.get(name));
    assert.ok(received !== undefined && received > 6000 && received < 7000, `${received}`);
    assert.ok(sent !== undefined && sent > 10_000 && sent < 11_000, `${sent}`);
  });

  test("a try that fails is no time to a header: only the one that is answered counts", async () => {
    await using good = await Backend.start("good");
    await using bad = await RawBackend.start((socket) =>
      socket.once("data", () => setTimeout(() => socket.destroy(), 150)),
    );
    await nginx.push.put(
      lines.backend("test/failing/80", [bad.peer]),
      lines.backend("test/retried/80", [bad.peer, good.peer]),
      ...["failing", "retried"].flatMap((name) => [
        lines.route(`test/${name}/all`, `test/${name}/80`),
        lines.host(`${name}.test`, { "/": `test/${name}/all` }),
      ]),
    );
    assert.equal((await ask(nginx.http, "failing.test")).status, 502);
    const failing = await series("failing", 1);
    assert.equal(failing.get("response_header_seconds_count"), 0);
    assert.equal(failing.get("response_header_seconds_sum"), 0);
    for (let i = 0; i < 4; i++) assert.equal((await ask(nginx.http, "retried.test")).text, "good");
    const retried = await series("retried", 4);
    assert.equal(retried.get('response_header_seconds_bucket,le="0.1"'), 4);
    assert.ok((retried.get("request_duration_seconds_sum") ?? 0) >= 0.14, "the whole request was longer");
  });

  test("what is answered without a Service is counted for none", async () => {
    await using backend = await Backend.start("b");
    const [service, route, host] = lines.site("moved.test", [backend.peer]);
    const filters = [{ kind: "redirect", code: 301, location: ["https://x.test"] }];
    assert.ok(service !== undefined && route !== undefined && host !== undefined);
    const moved = { ...route, value: { ...(route.value as object), filters } };
    const results = await nginx.push.put(service, moved, host);
    assert.ok(
      results.every(({ result }) => result === "applied"),
      JSON.stringify(results),
    );
    assert.equal((await ask(nginx.http, "moved.test")).status, 301);
    await eventually("it is counted", async () => {
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      assert.doesNotMatch(text, /headgate_service_.*moved-test/);
      return /headgate_requests_total\{namespace="test",ingress="moved-test",service="moved-test",code="3xx"\} 1\n/.test(
        text,
      );
    });
  });

  test("the series of what is deleted go, and those of others stay", async () => {
    await using backend = await Backend.start("b");
    await nginx.push.put(...lines.site("gone.test", [backend.peer]), ...lines.site("stays.test", [backend.peer]));
    for (const host of ["gone.test", "stays.test", "nobody.test"]) await ask(nginx.http, host);
    await series("gone-test", 1);
    await series("stays-test", 1);
    // Each worker adds what it counted: the one that answers has not all of it.
    const all = [
      /headgate_requests_total\{[^}]*stays-test/,
      /headgate_requests_total\{namespace="",ingress="",service="",/,
    ];
    await eventually("the others are counted too", async () => {
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      return all.every((one) => one.test(text));
    });
    await nginx.push.put(
      lines.delete("host", "ingress/gone.test"),
      lines.delete("route", "test/gone-test/all"),
      lines.delete("backend", "test/gone-test/80"),
    );
    const { text } = await nginx.push.call("GET", "/v1/metrics");
    assert.doesNotMatch(text, /gone-test/);
    assert.match(text, /headgate_service_request_duration_seconds_count\{[^}]*stays-test[^}]*\} 1\n/);
    assert.match(text, /headgate_requests_total\{[^}]*stays-test[^}]*\} 1\n/);
    assert.match(text, /headgate_requests_total\{namespace="",ingress="",service="",/);
  });

  test("each route tells when it got its last request, whoever answered it; explaining is none", async () => {
    await using backend = await Backend.start("b");
    await nginx.push.put(
      ...lines.site("hit.test", [backend.peer]),
      ...lines.site("unused.test", [backend.peer]),
      lines.route("test/shut/all", "test/hit-test/80", { closed: "on purpose" }),
      lines.host("shut.test", { "/": "test/shut/all" }),
    );
    const last = async (route: string): Promise<number | null | undefined> => {
      const { routes } = await nginx.push.json<{ routes: readonly { route: string; last_request: number | null }[] }>(
        "GET",
        "/v1/routes",
      );
      return routes.find((one) => one.route === route)?.last_request;
    };
    const explained = (host: string): Promise<{ readonly last_request?: number }> =>
      nginx.push.json("GET", `/v1/explain?host=${host}&path=/`);
    assert.equal(await last("test/hit-test/all"), null);
    assert.equal((await explained("hit.test")).last_request, undefined);
    const began = Math.floor(Date.now() / 1000);
    assert.equal((await ask(nginx.http, "hit.test")).text, "b");
    assert.equal((await ask(nginx.http, "shut.test")).status, 503);
    for (const [host, route] of [
      ["hit.test", "test/hit-test/all"],
      ["shut.test", "test/shut/all"],
    ] as const) {
      await eventually(`${route} had a request`, async () => (await last(route)) !== null);
      const at = (await last(route)) ?? 0;
      assert.ok(at >= began && at <= Date.now() / 1000, `${at}`);
      assert.equal((await explained(host)).last_request, at);
    }
    await explained("unused.test");
    assert.equal(await last("test/unused-test/all"), null);
    // Another request, in a later second, moves it.
    const before = (await last("test/hit-test/all")) ?? 0;
    await eventually("a later request is told", async () => {
      await ask(nginx.http, "hit.test");
      return ((await last("test/hit-test/all")) ?? 0) > before;
    });
    await nginx.push.put(lines.delete("host", "ingress/hit.test"), lines.delete("route", "test/hit-test/all"));
    assert.equal(await last("test/hit-test/all"), undefined);
  });

  test("every metric stands in docs/observability.md with its type, and no other", async () => {
    const { text } = await nginx.push.call("GET", "/v1/metrics");
    const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    const docs = readFileSync(join(import.meta.dirname, "../../../docs/observability.md"), "utf8");
    const ours = docs.slice(docs.indexOf("### Of nginx"), docs.indexOf("### Of the agent"));
    const documented = [...ours.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => `${name} ${type}`);
    assert.deepEqual(documented.toSorted(), told.toSorted());
  });
});
