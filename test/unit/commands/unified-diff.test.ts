import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { unifiedDiff } from "../../../agent/commands/unified-diff.ts";
import { folderFor } from "./support.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 400);
const line = fc.constantFrom("a", "b", "c", "d", "{", "}", "");
const text = fc.array(line, { maxLength: 40 });
/** Two texts that are alike, as two versions of a document are. */
const pair = fc.tuple(text, text, text, text).map(([head, one, other, tail]) => {
  return [
    [...head, ...one, ...tail],
    [...head, ...other, ...tail],
  ] as const;
});

function diff(before: readonly string[], after: readonly string[]): readonly string[] {
  return unifiedDiff({ name: "a/x", lines: before }, { name: "b/x", lines: after });
}

/** What patch(1) makes of it: every line of a hunk must be where its head says. */
function patched(before: readonly string[], lines: readonly string[]): readonly string[] {
  const after: string[] = [];
  let read = 0;
  for (const each of lines.slice(2)) {
    const head = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$/.exec(each);
    if (head !== null) {
      const start = Number(head[1]) - (head[2] === "0" ? 0 : 1);
      while (read < start) after.push(before[read++] ?? "");
      assert.equal(after.length, Number(head[3]) - (head[4] === "0" ? 0 : 1), each);
      continue;
    }
    const rest = each.slice(1);
    if (each.startsWith("+")) after.push(rest);
    else {
      assert.equal(before[read++], rest);
      if (each.startsWith(" ")) after.push(rest);
    }
  }
  return [...after, ...before.slice(read)];
}

test("what a diff says turns one text into the other, and equal texts have none", () => {
  fc.assert(
    fc.property(fc.oneof(pair, fc.tuple(text, text)), ([before, after]) => {
      const lines = diff(before, after);
      assert.deepEqual(patched(before, lines), after);
      assert.equal(lines.length === 0, JSON.stringify(before) === JSON.stringify(after));
    }),
    { numRuns: RUNS },
  );
});

test("a diff is as short as that of diff(1)", async (t) => {
  const folder = await folderFor(t);
  const changes = (lines: readonly string[]): number => lines.filter((each) => /^[-+](?![-+]{2} )/.test(each)).length;
  for (const [before, after] of fc.sample(pair, { numRuns: 20, seed: 7 })) {
    const files = [join(folder, "a"), join(folder, "b")] as const;
    await writeFile(files[0], before.map((each) => `${each}\n`).join(""));
    await writeFile(files[1], after.map((each) => `${each}\n`).join(""));
    const { stdout } = spawnSync("diff", ["-d", "-u", "--label", "a/x", "--label", "b/x", ...files], {
      encoding: "utf8",
    });
    assert.equal(changes(diff(before, after)), changes(stdout.split("\n")));
  }
});

test("hunks have three lines around them, and those that touch are one", () => {
  const lines = Array.from({ length: 20 }, (_, index) => `${index}`);
  const changed = lines.map((each) => (["3", "9", "17"].includes(each) ? `${each}!` : each));
  assert.deepEqual(
    diff(lines, changed).filter((each) => each.startsWith("@@")),
    ["@@ -1,13 +1,13 @@", "@@ -15,6 +15,6 @@"],
  );
});

test("a text that comes or goes", () => {
  assert.deepEqual(diff([], ["x"]).slice(2), ["@@ -0,0 +1 @@", "+x"]);
  assert.deepEqual(diff(["x", "y"], []).slice(2), ["@@ -1,2 +0,0 @@", "-x", "-y"]);
});

test("texts with nothing in common are shown in whole, and are not compared line by line for ever", () => {
  const before = Array.from({ length: 20_000 }, (_, index) => `before ${index}`);
  const after = Array.from({ length: 20_000 }, (_, index) => `after ${index}`);
  const lines = diff(before, after);
  assert.equal(lines.length, 40_003);
});
