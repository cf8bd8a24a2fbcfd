import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { AgentError } from "../../../agent/lib/errors.ts";
import { until } from "../../../agent/lib/until.ts";
import { GenerationCounter } from "../../../agent/lib/generation-counter.ts";

async function folder(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "headgate-counter-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return join(path, "generation");
}

test("counts up, and goes on above everything handed out before, also after a crash", async (t) => {
  const path = await folder(t);
  const first = await GenerationCounter.open(path);
  assert.equal(first.next(), 1);
  assert.equal(first.next(), 2);
  // No close: what a crash leaves is the file as it is.
  const second = await GenerationCounter.open(path);
  assert.ok(second.next() > 2);
});

test("has reserved on disk whatever it hands out, far beyond one reserve", async (t) => {
  const path = await folder(t);
  const counter = await GenerationCounter.open(path);
  for (let i = 0; i < 40_000; i++) {
    const number = counter.next();
    if (i % 1000 !== 0) continue;
    // Gives the counter's own writes their turn, as a push does.
    await until(async () => Number(await readFile(path, "utf8")) > number + 1000, {
      everyMs: 1,
      withinMs: 5000,
      signal: new AbortController().signal,
    });
    assert.ok(Number(await readFile(path, "utf8")) >= number);
  }
});

test("goes past a generation that somebody holds", async (t) => {
  const counter = await GenerationCounter.open(await folder(t));
  await counter.raisePast(123_456);
  assert.equal(counter.next(), 123_457);
  await counter.raisePast(5);
  assert.equal(counter.next(), 123_458);
});

test("refuses a file that holds no number, naming it", async (t) => {
  const path = await folder(t);
  await writeFile(path, "garbage");
  await assert.rejects(GenerationCounter.open(path), (error: AgentError) => {
    assert.equal(error.code, "state-unwritable");
    assert.match(error.message, /generation/);
    return true;
  });
  await chmod(path, 0o600);
});
