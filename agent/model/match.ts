// Which route takes a request, and why the others do not. The same answer as lua/headgate/router.lua and
// request.lua give; test/routing has the cases that hold both to it.

import { type ObjectRef, refText } from "../objects/objects.ts";
import type { BuiltHost, EdgeModel, Host, MatchType, Route, RouteKey } from "./edge-model.ts";
import { ANY_HOST, requestHost, wildcardOf } from "./hosts.ts";
import { decodePath, normaliseRequestPath, strictPath, withoutParameters } from "./paths.ts";

export interface Request {
  /** The Host header, as the client wrote it. */
  readonly host: string;
  /** Path and query, as the client wrote them. */
  readonly target: string;
}

/** How a route was found: "default" is the default backend of the edge. */
export type MatchedBy = "exact" | "prefix" | "fallback" | "default";

export type MatchOutcome =
  | { readonly kind: "route"; readonly route: Route; readonly by: MatchedBy }
  | { readonly kind: "refuse"; readonly status: 400 | 404; readonly reason: string };

export interface Match {
  /** Lower case, without port and trailing dot. */
  readonly host: string;
  /** As rules are compared with it: decoded once, "//" and dot segments resolved; "" where it is no path. */
  readonly path: string;
  /** The name of the host whose table was used, null for none. */
  readonly table: string | null;
  readonly outcome: MatchOutcome;
  /** Routes of all hosts that cover the name. `lost` is null for the winner. */
  readonly candidates: readonly Candidate[];
}
export interface Candidate {
  readonly ingress: ObjectRef;
  readonly host: string;
  readonly path: string;
  readonly matchType: MatchType;
  readonly lost: string | null;
}

/**
 * Finds the route of a request. A host name beats a wildcard (of one label) beats "_"; in the host an exact path
 * beats prefixes, and of prefixes the one with most segments wins (Kubernetes Ingress v1, "Multiple matches").
 */
export function matchRequest(hosts: ReadonlyMap<string, BuiltHost>, request: Request): Match {
  const host = requestHost(request.host);
  const normalised = normaliseRequestPath(request.target);
  if (normalised.kind === "bad") {
    const outcome = { kind: "refuse", status: 400, reason: normalised.reason } as const;
    return { host, path: "", table: null, outcome, candidates: [] };
  }
  const { path } = normalised;
  const built = tablesFor(hosts, host);
  const [first] = built;
  const table = first?.host ?? null;
  const outcome = decide(hosts, table, { host, path, target: request.target });
  const winner = outcome.kind === "route" ? outcome : null;
  const candidates = built.flatMap(({ host: own, routes, shadowed }) =>
    own === null
      ? []
      : [
          ...routes.map((route) => candidateOf(route, own, whyLost(route, own, { table, path, winner }))),
          ...shadowed.map((claim) => candidateOf(claim, own, `the older ${refText(claim.winner)} has this path`)),
        ],
  );
  return { host, path, table: table?.name ?? null, outcome, candidates };
}

function candidateOf(
  { ingress, path, matchType }: Pick<Candidate, "ingress" | "path" | "matchType">,
  { name: host }: Host,
  lost: string | null,
): Candidate {
  return { ingress, host, path, matchType, lost };
}

/** What the client gets: 200 stands for whatever the backend answers. */
export interface Decision {
  readonly match: Match;
  readonly status: 200 | 308 | 400 | 404 | 503;
  readonly reason: string;
}

/** The whole decision about a request: match, then closed routes, then the redirect to https, then peers. */
export function decideRequest(model: EdgeModel, request: Request & { readonly secure: boolean }): Decision {
  const match = matchRequest(model.hosts, request);
  const { outcome, host, path } = match;
  if (outcome.kind === "refuse") return { match, status: outcome.status, reason: outcome.reason };
  const { route } = outcome;
  if (route.closed !== null) return { match, status: 503, reason: route.closed.reason };
  if (!request.secure && route.sslRedirect === "certificate" && !isAcmeChallenge(path)) {
    const serverName = serverNameOf(model.hosts, host);
    if (serverName !== null) return { match, status: 308, reason: `${serverName} has a certificate` };
  }
  const [namespace = "", service = ""] = (route.backend ?? "").split("/");
  const backends = model.backends.get(`${namespace}/${service}`)?.backends ?? [];
  const backend = backends.find((candidate) => candidate.key === route.backend);
  if (backend === undefined) return { match, status: 503, reason: "the route has no backend" };
  if (backend.peers.length === 0) return { match, status: 503, reason: backend.reason ?? "no peers" };
  return { match, status: 200, reason: "" };
}

/** The server name (exact, else wildcard) that a host's handshakes get, or null where only the default is left. */
export function serverNameOf(hosts: ReadonlyMap<string, BuiltHost>, host: string): string | null {
  const wildcard = wildcardOf(host);
  for (const name of wildcard === null ? [host] : [host, wildcard]) {
    if (name !== ANY_HOST && hosts.get(name)?.serverName) return name;
  }
  return null;
}

function isAcmeChallenge(path: string): boolean {
  return path.startsWith("/.well-known/acme-challenge/");
}

// The hosts with a table that cover a name, most exact first: only the first counts.
function tablesFor(hosts: ReadonlyMap<string, BuiltHost>, host: string): readonly BuiltHost[] {
  const names = new Set([host, wildcardOf(host) ?? host, ANY_HOST]);
  return [...names].flatMap((name) => {
    const built = hosts.get(name);
    return built === undefined || built.host === null ? [] : [built];
  });
}

function decide(
  hosts: ReadonlyMap<string, BuiltHost>,
  table: Host | null,
  { host, path, target }: { readonly host: string; readonly path: string; readonly target: string },
): MatchOutcome {
  if (table?.name !== host && !isHostName(host)) return { kind: "refuse", status: 400, reason: "not a host name" };
  if (table === null) return { kind: "refuse", status: 404, reason: "no Ingress has this host" };
  const strict = table.strictPaths ? strictFault(table, path, target) : null;
  if (strict !== null) return { kind: "refuse", status: 400, reason: `a guarded host, and the path has ${strict}` };
  const found = matchPath(table, path) ?? fallbackOf(hosts, table);
  const route = found === null ? undefined : hosts.get(found.host)?.routes.find(({ key }) => key === found.key);
  if (found === null || route === undefined)
    return { kind: "refuse", status: 404, reason: "no path of this host matches" };
  return { kind: "route", route, by: found.by };
}

interface Found {
  readonly host: string;
  readonly key: RouteKey;
  readonly by: MatchedBy;
}

/** The route of a path in one host's table, without fallbacks. */
function matchPath(table: Host, path: string): Found | null {
  const exact = table.exact.get(path);
  if (exact !== undefined) return { host: table.name, key: exact, by: "exact" };
  // From the longest prefix of whole segments to "/".
  let prefix = path.endsWith("/") ? path.slice(0, -1) : path;
  while (prefix !== "") {
    const key = table.prefixes.get(prefix);
    if (key !== undefined) return { host: table.name, key, by: "prefix" };
    prefix = prefix.slice(0, prefix.lastIndexOf("/"));
  }
  const root = table.prefixes.get("/");
  return root === undefined ? null : { host: table.name, key: root, by: "prefix" };
}

function fallbackOf(hosts: ReadonlyMap<string, BuiltHost>, table: Host): Found | null {
  if (table.fallback !== null) {
    return { host: table.name, key: table.fallback, by: table.name === ANY_HOST ? "default" : "fallback" };
  }
  const key = hosts.get(ANY_HOST)?.host?.fallback ?? null;
  return key === null ? null : { host: ANY_HOST, key, by: "default" };
}

// A path parameter at the end is judged with and without: a servlet container would route by the path without.
function strictFault(table: Host, path: string, target: string): string | null {
  const strict = strictPath(target);
  if (strict.kind === "bad") return strict.reason;
  const judged = decodePath(strict.path);
  if (judged !== path) return "two readings";
  if (!judged.includes(";")) return null;
  const other = matchPath(table, withoutParameters(judged));
  return matchPath(table, judged)?.key === other?.key ? null : "';', which leads to another route";
}

function isHostName(host: string): boolean {
  return host.length <= 253 && /^([\w.~-]+|\[[0-9a-f:.]+\])$/i.test(host);
}

interface Judged {
  readonly table: Host | null;
  readonly path: string;
  readonly winner: { readonly route: Route; readonly by: MatchedBy } | null;
}

function whyLost(route: Route, own: Host, { table, path, winner }: Judged): string | null {
  if (winner !== null && winner.route.key === route.key) return null;
  if (own.name !== table?.name && own.fallback !== route.key) return `host ${table?.name ?? ""} is more exact`;
  if (own.fallback === route.key) return winner === null ? "the request is refused" : "only when no path matches";
  if (route.matchType === "Exact" && route.path !== path) return `the path is not exactly ${route.path}`;
  const inside = route.path === "/" || path === route.path || path.startsWith(`${route.path}/`);
  if (!inside) return `the path is not under ${route.path}`;
  if (winner === null) return "the request is refused";
  return winner.by === "exact" ? "an exact path wins" : `${winner.route.path} is longer`;
}
