// Does a change make some policy of a host stricter? Then the snapshot is written at once: an nginx that is restarted
// alone must not open what was closed.

import { differing } from "../lib/differing.ts";
import type { BuiltHost, Route } from "../model/edge-model.ts";

/** True where a route is closed or guarded that was not, or paths are judged strictly that were not. */
export function isStricter(before: BuiltHost | undefined, after: BuiltHost): boolean {
  // What an alias leads to is another host's: whether it is stricter is not worth finding out.
  if ((after.host?.aliasOf ?? null) !== (before?.host?.aliasOf ?? null)) return true;
  if ((after.host?.strictPaths ?? false) && !(before?.host?.strictPaths ?? false)) return true;
  const changed = differing(before?.routes ?? [], after.routes);
  const known = new Map(changed.before.map((route) => [route.key, route]));
  return changed.after.some((route) => {
    const old = known.get(route.key);
    if (old === undefined || old === route) return false;
    return (old.closed === null && route.closed !== null) || guards(old) !== guards(route);
  });
}

const GUARDS: ReadonlySet<string> = new Set([
  "access",
  "basic_auth",
  "client_certificate",
  "external_auth",
  "satisfy_any",
  "limit",
]);

/** What keeps requests out, as text: any change of it counts, for no order tells a stricter list from a looser one. */
function guards({ filters, sslRedirect, upstreamTls }: Route): string {
  const access = filters.filter(({ kind }) => GUARDS.has(kind));
  return JSON.stringify([access, sslRedirect, upstreamTls?.verify ?? null]);
}
