// What the push API promises where things go wrong: docs/dataplane-api.md, "Promises", says where each has its test.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";

import { PushClient as AgentClient } from "../../../agent/nginx/push-client.ts";
import type { PushLine } from "../../../agent/plan/steps.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

const { signal } = new AbortController();

function pushLine({ kind, key, generation, value }: Line): PushLine {
  return { kind, key, generation, text: value === null ? null : JSON.stringify(value) };
}

/** Says that a body of `length` bytes comes, writes `text` and breaks off. */
async function breakOff(socket: string, length: number, text: string): Promise<void> {
  const connection = connect({ path: socket });
  const head = `PUT /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
  await new Promise((resolve) => connection.write(head + text, resolve));
  connection.destroy();
}

describe("a push that is not whole", () => {
  test("one that breaks off changes nothing, and the same lines are taken when they come whole", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await TestNginx.start();
    const lines = new Lines();
    const site = lines.site("cut.test", [backend.peer]);
    const body = site.map((line) => `${JSON.stringify({ schema: 1, ...line })}\n`).join("");
    const before = await nginx.push.state();
    // Behind a whole line, and in the middle of one.
    for (const cut of [body.indexOf("\n") + 1, body.length - 10]) {
      await breakOff(nginx.pushSocket, body.length, body.slice(0, cut));
    }
    // Whoever had the writer's place would keep this one waiting.
    assert.deepEqual(await nginx.push.put(lines.backend("test/other/80", [])), [{ result: "applied" }]);
    assert.equal((await nginx.push.state()).kinds.host.digest, before.kinds.host.digest);
    assert.equal((await ask(nginx.http, "cut.test")).status, 404);
    assert.deepEqual(
      (await nginx.push.put(...site)).map(({ result }) => result),
      ["applied", "applied", "applied"],
    );
    assert.equal((await ask(nginx.http, "cut.test")).text, "b");
  });

  test("one that comes twice, or again after a newer one, changes nothing", async () => {
    await using now = await Backend.start("now");
    await using nginx = await TestNginx.start();
    const lines = new Lines();
    const old = lines.site("again.test", ["127.0.0.1:1"]);
    const newer = lines.site("again.test", [now.peer]);
    await nginx.push.put(...old);
    await nginx.push.put(...newer);
    const { kinds, generation } = await nginx.push.state();
    const again = await nginx.push.put(...newer, ...old);
    assert.deepEqual(
      again.map(({ result }) => result),
      ["same", "same", "same", "stale", "stale", "stale"],
    );
    const state = await nginx.push.state();
    assert.deepEqual([state.kinds, state.generation], [kinds, generation]);
    assert.equal((await ask(nginx.http, "again.test")).text, "now");
  });
});

describe("a document that is too large", () => {
  const huge = (lines: Lines): Line => {
    const prefixes = Array.from({ length: 9_000 }, (_, i) => [`/${"long-".repeat(220)}${i}`, "test/huge/all"] as const);
    return lines.host("huge.test", Object.fromEntries(prefixes));
  };

  test("10 MB are refused with a clear error, and nothing else is harmed", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await TestNginx.start();
    const lines = new Lines();
    await nginx.push.put(...lines.site("huge.test", [backend.peer]));
    const body = JSON.stringify({ schema: 1, ...huge(lines) });
    assert.ok(body.length > 10_000_000);
    const answer = await nginx.push.call("PUT", "/v1/documents", body);
    assert.equal(answer.status, 413);
    assert.match(answer.text, /"code":"too-large","message":"more than 1048576 bytes; send it in pieces"/);
    assert.equal((await ask(nginx.http, "huge.test")).text, "b", "its last good state");
    assert.doesNotMatch(nginx.errorLog(), /\[(alert|crit|emerg)\]/);
  });

  test("the agent's client refuses it by itself and pushes all the others", async () => {
    await using backend = await Backend.start("b");
    await using nginx = await TestNginx.start();
    const lines = new Lines();
    const client = new AgentClient(nginx.pushSocket);
    try {
      const pushed = [...lines.site("small.test", [backend.peer]), huge(lines), ...lines.site("more.test", [])];
      const results = await client.push(pushed.map(pushLine), signal);
      assert.deepEqual(
        results.map(({ kind }) => kind),
        ["applied", "applied", "applied", "invalid", "applied", "applied", "applied"],
      );
      assert.ok(results[3]?.kind === "invalid");
      assert.match(results[3].message, /bytes, and a document may have 1048576/);
      assert.equal((await ask(nginx.http, "small.test")).text, "b");
    } finally {
      client.close();
    }
  });
});

describe("memory", () => {
  const SITES = 20;
  const ROUNDS = 60;

  test("a full dict under churn loses no route: what does not fit is told, what is held serves and follows", async () => {
    await using one = await Backend.start("one");
    await using two = await Backend.start("two");
    await using nginx = await TestNginx.start({ documentsDictMb: 1 });
    const lines = new Lines();
    // What was confirmed, by kind and key: the generation, or null for a deletion.
    const held = new Map<string, number | null>();
    const told = { applied: 0, "no-memory": 0 };
    const put = async (...all: readonly Line[]): Promise<void> => {
      const results = await nginx.push.put(...all);
      for (const [index, { result }] of results.entries()) {
        const line = all[index];
        assert.ok(line !== undefined && (result === "applied" || result === "no-memory"), result);
        told[result] += 1;
        if (result === "applied") held.set(`${line.kind}:${line.key}`, line.value === null ? null : line.generation);
      }
    };
    const filler = (i: number, bytes: number): Line => {
      // Of different lengths: their pages fit others badly.
      return lines.route(`fill/i/${i}`, "", { closed: "x".repeat(1 + (bytes % 1000)) });
    };
    const names = Array.from({ length: SITES }, (_, i) => `churn-${i}.test`);
    for (const name of names) await put(...lines.site(name, [one.peer]));
    for (let i = 0; told["no-memory"] < 100; i += 100) {
      await put(...Array.from({ length: 100 }, (_, more) => filler(i + more, (i + more) * 7919)));
    }
    for (let round = 0; round < ROUNDS; round++) {
      const name = names[round % SITES] ?? "";
      const label = name.replaceAll(".", "-");
      const peer = round % 2 === 0 ? two.peer : one.peer;
      await put(
        lines.backend(`test/${label}/80`, [peer]),
        ...Array.from({ length: 50 }, (_, i) => filler((round * 53 + i * 17) % 3000, round * 104_729 + i)),
        ...Array.from({ length: 10 }, (_, i) => lines.delete("route", `fill/i/${(round * 31 + i) % 3000}`)),
      );
      assert.equal((await ask(nginx.http, name)).text, round % 2 === 0 ? "two" : "one", `round ${round}`);
      assert.equal((await ask(nginx.http, names[(round + 7) % SITES] ?? "")).status, 200);
    }
    assert.ok(told["no-memory"] > 100 && told.applied > 1000, JSON.stringify(told));
    const { documents } = await nginx.push.json<{ documents: readonly Line[] }>("GET", "/v1/documents");
    const listed = documents.map(({ kind, key, generation }) => [`${kind}:${key}`, generation] as const);
    const live = [...held].filter(([, generation]) => generation !== null);
    assert.deepEqual(new Map(listed), new Map(live.toSorted(([a], [b]) => (a < b ? -1 : 1))));
    for (const { kind, key, generation } of documents) {
      const document = await nginx.push.json<Line>("GET", `/v1/documents/${kind}/${key}`);
      assert.equal(document.generation, generation, `${kind} ${key} is listed and has its text`);
    }
    assert.deepEqual((await nginx.push.state()).problems, []);
  });

  test("a reload that grows it fills it from the snapshot, and the new one takes what did not fit", async () => {
    await using backend = await Backend.start("b");
    const lines = new Lines();
    const site = lines.site("grown.test", [backend.peer]);
    await using nginx = await TestNginx.start({
      documentsDictMb: 1,
      prepare: (directory) => writeSnapshot(directory, 3, site),
    });
    const fill = (i: number): Line => lines.route(`fill/i/${i}`, "", { closed: "x".repeat(1000) });
    const filled = await nginx.push.put(...Array.from({ length: 800 }, (_, i) => fill(i)));
    assert.equal(filled.at(-1)?.result, "no-memory");
    const before = await nginx.push.state();
    // Both, as the agent does it: what counts stands in the one, and its text in the other.
    await nginx.reconfigure({ documentsDictMb: 8, versionsDictMb: 8 });
    const after = await nginx.push.state();
    assert.notEqual(after.epoch, before.epoch);
    assert.equal((await ask(nginx.http, "grown.test")).text, "b");
    const again = await nginx.push.put(...Array.from({ length: 800 }, (_, i) => fill(i)));
    assert.ok(again.every(({ result }) => result === "applied"));
  });
});

function writeSnapshot(directory: string, generation: number, lines: readonly Line[]): void {
  const body = lines.map((line) => `${JSON.stringify({ schema: 1, ...line })}\n`).join("");
  const checksum = crc32(body).toString(16).padStart(8, "0");
  const head = JSON.stringify({ schema: 1, generation, lines: lines.length, crc32: checksum });
  writeFileSync(join(directory, `documents-${generation}.ndjson`), `${head}\n${body}`);
  const manifest = { current: generation, previous: null, policy_floor: 0 };
  writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest));
}
