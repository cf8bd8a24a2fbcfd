// The push API of a real nginx.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { crc32 } from "node:zlib";

import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { selfSigned, TestNginx } from "../support/nginx.ts";
import type { Line, State } from "../support/push.ts";

function digest(documents: readonly { readonly key: string; readonly generation: number }[]): string {
  const sum = documents.reduce((total, { key, generation }) => total + crc32(`${key}@${generation}`), 0);
  return (sum % 2 ** 32).toString(16).padStart(8, "0");
}

describe("push", () => {
  let nginx: TestNginx;
  let lines: Lines;
  before(async () => {
    nginx = await TestNginx.start();
    lines = new Lines();
  });
  after(() => nginx[Symbol.asyncDispose]());

  test("answers one line each, in order: applied, same, stale, invalid", async () => {
    const older = lines.backend("order/web/80", ["10.0.0.1:80"]);
    const newer = lines.backend("order/web/80", ["10.0.0.2:80"]);
    const results = await nginx.push.put(older, newer, newer, older, "{half a line", { ...newer, schema: 2 });
    assert.deepEqual(
      results.map((result) => result.result),
      ["applied", "applied", "same", "stale", "invalid", "invalid"],
    );
    assert.equal(results[3]?.held, newer.generation);
    assert.match(results[4]?.message ?? "", /^line: not JSON/);
    assert.match(results[5]?.message ?? "", /^schema: 2 is not spoken here, 1 is/);
  });

  test("a bad line in the middle costs only itself", async () => {
    const good = [lines.backend("middle/a/80", []), lines.backend("middle/b/80", [])] as const;
    const results = await nginx.push.put(good[0], { ...lines.backend("middle/c/80", []), value: { x: 1 } }, good[1]);
    assert.deepEqual(
      results.map((result) => result.result),
      ["applied", "invalid", "applied"],
    );
    assert.equal((await nginx.push.call("GET", "/v1/documents/backend/middle/c/80")).status, 404);
  });

  test("a deletion leaves a tombstone: what is older than it stays out", async () => {
    const document = lines.backend("gone/web/80", []);
    const late = lines.backend("gone/web/80", []);
    await nginx.push.put(document);
    const generation = lines.next();
    const answer = await nginx.push.call("DELETE", `/v1/documents/backend/gone%2Fweb%2F80?generation=${generation}`);
    assert.deepEqual(JSON.parse(answer.text), { result: "applied" });
    assert.deepEqual(await nginx.push.put(late), [{ result: "stale", held: generation }]);
    assert.equal((await nginx.push.call("GET", "/v1/documents/backend/gone/web/80")).status, 404);
    assert.deepEqual(await nginx.push.put(lines.backend("gone/web/80", [])), [{ result: "applied" }]);
    assert.deepEqual(await nginx.push.put(lines.delete("backend", "gone/web/80")), [{ result: "applied" }]);
  });

  test("state has count and digest of what is held, as the listing has it", async () => {
    await nginx.push.put(...lines.site("digest.test", ["10.0.0.1:80"]), lines.serverName("digest.test", ""));
    const state = await nginx.push.state();
    for (const [kind, held] of Object.entries(state.kinds)) {
      const { documents } = await nginx.push.json<{ documents: readonly Line[] }>("GET", `/v1/documents/${kind}`);
      assert.equal(held.count, documents.length, kind);
      assert.equal(held.digest, digest(documents), kind);
    }
    assert.equal(state.schema, 1);
    assert.match(state.epoch, /^[0-9a-f]{32}$/);
    assert.equal(state.master_pid, nginx.masterPid);
    assert.equal(state.workers.length, 2);
    assert.ok(state.generation >= lines.next() - 1);
    assert.ok((state.memory["documents"]?.free ?? 0) > 0);
  });

  test("a document comes back as it was pushed", async () => {
    const line = lines.backend("back/web/80", []);
    await nginx.push.put(line);
    const answer = await nginx.push.json("GET", "/v1/documents/backend/back/web/80");
    assert.deepEqual(answer, { schema: 1, ...line });
  });

  test("errors are JSON with code and message", async () => {
    const cases: readonly (readonly [string, string, number, string, string?])[] = [
      ["GET", "/v1/nothing", 404, "not-found"],
      ["GET", "/v1/documents/host/ingress/nobody", 404, "not-found"],
      ["POST", "/v1/documents", 405, "method"],
      ["DELETE", "/v1/documents/host/ingress/x", 400, "invalid"],
      ["DELETE", "/v1/documents/policy/x?generation=1", 400, "invalid"],
      ["GET", "/v1/explain", 400, "invalid"],
      ["PUT", "/v1/documents", 413, "too-large", "x".repeat(1_048_577)],
    ];
    for (const [method, path, status, code, body] of cases) {
      const answer = await nginx.push.call(method, path, body);
      assert.equal(answer.status, status, `${method} ${path}`);
      assert.equal(answer.type, "application/json");
      const error = JSON.parse(answer.text) as { code: string; message: string }; // documented answer
      assert.equal(error.code, code);
      assert.ok(error.message.length > 0);
    }
  });

  test("garbage never breaks the API", async () => {
    for (const body of ["", "\n\n", "null", "[]", "7", '"x"', "[".repeat(1000), "\0\0", "{}", '{"kind":"host"}']) {
      const answer = await nginx.push.call("PUT", "/v1/documents", body);
      assert.equal(answer.status, 200, body);
      for (const line of answer.text.trim().split("\n").filter(Boolean)) {
        assert.match(line, /"result":"invalid"/);
      }
    }
    const bytes = randomBytes(50_000).toString("latin1");
    assert.equal((await nginx.push.call("PUT", "/v1/documents", bytes)).status, 200);
    assert.equal((await nginx.push.state()).workers.length, 2);
  });

  test("takes no certificate that OpenSSL cannot read or whose key is another's", async () => {
    const files = ["a", "b"].map((name) => {
      const [certificate, key] = [join(nginx.directory, `${name}.crt`), join(nginx.directory, `${name}.key`)];
      selfSigned(certificate, key, `${name}.test`);
      return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
    });
    const [a, b] = files;
    assert.ok(a !== undefined && b !== undefined);
    const results = await nginx.push.put(
      lines.certificate("tls/good", a),
      lines.certificate("tls/mixed", { certificate: a.certificate, key: b.key }),
      lines.certificate("tls/cut", { certificate: a.certificate.slice(0, 200), key: a.key }),
      lines.certificate("tls/no-key", { certificate: a.certificate, key: "-----BEGIN PRIVATE KEY-----\nx\n" }),
    );
    assert.deepEqual(
      results.map((result) => result.result),
      ["applied", "invalid", "invalid", "invalid"],
    );
    assert.match(results[1]?.message ?? "", /value\.key: does not belong to value\.certificate/);
  });

  test("private keys never come back", async () => {
    const answer = await nginx.push.call("GET", "/v1/documents/certificate/tls/good");
    assert.equal(answer.status, 200);
    assert.doesNotMatch(answer.text, /PRIVATE|BEGIN/);
    const line = JSON.parse(answer.text) as Line; // documented answer
    assert.deepEqual(line.value, { fingerprint: "ab:cd", names: ["x"], not_after: 1_900_000_000 });
  });

  test("writers at the same time do not mix: every line is applied once", async () => {
    const before = (await nginx.push.state()).kinds.backend.count;
    const batches = Array.from({ length: 8 }, (_, batch) =>
      Array.from({ length: 50 }, (_, i) => lines.backend(`many/s${batch}-${i}/80`, ["10.0.0.1:80"])),
    );
    const results = await Promise.all(batches.map((batch) => nginx.push.put(...batch)));
    assert.ok(results.flat().every((result) => result.result === "applied"));
    const state = await nginx.push.state();
    assert.equal(state.kinds.backend.count, before + 400);
    const { documents } = await nginx.push.json<{ documents: readonly Line[] }>("GET", "/v1/documents/backend");
    assert.equal(state.kinds.backend.digest, digest(documents));
  });

  test("metrics are Prometheus text with requests by route", async () => {
    await using backend = await Backend.start("m");
    await nginx.push.put(...lines.site("metrics.test", [backend.peer]));
    await ask(nginx.http, "metrics.test");
    await ask(nginx.http, "nobody.test");
    const wanted = [
      /headgate_requests_total\{namespace="test",ingress="metrics-test",service="metrics-test",code="2xx"\} 1\n/,
      /headgate_requests_total\{namespace="",ingress="",service="",code="4xx"\} \d+\n/,
      /headgate_request_duration_seconds_bucket\{le="\+Inf"\} [1-9]/,
      /headgate_pushed_documents_total\{result="applied"\} \d+\n/,
      /headgate_documents\{kind="host"\} \d+\n/,
    ];
    await eventuallyMetrics(nginx, wanted);
  });
});

async function eventuallyMetrics(nginx: TestNginx, wanted: readonly RegExp[]): Promise<void> {
  const { eventually } = await import("../support/wait.ts");
  await eventually("the counts of all workers are flushed", async () => {
    const { text } = await nginx.push.call("GET", "/v1/metrics");
    return wanted.every((pattern) => pattern.test(text));
  });
}

test("memory that runs out refuses new documents, keeps old ones and lets updates in", async () => {
  await using nginx = await TestNginx.start({ documentsDictMb: 1 });
  const lines = new Lines();
  const filler = (i: number): Line => lines.route(`fill/i/${i}`, "", { closed: "x".repeat(1000) });
  const first = lines.backend("keep/web/80", ["10.0.0.1:80"]);
  await nginx.push.put(first);
  let refused = 0;
  for (let batch = 0; batch < 20 && refused === 0; batch++) {
    const results = await nginx.push.put(...Array.from({ length: 100 }, (_, i) => filler(batch * 100 + i)));
    refused += results.filter((result) => result.result === "no-memory").length;
    assert.ok(results.every((result) => ["applied", "no-memory"].includes(result.result)));
  }
  assert.ok(refused > 0, "it never ran out");
  const { documents } = (await nginx.push.state()).memory;
  assert.ok(documents !== undefined && documents.free > documents.capacity / 10, "nothing was kept for updates");
  // Below the watermark an update still fits …
  const update = lines.backend("keep/web/80", ["10.0.0.2:80", "10.0.0.3:80"]);
  assert.deepEqual(await nginx.push.put(update), [{ result: "applied" }]);
  // … and one that cannot fit leaves what is held.
  const huge = lines.backend(
    "keep/web/80",
    Array.from({ length: 9_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1:8080`),
  );
  assert.deepEqual(await nginx.push.put(huge), [{ result: "no-memory" }]);
  const held = await nginx.push.json<Line>("GET", "/v1/documents/backend/keep/web/80");
  assert.equal(held.generation, update.generation);
  assert.deepEqual(held.value, update.value);
  const explained = await nginx.push.json<State>("GET", "/v1/state");
  assert.ok(explained.kinds.route.count > 0);
});
