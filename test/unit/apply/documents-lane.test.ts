import assert from "node:assert/strict";
import { test } from "node:test";
import { digests, DocumentsLane } from "../../../agent/apply/documents-lane.ts";
import type { PushLine } from "../../../agent/plan/steps.ts";
import { FakeDataPlane } from "../../fakes/data-plane.ts";

const { signal } = new AbortController();

function line(key: string, generation: number, text: string | null = "{}"): PushLine {
  return { kind: "backend", key, generation, text };
}

test("keeps what was confirmed, and nothing else", async () => {
  const plane = new FakeDataPlane();
  plane.invalid.add("backend:b");
  plane.full.add("backend:c");
  const lane = new DocumentsLane(plane);
  const outcome = await lane.push([line("a", 5, "12345"), line("b", 5), line("c", 5)], signal);
  assert.deepEqual([...lane.applied.keys()], ["backend:a"]);
  assert.equal(lane.bytes, 5);
  assert.deepEqual(outcome, {
    confirmed: 1,
    refused: [{ id: "backend:b", message: "refused by the test" }],
    again: ["backend:c"],
    heldGeneration: 0,
    outOfMemory: true,
  });
  await lane.push([line("a", 6, null)], signal);
  assert.equal(lane.applied.size, 0);
  assert.equal(lane.bytes, 0);
});

test("a newer document that somebody else wrote is no success, and its generation is told", async () => {
  const plane = new FakeDataPlane();
  await plane.push([line("a", 9)]);
  const lane = new DocumentsLane(plane);
  const outcome = await lane.push([line("a", 5)], signal);
  assert.deepEqual([outcome.again, outcome.heldGeneration], [["backend:a"], 9]);
});

test("a push that nobody answered leaves what was known as it was", async () => {
  const plane = new FakeDataPlane();
  const lane = new DocumentsLane(plane);
  await lane.push([line("a", 5)], signal);
  plane.down = true;
  await assert.rejects(lane.push([line("a", 6)], signal), { code: "push-failed" });
  assert.equal(lane.applied.get("backend:a")?.generation, 5);
});

test("an audit finds what is missing, foreign, and of another generation", async () => {
  const plane = new FakeDataPlane();
  const lane = new DocumentsLane(plane);
  await lane.push([line("same", 5), line("gone", 5), line("other", 5)], signal);
  assert.equal(lane.agrees(await plane.state()), true);
  plane.documents.delete("backend:gone");
  await plane.push([line("other", 6), line("foreign", 6)]);
  assert.equal(lane.agrees(await plane.state()), false);
  assert.deepEqual((await lane.audit(signal)).toSorted(), ["backend:foreign", "backend:gone", "backend:other"]);
  assert.equal(lane.applied.get("backend:foreign")?.text, null);
  assert.equal(lane.agrees(await plane.state()), true);
});

test("the digest tells keys and generations apart, and does not mind the order", () => {
  const a = { kind: "backend", key: "a", generation: 1 } as const;
  const b = { kind: "backend", key: "b", generation: 2 } as const;
  assert.deepEqual(digests([a, b]), digests([b, a]));
  assert.notDeepEqual(digests([a, b]), digests([a, { ...b, generation: 3 }]));
  assert.notDeepEqual(
    digests([a, b]),
    digests([
      { ...a, generation: 2 },
      { ...b, generation: 1 },
    ]),
  );
  assert.equal(digests([a]).get("backend")?.digest.length, 8);
});
