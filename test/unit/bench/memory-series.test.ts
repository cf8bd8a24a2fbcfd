import assert from "node:assert/strict";
import { test } from "node:test";
import { growthOf, type Sample } from "../../bench/support/memory-series.ts";

function series(count: number, mbAt: (index: number) => number): readonly Sample[] {
  return Array.from({ length: count }, (_, index) => ({ seconds: index, mb: { worker: mbAt(index) } }));
}

test("memory that grows all the time has grown by a quarter of it in the second half", () => {
  const [growth] = growthOf(series(80, (index) => 10 + index / 10));
  assert.equal(growth?.name, "worker");
  assert.equal(growth.firstMb, 10);
  assert.ok(Math.abs(growth.grownMb - 2) < 0.01, String(growth.grownMb));
  assert.ok(Math.abs(growth.mbPerMinute - 6) < 0.01, String(growth.mbPerMinute));
});

test("memory that grows while things get going is flat", () => {
  const [growth] = growthOf(series(80, (index) => 10 + Math.min(index, 38)));
  assert.equal(growth?.grownMb, 0);
});

test("a heap that breathes, and one high sample at the end, are flat", () => {
  const [growth] = growthOf(series(80, (index) => (index === 79 ? 500 : 10 + (index % 5))));
  assert.ok(Math.abs(growth?.grownMb ?? Number.NaN) <= 1, String(growth?.grownMb));
});

test("a process that is gone, and too few samples, are no figure", () => {
  const gone = [...series(20, () => 10), { seconds: 20, mb: { other: 10 } }];
  assert.throws(() => growthOf(gone), /worker is gone/);
  assert.throws(() => growthOf(series(7, () => 10)), /too few samples/);
});
