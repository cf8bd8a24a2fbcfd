import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NODE, REPOSITORY } from "../edges/machine.ts";
import { runOnHost } from "./node-tests.ts";
import type { Tally } from "./tally.ts";

const FILE_TIMEOUT_MS = 60_000;
const IMPORT = 'import { test } from "node:test";\n';
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-lanes-"));
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function tallyOf(name: string, text: string, fileTimeoutMs = FILE_TIMEOUT_MS): Promise<Tally> {
  const file = join(folder, `${name}.test.ts`);
  writeFileSync(file, IMPORT + text);
  return runOnHost({ files: [file], concurrency: 1, fileTimeoutMs, quiet: true }, "host");
}

test("passed, failed, skipped and todo tests are counted", async () => {
  const text = [
    'test("passes", () => {});',
    'test("fails", () => { throw new Error("wrong"); });',
    'test.skip("skipped", () => {});',
    'test.todo("todo");',
  ].join("\n");
  assert.deepEqual(await tallyOf("mixed", text), { passed: 1, failed: 1, skipped: 2 });
});

test("a file that cannot be loaded is a failure", async () => {
  assert.deepEqual(await tallyOf("broken", 'import "./missing.ts";'), { passed: 0, failed: 1, skipped: 0 });
});

test("a file that kills its process is a failure", async () => {
  const tally = await tallyOf("killed", 'test("ends", () => { process.kill(process.pid, "SIGKILL"); });');
  assert.equal(tally.failed, 1);
});

test("a test that hangs is a failure", async () => {
  const tally = await tallyOf("hangs", 'test("hangs", () => new Promise(() => setInterval(() => {}, 1000)));', 500);
  assert.ok(tally.failed >= 1);
});

test("no file is no test", async () => {
  const tally = await runOnHost({ files: [], concurrency: 1, fileTimeoutMs: FILE_TIMEOUT_MS }, "host");
  assert.deepEqual(tally, { passed: 0, failed: 0, skipped: 0 });
});

test("an unknown lane is a usage error that names the lanes", () => {
  const { status, stderr } = spawnSync(NODE, [join(REPOSITORY, "test/run.ts"), "unti"], { encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /no lane is called "unti".*\n.*check/);
});
