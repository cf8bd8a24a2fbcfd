// Who follows the names that Services of type ExternalName are, and where that is kept.

import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { NameRecord } from "../dns/answers.ts";
import { NameWatch } from "../dns/name-watch.ts";
import { loadNames, saveNames } from "../dns/names-file.ts";
import { lookUp } from "../dns/resolver.ts";
import { snapshotDir } from "../nginx/nginx-view.ts";
import type { Prepared } from "./prepare.ts";

/** Beside the snapshot, and not in it: they change on their own, and no document depends on their generation. */
function pathOf({ stateDir }: Config): string {
  return join(snapshotDir(stateDir), "names.json");
}

/** What was known of names when the agent ended. */
export function knownNames(config: Config): Promise<readonly NameRecord[]> {
  return loadNames(pathOf(config));
}

/** Nothing is asked before it is started. */
export function createNames(
  { config, log, names }: Pick<Prepared, "config" | "log" | "names">,
  onChange: (services: readonly string[]) => void,
): NameWatch {
  return new NameWatch({
    lookUp,
    known: names,
    save: (records) => saveNames(pathOf(config), records),
    onChange,
    now: () => Date.now(),
    log: log.child("dns"),
  });
}
