import assert from "node:assert/strict";
import { test } from "node:test";
import { OneAtATime } from "../../../agent/lib/one-at-a-time.ts";

test("tasks run one after the other, also after one that failed, and not too many wait", async () => {
  const tasks = new OneAtATime(3);
  const told: string[] = [];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<string>());
  const run = (index: number) =>
    tasks.run(async () => {
      told.push(`begin ${index}`);
      return await (gates[index]?.promise ?? Promise.resolve(""));
    });
  const [first, second, third] = [run(0), run(1), run(2)];
  assert.equal(run(3), null);
  await Promise.resolve();
  assert.deepEqual(told, ["begin 0"]);
  gates[0]?.reject(new Error("failed"));
  await assert.rejects(first ?? Promise.resolve(), /failed/);
  gates[1]?.resolve("one");
  gates[2]?.resolve("two");
  assert.deepEqual([await second, await third], ["one", "two"]);
  assert.deepEqual(told, ["begin 0", "begin 1", "begin 2"]);
  assert.equal(await tasks.run(() => Promise.resolve("again")), "again");
});
