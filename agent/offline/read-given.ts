// The PATHs of `plan`, `diff` and `lint` → the objects below them and what is wrong with the rest, by the loader of the
// manifests source.

import type { GivenObjects } from "../api/wire.ts";
import { readAuthorities, readClientTrust } from "../certificates/authorities.ts";
import { inspectKeyPair } from "../certificates/key-pair.ts";
import { loadManifest } from "../manifests/load-manifest.ts";
import { ManifestSet } from "../manifests/manifest-set.ts";
import type { KubernetesObject } from "../objects/objects.ts";
import type { Refusal } from "../store/source.ts";
import { readPaths } from "./read-paths.ts";

export interface Read {
  readonly given: GivenObjects;
  /** How many files there were. */
  readonly files: number;
}

/** What cannot be read is a refusal. Throws what `readPaths` throws. */
export async function readGiven(paths: readonly string[]): Promise<Read> {
  const files = await readPaths(paths);
  const set = new ManifestSet();
  const readers = { inspectKeyPair, readAuthorities, readClientTrust, cache: undefined };
  for (const { name, content } of files) {
    set.setFile(name, await loadManifest(name, content, readers));
  }
  const objects: KubernetesObject[] = [];
  const refusals: Refusal[] = [];
  for (const change of set.takeChanges(true)) {
    if (change.kind === "replace") objects.push(...change.objects);
    if (change.kind === "refuse") refusals.push(change.refusal);
  }
  return { given: { objects, refusals }, files: files.length };
}
