// Which routes of a host are closed because a guard that is asked for is not served.

import type { Ingress } from "../../objects/objects.ts";
import { refOf, refText } from "../../objects/objects.ts";
import type { Closed } from "../edge-model.ts";
import type { Claims } from "./claims.ts";

/** Why the routes of an Ingress are closed on this host, or null. */
export type Closings = (ingress: Ingress) => Closed | null;

/**
 * Decides over all Ingresses that route one host. An Ingress with a guard that is not served is closed itself, and
 * - where ingress-nginx keeps that guard for the whole host (client certificates, server-snippet), so are the other
 *   Ingresses of its namespace on that host: their owner counts on it. (Other namespaces do not: else a stranger
 *   could close a host by naming it.)
 * - where some Ingress of the host has regular expressions, all of the host are: in ingress-nginx every path of the
 *   host is then an expression without regard to case, so a guard for "/admin.*" covers what "/" serves here.
 */
export function closeRoutes(routing: readonly Claims[]): Closings {
  const closing = routing.filter((claims) => claims.guards.closing.length > 0);
  if (closing.length === 0) return () => null;
  const own = new Map(closing.map((claims) => [claims.ingress, reasonOf(claims)]));
  const byNamespace = new Map<string, string>();
  for (const claims of closing) {
    const { namespace } = claims.ingress.meta;
    if (claims.guards.closesHost && !byNamespace.has(namespace)) {
      byNamespace.set(namespace, `the whole host is guarded by ${who(claims)}: ${reasonOf(claims)}`);
    }
  }
  const [first] = closing;
  const regex = routing.some((claims) => claims.guards.regex) && first !== undefined;
  const all = regex
    ? `${who(first)} guards paths of this host, which has regular expressions: ${reasonOf(first)}`
    : null;
  return (ingress) => {
    const reason = own.get(ingress) ?? byNamespace.get(ingress.meta.namespace) ?? all;
    return reason === null ? null : { reason };
  };
}

function reasonOf(claims: Claims): string {
  const [first] = claims.guards.closing;
  return first === undefined ? "" : `annotation ${first.key} ${first.message}`;
}

function who(claims: Claims): string {
  return refText(refOf(claims.ingress));
}
