import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { AgentError } from "../../../agent/lib/errors.ts";
import { createLogger } from "../../../agent/lib/log.ts";
import type { LogOptions } from "../../../agent/lib/log.ts";

function logger(options: Partial<LogOptions>, isTTY = false) {
  const stream = Object.assign(new PassThrough(), { isTTY });
  const log = createLogger({ level: "info", format: "auto", ...options }, stream);
  const lines = (): string[] =>
    String(stream.read() ?? "")
      .split("\n")
      .filter((line) => line !== "");
  return { log, lines, stream };
}

test("writes facts as fields, as JSON where nobody looks and as logfmt on a terminal", () => {
  const json = logger({});
  json.log.child("nginx").info("Reload done", { generation: 7, skipped: undefined });
  const [line = ""] = json.lines();
  const { time, ...rest }: Record<string, unknown> = JSON.parse(line);
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(rest, { level: "info", component: "nginx", message: "Reload done", generation: 7 });
  const terminal = logger({}, true);
  terminal.log.info("Reload done", { reason: 'new "host"\n', host: "a.example.org" });
  assert.match(
    terminal.lines()[0] ?? "",
    / level=info message="Reload done" reason="new \\"host\\"\\n" host=a\.example\.org$/,
  );
});

test("leaves out what is below the level", () => {
  const { log, lines } = logger({ level: "warn" });
  log.info("Told");
  log.debug("Told");
  log.warn("Told");
  log.error("Told");
  assert.equal(lines().length, 2);
});

test("an error is its text, with cause and hint", () => {
  const { log, lines } = logger({});
  const error = new AgentError("nginx-reload", "cannot reload nginx", {
    hint: "Read the log.",
    cause: new Error("gone"),
  });
  log.error("Reload failed", { error });
  assert.equal(JSON.parse(lines()[0] ?? "").error, "cannot reload nginx (gone) Read the log.");
});

test("a broken stream ends no process", () => {
  const { log, stream } = logger({});
  stream.destroy(new Error("EPIPE"));
  log.info("Told to nobody");
});
