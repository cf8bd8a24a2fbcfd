// Which routes of a host are closed because a guard that is asked for is not served.

import type { Ingress } from "../../objects/objects.ts";
import { refOf, refText } from "../../objects/objects.ts";
import type { Closed } from "../edge-model.ts";
import type { Claims } from "./claims.ts";
import { guardFilters, keepsOut } from "./guard-filters.ts";

/** Why the routes of an Ingress are closed on this host, or null. */
export type Closings = (ingress: Ingress) => Closed | null;

/**
 * Decides over all Ingresses that route one host. An Ingress with a guard that cannot be kept is closed itself. The
 * other Ingresses of its namespace on that host are closed too (their owner counts on the guard; other namespaces are
 * not, else a stranger could close a host by naming it)
 * - where ingress-nginx keeps that guard for the whole host (client certificates, server-snippet),
 * - where a guarded Ingress has a regular expression that cannot be read: which paths it guards is not known.
 */
export function closeRoutes(host: string, routing: readonly Claims[]): Closings {
  const own = new Map<Ingress, string>();
  const byNamespace = new Map<string, string>();
  for (const claims of routing) {
    const { namespace } = claims.ingress.meta;
    const [first] = claims.guards.closing;
    const reason = first === undefined ? null : `annotation ${first.key} ${first.message}`;
    if (reason !== null) own.set(claims.ingress, reason);
    if (byNamespace.has(namespace)) continue;
    const who = refText(refOf(claims.ingress));
    if (reason !== null && claims.guards.closesHost) {
      byNamespace.set(namespace, `the whole host is guarded by ${who}: ${reason}`);
    } else if (
      claims.unread.has(host) &&
      (reason !== null || claims.policy.externalAuth !== null || guardFilters(claims).some(keepsOut))
    ) {
      byNamespace.set(namespace, `${who} guards paths of this host by a regular expression that cannot be read`);
    }
  }
  if (own.size === 0 && byNamespace.size === 0) return () => null;
  return (ingress) => {
    const reason = own.get(ingress) ?? byNamespace.get(ingress.meta.namespace);
    return reason === undefined ? null : { reason };
  };
}
