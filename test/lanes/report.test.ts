import assert from "node:assert/strict";
import { test } from "node:test";
import { readReport, type Line } from "./report.ts";

const A = "/a.test.ts";
const B = "/b.test.ts";

function written(...lines: readonly (readonly [string, Line["said"]])[]): string {
  return lines.map(([file, said]) => `${JSON.stringify({ file, said } satisfies Line)}\n`).join("");
}

test("counts what the files' tests said", () => {
  const text = written([A, "passed"], [B, "skipped"], [A, "failed"], [A, "ended"], [B, "passed"], [B, "ended"]);
  const tally = { passed: 2, failed: 1, skipped: 1 };
  assert.deepEqual(readReport(text, [A, B], false), { tally, problems: [] });
});

test("a file that did not come to its end is a failure, whatever the run ended with", () => {
  const text = written([A, "passed"], [A, "ended"], [B, "passed"]);
  for (const ok of [true, false]) {
    const { tally, problems } = readReport(text, [A, B], ok);
    assert.deepEqual(tally, { passed: 2, failed: 1, skipped: 0 });
    assert.deepEqual(problems, ["/b.test.ts: did not come to its end"]);
  }
});

test("a failure that is known is not counted again for its file's early end", () => {
  const { tally, problems } = readReport(written([A, "failed"]), [A], false);
  assert.deepEqual(tally, { passed: 0, failed: 1, skipped: 0 });
  assert.equal(problems.length, 1);
});

test("a file that ran no test is a failure", () => {
  const { tally, problems } = readReport(written([A, "ended"]), [A], true);
  assert.equal(tally.failed, 1);
  assert.deepEqual(problems, ["/a.test.ts: ran no test"]);
});

test("a report that was cut off, or never written, leaves its files failed", () => {
  const text = written([A, "passed"], [A, "ended"], [B, "passed"], [B, "ended"]);
  for (let length = 0; length < text.length; length++) {
    assert.ok(readReport(text.slice(0, length), [A, B], true).tally.failed > 0, `after ${length} characters`);
  }
});

test("a run that failed, though no test did, is a failure", () => {
  const { tally, problems } = readReport(written([A, "passed"], [A, "ended"]), [A], false);
  assert.equal(tally.failed, 1);
  assert.equal(problems.length, 1);
});
