// Which route takes a request, and why the others do not. The same answer as lua/headgate/router.lua and
// request.lua give; test/routing has the cases that hold both to it.

import { type ObjectRef, refText } from "../objects/objects.ts";
import type { Backend, BackendKey, BuiltHost, EdgeModel, Host, MatchType, Route, RouteKey } from "./edge-model.ts";
import { expressionMatches } from "./expressions.ts";
import type { ExternalAuth } from "./external-auth.ts";
import { isAllowed, isListed, redirectLocation, rewrittenPath } from "./filters.ts";
import { asksForCredentials } from "./ingress/guard-filters.ts";
import { ANY_HOST, requestHost, wildcardOf } from "./hosts.ts";
import { chooseService, type Chosen, type RequestHeaders } from "./split.ts";
import { decodePath, normaliseRequestPath, otherReadings, strictPath } from "./paths.ts";

export interface Request {
  /** The Host header, as the client wrote it. */
  readonly host: string;
  /** Path and query, as the client wrote them. */
  readonly target: string;
}
export interface ClientRequest extends Request {
  readonly secure: boolean;
  /** The client's address; null: not said, and then lists of addresses are taken as passed. */
  readonly client: string | null;
  readonly headers?: RequestHeaders;
}

/** How a route was found: "default" is the default backend of the edge. */
export type MatchedBy = "exact" | "prefix" | "expression" | "fallback" | "default";

export type MatchOutcome =
  | { readonly kind: "route"; readonly route: Route; readonly by: MatchedBy }
  | { readonly kind: "refuse"; readonly status: 400 | 404 | 503; readonly reason: string };

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
  const named = first?.host ?? null;
  const aliasOf = named?.aliasOf ?? null;
  const table = aliasOf === null ? named : (hosts.get(aliasOf)?.host ?? null);
  if (named !== null && (table === null || table.aliasOf !== null)) {
    const outcome = {
      kind: "refuse",
      status: 503,
      reason: `${named.name} is an alias of a host that is not there`,
    } as const;
    return { host, path, table: named.name, outcome, candidates: [] };
  }
  if (named !== table && table !== null) built.unshift(...tablesFor(hosts, table.name).slice(0, 1));
  const outcome = decide(hosts, { table, exactly: named?.name === host }, { host, path, target: request.target });
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

/** How requests are sent on to https, whatever the host. */
export interface HttpsRedirects {
  readonly redirectCode: RedirectCode;
  /** Paths that begin so stay on http. */
  readonly noRedirectPaths: readonly string[];
}
export type RedirectCode = 301 | 302 | 307 | 308;

/** What the client gets: 200 stands for whatever the backend answers. */
export interface Decision {
  readonly match: Match;
  readonly status: 200 | 303 | RedirectCode | 400 | 403 | 404 | 503;
  readonly reason: string;
  /** Of a redirect: "https" for the same URL there, else the value of the header. */
  readonly location: string | null;
  /** The Service that the request is for, where there are several also why; null: it never comes so far. */
  readonly chosen: Chosen | null;
  /** The path that the backend is asked for, decoded, where a filter changes it; else null. */
  readonly rewritten: string | null;
  /** The default backend, where it answers in place of one without peers; else null. */
  readonly instead: BackendKey | null;
}

/** The whole decision: match, closed routes, guards, the redirect to https, other redirects, peers. */
export function decideRequest(
  model: EdgeModel,
  request: ClientRequest,
  { redirectCode, noRedirectPaths }: HttpsRedirects,
): Decision {
  const match = matchRequest(model.hosts, request);
  const answer = (status: Decision["status"], reason: string, location: string | null = null): Decision => ({
    match,
    status,
    reason,
    location,
    chosen: null,
    rewritten: null,
    instead: null,
  });
  const { outcome, host, path } = match;
  if (outcome.kind === "refuse") return answer(outcome.status, outcome.reason);
  const { route } = outcome;
  if (route.closed !== null) return answer(503, route.closed.reason);
  const certified = route.filters.some((filter) => filter.kind === "client_certificate");
  if (certified && !request.secure) return answer(redirectCode, "client certificates are shown over TLS", "https");
  const any = route.filters.some(({ kind }) => kind === "satisfy_any");
  const listed = any && isListed(route.filters, request.client);
  for (const filter of route.filters) {
    if (any || filter.kind !== "access" || request.client === null) continue;
    if (!isAllowed(filter, request.client)) return answer(403, `${request.client} is not let through by its lists`);
  }
  const redirect = route.filters.find((filter) => filter.kind === "redirect");
  const auth = route.filters.find((filter) => filter.kind === "external_auth");
  const sentOn = (): Decision | null =>
    redirect === undefined ? null : answer(redirect.code, "redirect", redirectLocation(redirect, request, match));
  // What asks for credentials comes before it, and https before that.
  const early = route.filters.some(asksForCredentials) ? null : sentOn();
  if (early !== null) return early;
  const staysOnHttp = noRedirectPaths.some((prefix) => path.startsWith(prefix));
  if (!request.secure && route.sslRedirect !== "never" && !staysOnHttp) {
    const serverName = serverNameOf(model.hosts, host);
    if (serverName !== null) return answer(redirectCode, `${serverName} has a certificate`, "https");
    if (route.sslRedirect === "always") return answer(redirectCode, "force-ssl-redirect", "https");
  }
  if (auth !== undefined) {
    const fault = listed ? null : authFault(model, auth, { host, secure: request.secure });
    if (fault !== null) return answer(503, fault);
  }
  const late = sentOn();
  if (late !== null) return late;
  const appRoot = route.filters.find((filter) => filter.kind === "app_root");
  if (appRoot !== undefined && path === "/") return answer(302, "app-root", appRoot.path);
  const chosen = chooseService(route, request.headers ?? {}, (key) => (backendOf(model, key)?.peers.length ?? 0) > 0);
  const backend = backendOf(model, chosen.backend);
  if (backend === undefined || backend.peers.length === 0) {
    const errors = route.filters.find((filter) => filter.kind === "errors");
    const instead = errors === undefined ? undefined : backendOf(model, errors.backend);
    if (instead !== undefined && instead.peers.length > 0) {
      return { ...answer(200, "no peers"), chosen, instead: instead.key };
    }
    const reason = backend === undefined ? "the route has no backend" : (backend.reason ?? "no peers");
    return { ...answer(503, reason), chosen };
  }
  return { ...answer(200, ""), chosen, rewritten: rewrittenPath(route.filters, path) };
}

function backendOf({ backends }: EdgeModel, key: BackendKey | null): Backend | undefined {
  const [namespace = "", service = ""] = (key ?? "").split("/");
  return backends.get(`${namespace}/${service}`)?.backends.find((candidate) => candidate.key === key);
}

/** Why the service cannot be asked, as far as that is known without asking it. */
function authFault(
  model: EdgeModel,
  auth: ExternalAuth,
  { host, secure }: { readonly host: string; readonly secure: boolean },
): string | null {
  const fault = auth.backend === null ? ownFault(model, auth, { host, secure }) : peersFault(model, auth.backend);
  return fault === null ? null : `${auth.host} cannot be asked whether the request may pass: ${fault}`;
}

function peersFault(model: EdgeModel, key: BackendKey): string | null {
  const backend = backendOf(model, key);
  return backend !== undefined && backend.peers.length > 0 ? null : (backend?.reason ?? "no backend");
}

// The host is one of those that are served here, and its own route must be open.
function ownFault(
  model: EdgeModel,
  { host: written, scheme, target }: ExternalAuth,
  of: { readonly host: string; readonly secure: boolean },
): string | null {
  const name = written.replace(/:\d+$/, "");
  if (name !== "$host" && (model.hosts.get(name)?.host ?? null) === null) return "its host is not served here";
  const [first = ""] = target;
  // What variables stand for is not known here.
  if (!first.startsWith("/") || (target.length > 1 && !first.includes("?"))) return null;
  const request = {
    host: name === "$host" ? of.host : name,
    target: first.replace(/\?.*$/, ""),
    secure: scheme === "$scheme" ? of.secure : scheme === "https",
    client: null,
  };
  const { outcome } = matchRequest(model.hosts, request);
  if (outcome.kind === "route" && outcome.route.filters.some(({ kind }) => GUARDS.has(kind))) {
    return "its own route is guarded";
  }
  const inner = decideRequest(model, request, { redirectCode: 308, noRedirectPaths: [] });
  // The word of a default backend is not the service's.
  if (inner.instead !== null) return "its own route has no peers";
  return inner.status === 200 ? null : `its own route answers ${inner.status}`;
}

const GUARDS: ReadonlySet<string> = new Set(["access", "basic_auth", "client_certificate", "external_auth", "limit"]);

/** The server name (exact, else wildcard) that a host's handshakes get, or null where only the default is left. */
export function serverNameOf(hosts: ReadonlyMap<string, BuiltHost>, host: string): string | null {
  const wildcard = wildcardOf(host);
  for (const name of wildcard === null ? [host] : [host, wildcard]) {
    if (name !== ANY_HOST && hosts.get(name)?.serverName) return name;
  }
  return null;
}

// The hosts with a table that cover a name, most exact first: only the first counts.
function tablesFor(hosts: ReadonlyMap<string, BuiltHost>, host: string): BuiltHost[] {
  const names = new Set([host, wildcardOf(host) ?? host, ANY_HOST]);
  return [...names].flatMap((name) => {
    const built = hosts.get(name);
    return built === undefined || built.host === null ? [] : [built];
  });
}

function decide(
  hosts: ReadonlyMap<string, BuiltHost>,
  { table, exactly }: { readonly table: Host | null; readonly exactly: boolean },
  { host, path, target }: { readonly host: string; readonly path: string; readonly target: string },
): MatchOutcome {
  if (!exactly && !isHostName(host)) return { kind: "refuse", status: 400, reason: "not a host name" };
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
  const expression = table.expressions.find((candidate) => expressionMatches(candidate, path));
  if (expression !== undefined) return { host: table.name, key: expression.route, by: "expression" };
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

// Every reading that a backend could have of the path must lead to the route of the path.
function strictFault(table: Host, path: string, target: string): string | null {
  const strict = strictPath(target);
  if (strict.kind === "bad") return strict.reason;
  const judged = decodePath(strict.path);
  if (judged !== path) return "two readings";
  const readings = otherReadings(judged);
  if (readings === null) return "an escape of an escape";
  const key = matchPath(table, judged)?.key;
  return readings.every((reading) => matchPath(table, reading)?.key === key) ? null : "a reading of another route";
}

function isHostName(host: string): boolean {
  return host.length <= 253 && /^([\w.~-]+|\[[0-9a-f:.]+\])$/i.test(host);
}

interface Judged {
  readonly table: Host | null;
  readonly path: string;
  readonly winner: { readonly route: Route; readonly by: MatchedBy } | null;
}

function whyLost(route: Route, own: Host, judged: Judged): string | null {
  const { table, path, winner } = judged;
  if (winner !== null && winner.route.key === route.key) return null;
  if (own.name !== table?.name && own.fallback !== route.key) return `host ${table?.name ?? ""} is more exact`;
  if (own.fallback === route.key) return winner === null ? "the request is refused" : "only when no path matches";
  if (route.matchType === "Expression") return whyExpressionLost(route, own, judged);
  if (route.matchType === "Exact" && route.path !== path) return `the path is not exactly ${route.path}`;
  const inside = route.path === "/" || path === route.path || path.startsWith(`${route.path}/`);
  if (!inside) return `the path is not under ${route.path}`;
  if (winner === null) return "the request is refused";
  return winner.by === "exact" ? "an exact path wins" : `${winner.route.path} is longer`;
}

function whyExpressionLost(route: Route, own: Host, { path, winner }: Judged): string {
  const expression = own.expressions.find((candidate) => candidate.route === route.key);
  if (expression === undefined || !expressionMatches(expression, path)) return "the path does not match";
  return winner === null ? "the request is refused" : `${winner.route.path} comes before it: longer ones do`;
}
