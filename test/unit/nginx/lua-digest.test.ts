import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { luaDigest } from "../../../agent/nginx/lua-digest.ts";

test("the digest of the Lua code changes with any file of it, and with nothing else", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "headgate-lua-digest-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "headgate/filters"), { recursive: true });
  const seen = new Set<string>();
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    const digest = await luaDigest(folder);
    assert.match(digest, /^[0-9a-f]{16}$/);
    seen.add(digest);
    return digest;
  };
  await write("headgate/store.lua", "return 1");
  await write("headgate/store.lua", "return 2");
  const three = await write("headgate/filters/cors.lua", "return 2");
  assert.equal(seen.size, 3);
  assert.equal(await write("headgate/store.lua", "return 2"), three);
  assert.equal(await write("schema.json", "{}"), three);
});
