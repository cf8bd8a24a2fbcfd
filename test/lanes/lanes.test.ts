import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NODE, REPOSITORY } from "../edges/machine.ts";
import { QUIET_LIMIT, runOnHost } from "./node-tests.ts";
import type { Tally } from "./tally.ts";

const TEST_TIMEOUT_MS = 60_000;
const IMPORT = 'import { test } from "node:test";\n';
const LISTENS = 'import net from "node:net"; test("listens", () => { net.createServer().listen(0); });';
let folder = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "headgate-lanes-"));
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const file = join(folder, `${name}.test.ts`);
  writeFileSync(file, IMPORT + text);
  return file;
}

async function tallyOf(name: string, text: string, testTimeoutMs = TEST_TIMEOUT_MS): Promise<Tally> {
  return runOnHost({ files: [write(name, text)], concurrency: 1, testTimeoutMs, quiet: true }, "host");
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

test("a file whose process ends with 0 before its tests have run is a failure", async () => {
  const text = 'test("ends", () => { process.exit(0); });\ntest("never runs", () => {});';
  assert.deepEqual(await tallyOf("ended", text), { passed: 0, failed: 1, skipped: 0 });
});

test("a file whose process fails after its last test is a failure", async () => {
  const text = 'test("passes", () => {}); process.on("exit", () => { process.exitCode = 3; });';
  assert.deepEqual(await tallyOf("late", text), { passed: 1, failed: 1, skipped: 0 });
});

test("a file without a test is a failure", async () => {
  assert.deepEqual(await tallyOf("empty", ""), { passed: 0, failed: 1, skipped: 0 });
});

test("a burst of short tests at the end of a file is counted to the last one", async () => {
  const text = "for (let i = 0; i < 100; i++) test(`passes ${i}`, () => {});";
  assert.deepEqual(await tallyOf("burst", text), { passed: 100, failed: 0, skipped: 0 });
});

test("a test that hangs is a failure", async () => {
  const tally = await tallyOf("hangs", 'test("hangs", () => new Promise(() => setInterval(() => {}, 1000)));', 500);
  assert.ok(tally.failed >= 1);
});

test("a file that something keeps alive after its last test is a failure", async () => {
  assert.deepEqual(await tallyOf("held", LISTENS, 500), { passed: 1, failed: 1, skipped: 0 });
});

test("a file that is kept alive is named, with what holds it and the test that runs", () => {
  const waits = 'test("waits", { timeout: 60_000 }, () => new Promise(() => {}));';
  const file = write("named", `${LISTENS}\n${waits}`);
  const argv = [`--import=${QUIET_LIMIT}`, "--test", "--test-timeout=500", file];
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout } = spawnSync(NODE, argv, { encoding: "utf8", env });
  assert.equal(status, 1);
  const [said] = stdout.split("\n").filter((line) => line.includes("no test started or ended"));
  assert.match(said ?? "", /named\.test\.ts: .* for 0\.625 s; running: waits; held open by: .*TCPServerWrap/);
});

test("no file is no test", async () => {
  const tally = await runOnHost({ files: [], concurrency: 1, testTimeoutMs: TEST_TIMEOUT_MS }, "host");
  assert.deepEqual(tally, { passed: 0, failed: 0, skipped: 0 });
});

test("an unknown lane is a usage error that names the lanes", () => {
  const { status, stderr } = spawnSync(NODE, [join(REPOSITORY, "test/run.ts"), "unti"], { encoding: "utf8" });
  assert.equal(status, 2);
  assert.match(stderr, /no lane is called "unti".*\n.*check/);
});
