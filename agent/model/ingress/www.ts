// from-to-www-redirect: where one of "example.org" and "www.example.org" is a host, requests for the other are sent there.

import { shortHash } from "../../lib/hash.ts";
import { refOf } from "../../objects/objects.ts";
import type { Route, RouteKey } from "../edge-model.ts";
import { ANY_HOST } from "../hosts.ts";
import type { Claims } from "./claims.ts";
import type { Policy } from "./policy.ts";
import { NO_TIMES } from "./times.ts";

const WWW = "www.";
const HOST_LENGTH_MAX = 253;

/** The other name of each host, and the host that it leads to; none where that is not asked for. */
export function otherNames(
  { fromToWww }: Pick<Policy, "fromToWww">,
  routed: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  if (!fromToWww) return names;
  for (const host of routed) {
    if (host === ANY_HOST || host.startsWith("*.")) continue;
    const other = host.startsWith(WWW) ? host.slice(WWW.length) : `${WWW}${host}`;
    // "www.org" has no other name.
    const isName = other.includes(".") && other.length <= HOST_LENGTH_MAX;
    if (isName && !routed.has(other)) names.set(other, host);
  }
  return names;
}

interface Place {
  /** Of the host. */
  readonly name: string;
  readonly routes: Map<RouteKey, Route>;
  readonly prefixes: Map<string, RouteKey>;
}

/** Gives a host that nobody routes the route of the oldest Ingress that sends it on, if there is one. */
export function addWww({ name, routes, prefixes }: Place, all: readonly Claims[]): void {
  const route = wwwRoute(name, all);
  if (route === null) return;
  routes.set(route.key, route);
  prefixes.set("/", route.key);
}

function wwwRoute(name: string, all: readonly Claims[]): Route | null {
  for (const { ingress, www } of all) {
    const target = www.get(name);
    if (target === undefined) continue;
    return {
      key: `${ingress.meta.namespace}/${ingress.meta.name}/${shortHash(`${name}\nwww`)}`,
      ingress: refOf(ingress),
      host: name,
      path: "/",
      matchType: "Prefix",
      backend: null,
      closed: null,
      sslRedirect: "never",
      filters: [{ kind: "redirect", code: 308, location: ["$scheme", `://${target}`, "$request_uri"] }],
      protocol: "http",
      upstreamTls: null,
      times: NO_TIMES,
      balance: null,
    };
  }
  return null;
}
