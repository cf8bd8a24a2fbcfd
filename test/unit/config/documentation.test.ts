import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SETTINGS } from "../../../agent/config/settings.ts";

test("every key, flag and variable is documented", async () => {
  const files = ["configuration.md", "settings.md"].map((name) => join(import.meta.dirname, "../../../docs", name));
  const text = (await Promise.all(files.map((path) => readFile(path, "utf8")))).join("\n");
  for (const { key, flag, env } of SETTINGS) {
    const last = key.split(".").at(-1) ?? key;
    assert.ok(text.includes(`\`${key}\``) || text.includes(`\`.${last}\``), `${key} is not documented`);
    if (flag !== null) assert.ok(text.includes(`\`--${flag}\``), `--${flag} is not documented`);
    if (env !== null) assert.ok(text.includes(`\`${env}\``), `${env} is not documented`);
  }
});
