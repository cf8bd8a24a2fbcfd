// Where the test machinery keeps what is slow to make: root file systems and the Kubernetes binaries.
// Everything in it can be deleted at any time; it is made again.

import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";

/** `HEADGATE_CACHE`, else `$XDG_CACHE_HOME/headgate`, else `~/.cache/headgate`. Not created here. */
export function cacheDirectory(): string {
  const own = process.env["HEADGATE_CACHE"];
  if (own) return own;
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "headgate");
}

/** First 12 hex digits of the SHA-256 of `parts`: enough to tell recipes apart in a file name. */
export function recipeKey(parts: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 12);
}
