// Does a change make some policy of a host stricter? Then the snapshot is written at once: an nginx that is restarted
// alone must not open what was closed.

import type { BuiltHost } from "../model/edge-model.ts";

/** True where a route is closed that was not, or paths are judged strictly that were not. */
export function isStricter(before: BuiltHost | undefined, after: BuiltHost): boolean {
  if ((after.host?.strictPaths ?? false) && !(before?.host?.strictPaths ?? false)) return true;
  const open = new Set(before?.routes.filter((route) => route.closed === null).map((route) => route.key));
  return after.routes.some((route) => route.closed !== null && open.has(route.key));
}
