// Which Lua code lies on the disk, as nginx would load it.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * 16 hexadecimal digits that differ where any Lua file below `folder` does. It stands in nginx.conf: an nginx that an
 * upgrade left running is on the code of before until it reloads, and its files are otherwise the same.
 */
export async function luaDigest(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  const hash = createHash("sha256");
  for (const name of names.filter((each) => each.endsWith(".lua")).toSorted()) {
    hash.update(`${name}\0`).update(await readFile(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
