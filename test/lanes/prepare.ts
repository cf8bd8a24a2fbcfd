// What lanes need and a fresh machine lacks: made once, kept in the cache.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { NODE, REPOSITORY } from "../edges/machine.ts";
import { ensureRoot, SUITES } from "../edges/roots.ts";
import { ensureEtcd, ensureKubeBinaries } from "../kube/build.ts";
import { ensureOldApiserver } from "../kube/build-old.ts";
import type { Lane, LaneOptions, Need } from "./lanes.ts";

/** Makes what these lanes need. Throws with the fix when it cannot be made. */
export async function prepare(lanes: readonly Lane[], { all }: Pick<LaneOptions, "all">): Promise<void> {
  const needs = new Set<Need>(lanes.flatMap((lane) => lane.needs));
  if (needs.has("bundles")) buildBundles();
  if (needs.has("roots")) {
    if (process.getuid?.() !== 0) {
      throw new Error("test machines need root. Run `npm test` as root, or only `npm test -- check unit lua`");
    }
    for (const suite of SUITES) await ensureRoot(suite);
  }
  if (needs.has("kube")) {
    await ensureKubeBinaries();
    await ensureEtcd();
  }
  // Here and not in its tests: these run where there is no network.
  if (all && lanes.some(({ name }) => name === "kube")) await ensureOldApiserver();
}

function buildBundles(): void {
  const { status } = spawnSync(NODE, [join(REPOSITORY, "build.ts")], { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("cannot build the bundles. Run `npm run build` to see why");
}
