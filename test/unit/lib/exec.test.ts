import assert from "node:assert/strict";
import { test } from "node:test";
import { lastLines, runCommand } from "../../../agent/lib/exec.ts";

const options = { timeoutMs: 20_000 };

test("gives the exit code and both outputs, in the C locale, without a shell", async () => {
  const script = 'printf \'%s|%s\' "$1" "$LC_ALL"; echo oops >&2; exit 3';
  const result = await runCommand("/bin/sh", ["-c", script, "sh", "$(id)"], options);
  assert.deepEqual(result, { kind: "exited", exitCode: 3, stdout: "$(id)|C", stderr: "oops" });
});

test("hands over input and environment", async () => {
  const more = { ...options, input: "hello", env: { WORD: "there" } };
  const result = await runCommand("/bin/sh", ["-c", 'cat; printf " $WORD"'], more);
  assert.equal(result.stdout, "hello there");
});

test("refuses a relative path", async () => {
  await assert.rejects(runCommand("sh", [], options), /must be absolute/);
});

test("says why a command did not start", async () => {
  const missing = await runCommand("/nonexistent", [], options);
  assert.deepEqual([missing.kind, missing.kind === "exited" ? "" : missing.reason], ["not-started", "no such file"]);
  const folder = await runCommand("/etc", [], options);
  assert.equal(folder.kind, "not-started");
});

test("ends a command that takes too long, writes too much, or is given up", async () => {
  assert.equal((await runCommand("/bin/sleep", ["60"], { timeoutMs: 50 })).kind, "timed-out");
  const flood = await runCommand("/bin/sh", ["-c", "exec yes"], { ...options, outputBytesMax: 1000 });
  assert.equal(flood.kind, "too-much-output");
  assert.ok(flood.stdout.length <= 1000);
  const controller = new AbortController();
  const sleeping = runCommand("/bin/sleep", ["60"], { ...options, signal: controller.signal });
  controller.abort();
  assert.equal((await sleeping).kind, "aborted");
  assert.equal((await runCommand("/bin/sh", ["-c", "kill -9 $$"], options)).kind, "killed");
});

test("the last lines are the last ones", () => {
  assert.equal(lastLines("a\nb\nc\n\n", 2), "b\nc");
});
