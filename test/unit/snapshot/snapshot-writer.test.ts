import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Snapshot } from "../../../agent/snapshot/snapshot-files.ts";
import { SnapshotWriter } from "../../../agent/snapshot/snapshot-writer.ts";

interface Written {
  readonly generation: number;
  readonly policyFloor: number;
}

function setup(t: TestContext): { writer: SnapshotWriter; written: Written[]; tick: (ms: number) => Promise<void> } {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const written: Written[] = [];
  let generation = 0;
  const writer = new SnapshotWriter(
    {
      take: (): Snapshot => ({ generation: ++generation, savedAt: 0, documents: [], objects: [] }),
      save: (snapshot, policyFloor) => {
        written.push({ generation: snapshot.generation, policyFloor });
        return Promise.resolve();
      },
      onResult: (error) => assert.equal(error, null),
      now: () => Date.now(),
    },
    5,
  );
  const tick = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await writer.flushed();
  };
  return { writer, written, tick };
}

test("writes after a quiet second, once for many changes", async (t) => {
  const { writer, written, tick } = setup(t);
  writer.changed(null);
  await tick(900);
  writer.changed(null);
  await tick(900);
  assert.equal(written.length, 0);
  await tick(100);
  assert.deepEqual(written, [{ generation: 1, policyFloor: 5 }]);
});

test("writes at the latest ten seconds after the first change, however busy it is", async (t) => {
  const { writer, written, tick } = setup(t);
  for (let i = 0; i < 20; i++) {
    writer.changed(null);
    await tick(500);
  }
  assert.equal(written.length, 1);
});

test("writes at once when a policy got stricter, and keeps that generation as the floor", async (t) => {
  const { writer, written, tick } = setup(t);
  writer.changed(9);
  await tick(0);
  assert.deepEqual(written, [{ generation: 1, policyFloor: 9 }]);
});

test("a flush writes what has changed, and nothing twice", async (t) => {
  const { writer, written } = setup(t);
  writer.changed(null);
  await writer.flush();
  await writer.flush();
  assert.equal(written.length, 1);
});
