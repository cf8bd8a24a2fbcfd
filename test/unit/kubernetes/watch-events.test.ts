import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ApiFailure } from "../../../agent/kubernetes/failure.ts";
import { LineSplitter, parseWatchEvent } from "../../../agent/kubernetes/watch-events.ts";

function split(chunks: readonly Buffer[], bytesMax = 1_000): string[] {
  const splitter = new LineSplitter(bytesMax);
  const lines: string[] = [];
  for (const chunk of chunks) splitter.push(chunk, (line) => lines.push(line));
  return lines;
}

test("gives the same lines however the bytes are cut", () => {
  const line = fc.string({ unit: "grapheme", minLength: 1 }).map((text) => JSON.stringify(text));
  const cuts = fc.array(fc.nat({ max: 500 }));
  fc.assert(
    fc.property(fc.array(line), cuts, (lines, at) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      const edges = [0, ...at.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
      const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
      assert.deepEqual(split(chunks, 10_000), lines);
    }),
  );
});

test("knows when it is in the middle of a line", () => {
  const splitter = new LineSplitter(100);
  splitter.push(Buffer.from('{"a":1}\n{"b'), () => {});
  assert.equal(splitter.inLine, true);
  splitter.push(Buffer.from('":2}\n'), () => {});
  assert.equal(splitter.inLine, false);
});

test("refuses a line over the limit, whole or in parts, before it is all in memory", () => {
  const garbage = { code: "apiserver-garbage" };
  assert.throws(() => split([Buffer.from(`${"x".repeat(101)}\n`)], 100), garbage);
  assert.throws(
    () =>
      split(
        Array.from({ length: 11 }, () => Buffer.alloc(10, 0x78)),
        100,
      ),
    garbage,
  );
  assert.equal(split([Buffer.from(`${"x".repeat(100)}\n`)], 100).length, 1);
});

test("refuses bytes that are no UTF-8", () => {
  assert.throws(() => split([Buffer.from([0x22, 0xff, 0x22, 0x0a])]), { code: "apiserver-garbage" });
});

const object = { kind: "Service", metadata: { name: "web", resourceVersion: "7" } };

test("reads the events of the protocol", () => {
  const read = (type: string): unknown => parseWatchEvent(JSON.stringify({ type, object }), "Service");
  assert.deepEqual(read("ADDED"), { kind: "changed", object, resourceVersion: "7" });
  assert.deepEqual(read("MODIFIED"), { kind: "changed", object, resourceVersion: "7" });
  assert.deepEqual(read("DELETED"), { kind: "deleted", object, resourceVersion: "7" });
  assert.deepEqual(read("BOOKMARK"), { kind: "bookmark", resourceVersion: "7", initialEnd: false });
});

test("knows the bookmark that ends the initial events", () => {
  const metadata = { resourceVersion: "9", annotations: { "k8s.io/initial-events-end": "true" } };
  const line = JSON.stringify({ type: "BOOKMARK", object: { kind: "Service", metadata } });
  assert.deepEqual(parseWatchEvent(line, "Service"), { kind: "bookmark", resourceVersion: "9", initialEnd: true });
});

test("throws an ERROR event with its code and the wait that it asks for", () => {
  const status = { kind: "Status", code: 429, message: "slow down", details: { retryAfterSeconds: 3 } };
  assert.throws(
    () => parseWatchEvent(JSON.stringify({ type: "ERROR", object: status }), "Service"),
    (error) => error instanceof ApiFailure && error.status === 429 && error.retryAfterMs === 3_000,
  );
});

test("lets nothing pass that is no event of the resource", () => {
  const lines = [
    "",
    "null",
    "[]",
    "7",
    "{",
    "{}",
    JSON.stringify({ type: "ADDED" }),
    JSON.stringify({ type: "ADDED", object: null }),
    JSON.stringify({ type: "ADDED", object: { kind: "Service" } }),
    JSON.stringify({ type: "ADDED", object: { kind: "Service", metadata: { name: "a" } } }),
    JSON.stringify({ type: "ADDED", object: { kind: "Service", metadata: { name: "a", resourceVersion: 7 } } }),
    JSON.stringify({ type: "ADDED", object: { kind: "Service", metadata: { resourceVersion: "7" } } }),
    JSON.stringify({ type: "ADDED", object: { ...object, kind: "Pod" } }),
    JSON.stringify({ type: "added", object }),
    JSON.stringify({ type: 1, object }),
    JSON.stringify({ object }),
  ];
  for (const line of lines) assert.throws(() => parseWatchEvent(line, "Service"), { code: "apiserver-garbage" }, line);
});

test("throws nothing but its own failures, whatever JSON comes", () => {
  fc.assert(
    fc.property(fc.json(), fc.string(), (json, text) => {
      for (const line of [json, text, `{"type":"ADDED","object":${json}}`, `{"type":"ERROR","object":${json}}`]) {
        try {
          parseWatchEvent(line, "Service");
        } catch (error) {
          assert.ok(error instanceof ApiFailure, String(error));
        }
      }
    }),
  );
});
