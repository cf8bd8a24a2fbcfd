// Starts, ends and accidents of nginx: what it serves alone, and what one bad document costs.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";

import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";
import { eventually } from "../support/wait.ts";

interface SnapshotOptions {
  readonly schema?: number;
  readonly crc32?: string;
  readonly cut?: number;
}

function writeSnapshot(
  directory: string,
  generation: number,
  lines: readonly Line[],
  options: SnapshotOptions = {},
): void {
  const body = lines.map((line) => `${JSON.stringify({ schema: 1, ...line })}\n`).join("");
  const checksum = crc32(body).toString(16).padStart(8, "0");
  const head = { schema: options.schema ?? 1, generation, lines: lines.length, crc32: options.crc32 ?? checksum };
  mkdirSync(directory, { recursive: true });
  const text = `${JSON.stringify(head)}\n${body}`;
  writeFileSync(join(directory, `documents-${generation}.ndjson`), text.slice(0, options.cut ?? text.length));
}

function writeManifest(directory: string, current: number, previous: number | null, floor: number): void {
  writeFileSync(join(directory, "manifest.json"), JSON.stringify({ current, previous, policy_floor: floor }));
}

describe("snapshot", () => {
  test("nginx alone serves from the snapshot at once, and takes pushes after it", async () => {
    await using backend = await Backend.start("kept");
    const lines = new Lines(100);
    await using nginx = await TestNginx.start({
      prepare: (directory) => {
        writeSnapshot(directory, 7, lines.site("kept.test", [backend.peer]));
        writeManifest(directory, 7, null, 0);
      },
    });
    assert.equal((await ask(nginx.http, "kept.test")).text, "kept");
    const state = await nginx.push.state();
    assert.equal(state.generation, 103);
    assert.deepEqual(state.problems, []);
    assert.equal(state.kinds.host.count, 1);
    assert.deepEqual(await nginx.push.put({ ...lines.backend("test/kept-test/80", []), generation: 50 }), [
      { result: "stale", held: 101 },
    ]);
    await nginx.push.put(lines.backend("test/kept-test/80", []));
    assert.equal((await ask(nginx.http, "kept.test")).status, 503);
  });

  const damaged: readonly (readonly [string, SnapshotOptions, RegExp])[] = [
    ["with a wrong checksum", { crc32: "00000000" }, /does not match its checksum/],
    ["that was cut", { cut: 300 }, /does not match its checksum/],
    ["without a head", { cut: 10 }, /has no head/],
    ["of a newer schema", { schema: 2 }, /schema 2, newer than 1/],
  ];
  for (const [name, options, words] of damaged) {
    test(`one ${name} is skipped and named, and the one before is used`, async () => {
      await using backend = await Backend.start("previous");
      await using nginx = await TestNginx.start({
        prepare: (directory) => {
          writeSnapshot(directory, 3, new Lines(10).site("old.test", [backend.peer]));
          writeSnapshot(directory, 4, new Lines(20).site("new.test", [backend.peer]), options);
          writeManifest(directory, 4, 3, 3);
        },
      });
      assert.equal((await ask(nginx.http, "old.test")).text, "previous");
      assert.equal((await ask(nginx.http, "new.test")).status, 404);
      const { problems } = await nginx.push.state();
      assert.ok(problems.some((problem) => words.test(problem) && problem.includes("documents-4.ndjson")));
    });
  }

  test("the one before is not used where a policy in it is weaker", async () => {
    await using nginx = await TestNginx.start({
      prepare: (directory) => {
        writeSnapshot(directory, 3, new Lines(10).site("old.test", ["10.0.0.1:80"]));
        writeSnapshot(directory, 4, new Lines(20).site("new.test", ["10.0.0.1:80"]), { crc32: "00000000" });
        writeManifest(directory, 4, 3, 4);
      },
    });
    assert.equal((await ask(nginx.http, "old.test")).status, 503, "nothing is known");
    const { problems } = await nginx.push.state();
    assert.ok(problems.some((problem) => /generation 3 is not used: its policies are weaker/.test(problem)));
  });

  test("a manifest that cannot be read is named, and nginx starts empty", async () => {
    await using nginx = await TestNginx.start({
      prepare: (directory) => writeFileSync(join(directory, "manifest.json"), '{"current":'),
    });
    const state = await nginx.push.state();
    assert.equal(state.kinds.host.count, 0);
    assert.match(state.problems[0] ?? "", /manifest\.json cannot be used/);
  });

  test("a bad line in a good snapshot costs only itself", async () => {
    await using backend = await Backend.start("good");
    const lines = new Lines();
    await using nginx = await TestNginx.start({
      prepare: (directory) => {
        const bad = { ...lines.host("bad.test", {}), value: { exact: 7 } };
        writeSnapshot(directory, 1, [...lines.site("good.test", [backend.peer]), bad]);
        writeManifest(directory, 1, null, 0);
      },
    });
    assert.equal((await ask(nginx.http, "good.test")).status, 200);
    assert.match((await nginx.push.state()).problems[0] ?? "", /a line is skipped: value/);
  });
});

describe("accidents", () => {
  test("a reload keeps the documents, and new workers say the new generation", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ generation: 1 });
    await nginx.push.put(...lines.site("reload.test", [backend.peer]));
    const before = await nginx.push.state();
    nginx.write(2);
    assert.equal((await nginx.push.call("POST", "/v1/reload")).status, 202);
    await eventually("only new workers are left", async () => {
      const { workers } = await nginx.push.state();
      return workers.length === 2 && workers.every((worker) => worker.configuration === 2);
    });
    const now = await nginx.push.state();
    assert.equal(now.worker.configuration, 2);
    assert.equal(now.epoch, before.epoch);
    assert.deepEqual(now.kinds, before.kinds);
    assert.equal((await ask(nginx.http, "reload.test")).text, "b");
  });

  test("a restart is another epoch", async () => {
    await using nginx = await TestNginx.start();
    const first = (await nginx.push.state()).epoch;
    await nginx.stop();
    await nginx.spawn();
    assert.notEqual((await nginx.push.state()).epoch, first);
  });

  test("a worker that is killed takes nothing with it", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start();
    await nginx.push.put(...lines.site("kill.test", [backend.peer]));
    const before = await nginx.push.state();
    for (const worker of before.workers) {
      process.kill(worker.pid, "SIGKILL");
    }
    await eventually("two other workers serve", async () => {
      const { workers } = await nginx.push.state();
      return workers.length === 2 && workers.every(({ pid }) => !before.workers.some((old) => old.pid === pid));
    });
    const now = await nginx.push.state();
    assert.equal(now.epoch, before.epoch);
    assert.deepEqual(now.kinds, before.kinds);
    assert.equal((await ask(nginx.http, "kill.test")).text, "b");
    const results = await nginx.push.put(lines.backend("test/kill-test/80", []));
    assert.deepEqual(results, [{ result: "applied" }]);
  });

  test("a writer that was killed in the middle: its lock goes, and what is held is counted anew", async () => {
    await using nginx = await TestNginx.start({ reach: true });
    const lines = new Lines();
    await nginx.push.put(...lines.site("count.test", ["10.0.0.1:80"]));
    const before = await nginx.push.state();
    const dead = 4_000_000;
    await nginx.reach(`
      versions:set("#lock", ${dead}, 60)
      versions:set("#writing", ${dead})
      versions:set("#count:host", 77)
      versions:set("#digest:host", 5)`);
    assert.notDeepEqual((await nginx.push.state()).kinds, before.kinds);
    const [document] = lines.site("count.test", ["10.0.0.1:80"]);
    assert.ok(document !== undefined);
    await nginx.push.put({ ...document, generation: 1 });
    assert.deepEqual((await nginx.push.state()).kinds, before.kinds);
  });

  test("one document that is damaged in memory costs its own host and is reported", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ reach: true });
    const damaged = lines.site("damaged.test", [backend.peer]);
    await nginx.push.put(...damaged, ...lines.site("bystander.test", [backend.peer]));
    const host = damaged[2];
    assert.ok(host !== undefined);
    for (const text of ["{half", '{"value":7}', '{"value":{"exact":7,"prefixes":7}}', "null"]) {
      const generation = lines.next();
      await nginx.reach(`
        documents:set("host:ingress/damaged.test@${generation}", [[${text}]])
        versions:set("host:ingress/damaged.test", ${generation})`);
      for (let i = 0; i < 10; i++) {
        assert.equal((await ask(nginx.http, "damaged.test")).status, 503, text);
        assert.equal((await ask(nginx.http, "bystander.test")).text, "b", text);
      }
    }
    const { problems } = await nginx.push.state();
    assert.ok(problems.some((problem) => problem.includes("host damaged.test cannot be used")));
    await nginx.push.put({ ...host, generation: lines.next() });
    assert.equal((await ask(nginx.http, "damaged.test")).text, "b");
  });

  test("what is in memory and says more than this Lua understands closes its own host", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ reach: true });
    const [service, route, host] = lines.site("newer.test", [backend.peer]);
    assert.ok(service !== undefined && route !== undefined && host !== undefined);
    await nginx.push.put(...lines.site("bystander.test", [backend.peer]));
    // As a newer version would have left it, in a field or a filter, before nginx went back to this one.
    const newer = (line: Line, change: object): Line => ({ ...line, value: { ...(line.value as object), ...change } });
    const cases: readonly (readonly [Line, Line])[] = [
      [route, newer(route, { mutual_tls: "required" })],
      [route, newer(route, { filters: [{ kind: "quota" }] })],
      [route, newer(route, { filters: [{ kind: "access", allow: [], deny: [], hours: "9-17" }] })],
      [host, newer(host, { mutual_tls: "required" })],
      [service, newer(service, { zones: ["a"] })],
    ];
    for (const [good, said] of cases) {
      await nginx.push.put(...[service, route, host].map((line) => ({ ...line, generation: lines.next() })));
      assert.equal((await ask(nginx.http, "newer.test")).text, "b");
      const held = { schema: 1, ...said, generation: lines.next() };
      const id = `${good.kind}:${good.key}`;
      await nginx.reach(`
        documents:set("${id}@${held.generation}", [=[${JSON.stringify(held)}]=])
        versions:set("${id}", ${held.generation}) versions:incr("#changes", 1)`);
      for (let i = 0; i < 10; i++) {
        assert.equal((await ask(nginx.http, "newer.test")).status, 503, JSON.stringify(said));
        assert.equal((await ask(nginx.http, "bystander.test")).text, "b");
      }
    }
    const { problems } = await nginx.push.state();
    assert.ok(
      problems.some((problem) => /mutual_tls is not known/.test(problem)),
      problems.join(),
    );
  });

  test("a document that is gone from memory without a deletion is served from the worker's copy", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ reach: true, workers: 1 });
    await nginx.push.put(...lines.site("lost.test", [backend.peer]));
    assert.equal((await ask(nginx.http, "lost.test")).text, "b");
    await nginx.reach(`versions:delete("host:ingress/lost.test") versions:delete("backend:test/lost-test/80")`);
    assert.equal((await ask(nginx.http, "lost.test")).text, "b");
    // It is found out at the next change of anything.
    await nginx.push.put(lines.backend("test/other/80", []));
    assert.equal((await ask(nginx.http, "lost.test")).text, "b");
    const { problems } = await nginx.push.state();
    assert.ok(problems.some((problem) => /host lost\.test is gone from shared memory/.test(problem)));
  });

  test("decoded forms of deleted documents are dropped by every worker", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ reach: true, workers: 1 });
    await nginx.push.put(...lines.site("swept.test", [backend.peer]));
    await ask(nginx.http, "swept.test");
    const decoded = async (): Promise<string> =>
      nginx.reach(`ngx.print(tostring(require("headgate.store").backend.cache["test/swept-test/80"]))`);
    assert.match(await decoded(), /^table/);
    await nginx.push.put(
      lines.delete("host", "ingress/swept.test"),
      lines.delete("route", "test/swept-test/all"),
      lines.delete("backend", "test/swept-test/80"),
    );
    await eventually("the timer sweeps", async () => (await decoded()) === "nil");
  });

  test("Lua writes no global", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    await using nginx = await TestNginx.start({ reach: true, workers: 1 });
    await nginx.push.put(...lines.site("global.test", [backend.peer]));
    await ask(nginx.http, "global.test");
    await ask(nginx.https, "global.test", { servername: "global.test" });
    await nginx.push.call("GET", "/v1/metrics");
    assert.doesNotMatch(nginx.errorLog(), /writing a global|\[(error|alert|crit|emerg)\]/);
  });
});
