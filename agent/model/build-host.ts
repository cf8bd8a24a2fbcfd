// Everything that Ingresses say about one host → its match table, routes, server name and problems.
// The oldest Ingress wins where two claim the same.

import { shortHash } from "../lib/hash.ts";
import { type Ingress, type ObjectRef, refOf, refText } from "../objects/objects.ts";
import { hostServerName } from "./build-server-name.ts";
import { type HostCertificates, hostCertificates } from "./client-policy.ts";
import type { BuiltHost, Filter, Host, MatchType, Problem, Route, RouteKey, Shadowed } from "./edge-model.ts";
import { inOrder } from "./expression-order.ts";
import { literalExpression, type ParsedExpression, parseExpression } from "./expressions.ts";
import { ANY_HOST, isBadHostKey } from "./hosts.ts";
import { balanceOfService } from "./ingress/balance.ts";
import {
  type Alternatives,
  alternativesFor,
  gatherAlternatives,
  shareRoute,
  tellUnused,
} from "./ingress/alternatives.ts";
import { affinityFilters } from "./ingress/affinity.ts";
import { type Claim, type Claims, claimsOf } from "./ingress/claims.ts";
import { closeRoutes, type Closings } from "./ingress/closings.ts";
import { classSettingsOf } from "./ingress/class-settings.ts";
import { errorsService, resolveErrors } from "./ingress/route-errors.ts";
import { resolveHeaders } from "./ingress/route-headers.ts";
import { resolveUsers } from "./ingress/basic-auth.ts";
import { guardFilters, keepsOut, withDefaultAccess, withGuard } from "./ingress/guard-filters.ts";
import { bandwidthProblem } from "./ingress/limit.ts";
import type { Policy } from "./ingress/policy.ts";
import { satisfyFilters } from "./ingress/satisfy.ts";
import { NO_TIMES } from "./ingress/times.ts";
import { addWww } from "./ingress/www.ts";
import { authFilters } from "./ingress/external-auth.ts";
import { needsHeaders, withAuthHeaders } from "./ingress/auth-headers.ts";
import { sayAuthService } from "./ingress/auth-service.ts";
import { rewriteFilters } from "./ingress/rewrite-filters.ts";
import { protocolOf, resolveBackend, resolveTls } from "./ingress/route-backend.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemAt, problemOf } from "./problems.ts";
import { type MadeRoute, recallRoute, rememberRoute, type WrittenExpression } from "./route-memory.ts";
import { backendKey, findPort } from "./service-port.ts";

/**
 * Builds one host: `name` is a host name, "*.example.org", "_", or the key of a host that is none (only problems).
 * `host` is null where no Ingress routes it; then a wildcard or "_" takes its requests.
 */
export function buildHost(input: ModelInput, settings: ModelSettings, name: string): BuiltHost {
  const all = input.ingressesOfHost(name).map(claimsOf);
  const problems: Problem[] = all.flatMap((claims) => claims.problems.get(name) ?? []);
  if (isBadHostKey(name)) return { host: null, routes: [], serverName: null, problems, shadowed: [] };

  const routing = all.filter((claims) => claims.routed.has(name));
  const draft: Draft = {
    input,
    settings,
    name,
    // As in ingress-nginx: one regular expression on a host makes expressions of all its paths.
    regex: routing.some((claims) => claims.paths.get(name)?.some(({ matchType }) => matchType === "Expression")),
    closings: closeRoutes(name, routing),
    certificates: hostCertificates(input, name, routing, problems),
    alternatives: gatherAlternatives(name, all),
    routes: new Map(),
    exact: new Map(),
    prefixes: new Map(),
    expressions: [],
    owners: { Exact: new Map(), Prefix: new Map(), Expression: new Map() },
    problems,
    shadowed: [],
  };
  for (const claims of routing) for (const claim of claims.paths.get(name) ?? []) addClaim(draft, claims, claim);
  for (const claims of routing) sayAuthService(draft, claims);
  problems.push(...routing.flatMap((claims) => bandwidthProblem(draft, claims, settings) ?? []));
  const fallback = addFallbacks(draft, routing) ?? (name === ANY_HOST ? addEdgeDefault(draft) : null);
  tellUnused(draft);
  const { serverName, problems: tlsProblems } = hostServerName(input, settings, name, all);
  problems.push(...tlsProblems);
  const aliasOf = chooseAlias(draft, all, routing);
  if (routing.length === 0 && aliasOf === null) addWww(draft, all);

  const routes = [...draft.routes.values()];
  // "_" is there even when nothing routes it: with it the data plane knows that there is no more, and says 404.
  const routed = routing.length > 0 || aliasOf !== null || draft.prefixes.size > 0 || name === ANY_HOST;
  const host: Host | null = routed
    ? {
        name,
        aliasOf,
        exact: draft.exact,
        prefixes: draft.prefixes,
        expressions: inOrder(draft.expressions),
        fallback,
        strictPaths: routes.some(isGuarded),
      }
    : null;
  const { policy } = draft.certificates;
  return {
    host,
    routes,
    serverName,
    ...(policy !== null && { clientPolicy: policy }),
    problems,
    shadowed: draft.shadowed,
  };
}

/** A route without backend is closed for want of one: there is no guard to get around. */
function isGuarded({ backend, closed, filters }: Route): boolean {
  return (closed !== null && backend !== null) || filters.some(keepsOut);
}

interface Draft {
  readonly input: ModelInput;
  readonly settings: ModelSettings;
  readonly name: string;
  readonly regex: boolean;
  readonly closings: Closings;
  readonly certificates: HostCertificates;
  readonly alternatives: Alternatives;
  readonly routes: Map<RouteKey, Route>;
  readonly exact: Map<string, RouteKey>;
  readonly prefixes: Map<string, RouteKey>;
  readonly expressions: WrittenExpression[];
  /** Who has a path. */
  readonly owners: Readonly<Record<MatchType, Map<string, Ingress>>>;
  readonly problems: Problem[];
  readonly shadowed: Shadowed[];
}

function addClaim(draft: Draft, claims: Claims, claim: Claim): void {
  const { ingress } = claims;
  const { path, field } = claim;
  const matchType = draft.regex ? "Expression" : claim.matchType;
  const owners = draft.owners[matchType];
  const owner = owners.get(path);
  if (owner !== undefined) {
    draft.problems.push(conflict(draft.name, { field, what: `path ${path} (${matchType})` }, ingress, owner));
    draft.shadowed.push({ ingress: refOf(ingress), path, matchType, winner: refOf(owner) });
    return;
  }
  owners.set(path, ingress);
  const { route, expression } = routeOf(draft, claims, claim);
  draft.routes.set(route.key, route);
  if (expression !== null) draft.expressions.push(expression);
  else (matchType === "Exact" ? draft.exact : draft.prefixes).set(path, route.key);
}

/** The route of a claim: the same object as before where everything that it comes from is the same. */
function routeOf(draft: Draft, claims: Claims, written: Claim): MadeRoute {
  const { input, settings, regex, problems } = draft;
  const { ingress, policy } = claims;
  const { backend } = written;
  const ofClass = classSettingsOf(input, ingress);
  const service =
    backend.kind === "service" ? input.service(`${ingress.meta.namespace}/${backend.service}`) : undefined;
  const named = policy.headers.configMap;
  const configMap = named === null ? undefined : input.configMap(named);
  const origin = {
    settings,
    service,
    errorsService: errorsService(input, settings, claims),
    configMap,
    classPolicy: ofClass.policy,
    regex,
  };
  const { certificates } = draft;
  const free = certificates.policy === null && certificates.closedOf(ingress) === null && !needsSecret(policy);
  const waiting = alternativesFor(draft.alternatives, written);
  const open =
    ofClass.closed === null &&
    draft.closings(ingress) === null &&
    free &&
    waiting.length === 0 &&
    !needsHeaders(policy);
  const known = open ? recallRoute(written, origin) : undefined;
  if (known !== undefined) return known;
  const problemsBefore = problems.length;
  const claim: Claim = regex ? { ...written, matchType: "Expression" } : written;
  const parsed = expressionOf(draft, written);
  const slot = `${claim.matchType} ${claim.path}`;
  const own = makeRoute(draft, claims, claim, {
    slot,
    filters: [
      ...filtersOf(claims, settings, written, parsed),
      ...affinityFilters(policy.affinity, ingress.meta, written),
    ],
  });
  const route = waiting.length === 0 ? own : shareRoute(draft, claims, own, waiting);
  const expression =
    parsed === null ? null : { prefix: parsed.prefix, pattern: parsed.pattern, route: route.key, written: claim.path };
  const made = { route, expression };
  if (open && route.closed === null && problems.length === problemsBefore) rememberRoute(written, origin, made);
  return made;
}

// What depends on a Secret is made anew each time.
function needsSecret({ upstreamTls, basicAuth }: Policy): boolean {
  return upstreamTls !== null || basicAuth !== null;
}

function expressionOf(draft: Draft, claim: Claim): ParsedExpression | null {
  if (!draft.regex) return null;
  const parsed = claim.matchType === "Expression" ? parseExpression(claim.path) : null;
  return parsed?.kind === "expression" ? parsed : literalExpression(claim.path);
}

/** Guards first, then what ends here, then what changes the path. */
function filtersOf(
  claims: Claims,
  settings: ModelSettings,
  claim: Claim | null,
  expression: ParsedExpression | null,
): readonly Filter[] {
  const { policy } = claims;
  const filters: Filter[] = [...guardFilters(claims)];
  filters.push(...authFilters(policy.externalAuth, claim, settings));
  filters.push(...satisfyFilters(policy.satisfyAny, filters));
  if (policy.redirect !== null) filters.push(policy.redirect);
  if (policy.cors !== null) filters.push(policy.cors);
  if (policy.transfer !== null) filters.push(policy.transfer);
  filters.push(...policy.links);
  if (claim === null) return filters;
  if (policy.appRoot !== null) filters.push({ kind: "app_root", path: policy.appRoot });
  filters.push(...rewriteFilters(policy.rewrite, claim, expression));
  return filters;
}

// The default backend of the oldest Ingress of the host that has one. On "_" it stands as a path: as the fallback of
// "_" it would get what other tenants' hosts do not match.
function addFallbacks(draft: Draft, routing: readonly Claims[]): RouteKey | null {
  let winner: { ingress: Ingress; key: RouteKey } | null = null;
  for (const claims of routing) {
    const { fallback, ingress } = claims;
    if (fallback === null) continue;
    const claim: Claim = { host: draft.name, matchType: "Prefix", path: "/", ...fallback };
    if (draft.name === ANY_HOST) {
      const owner = draft.owners[draft.regex ? "Expression" : "Prefix"].get("/");
      // A rule for "/" of the same Ingress comes before its default backend, and that is no conflict.
      if (owner !== ingress) addClaim(draft, claims, claim);
    } else if (winner === null) {
      const route = makeRoute(draft, claims, claim, {
        slot: "fallback",
        filters: [
          ...filtersOf(claims, draft.settings, null, null),
          ...affinityFilters(claims.policy.affinity, ingress.meta, claim),
        ],
      });
      draft.routes.set(route.key, route);
      winner = { ingress, key: route.key };
    } else {
      draft.problems.push(
        conflict(draft.name, { field: fallback.field, what: "default backend" }, ingress, winner.ingress),
      );
    }
  }
  return winner?.key ?? null;
}

interface RouteParts {
  readonly slot: string;
  readonly filters: readonly Filter[];
}

function makeRoute(draft: Draft, claims: Claims, claim: Claim, { slot, filters }: RouteParts): Route {
  const { ingress, policy } = claims;
  const { namespace, name } = ingress.meta;
  const backend = resolveBackend(draft, ingress, claim);
  const protocol = policy.protocol ?? backend.protocol;
  const ofClass = classSettingsOf(draft.input, ingress);
  const tls = resolveTls(draft, claims, backend.key, protocol);
  const auth = withAuthHeaders(draft, claims, filters);
  const users = resolveUsers(draft, claims);
  return {
    key: `${namespace}/${name}/${shortHash(`${draft.name}\n${slot}`)}`,
    ingress: refOf(ingress),
    host: draft.name,
    path: claim.path,
    matchType: claim.matchType,
    backend: backend.key,
    closed:
      backend.closed ??
      draft.closings(ingress) ??
      draft.certificates.closedOf(ingress) ??
      ofClass.closed ??
      tls.closed ??
      auth.closed ??
      users,
    sslRedirect: sslRedirect(draft.settings, policy, ofClass.policy),
    filters: [
      ...withGuard(draft.certificates.guardOf(claims), withDefaultAccess(auth.filters, ofClass.policy)),
      ...resolveHeaders(draft, claims, filters),
      ...resolveErrors(draft, claims, backend.key),
    ],
    protocol,
    upstreamTls: tls.upstreamTls,
    times: policy.times,
    balance: policy.balance ?? backend.balance,
  };
}

/** The Ingress's own word, else that of its class, else that of the configuration. */
function sslRedirect(settings: ModelSettings, ...policies: readonly (Policy | null)[]): Route["sslRedirect"] {
  const said = (name: "forceSslRedirect" | "sslRedirect"): boolean | null =>
    policies.map((policy) => policy?.[name] ?? null).find((value) => value !== null) ?? null;
  if (said("forceSslRedirect") ?? settings.forceSslRedirect) return "always";
  return (said("sslRedirect") ?? settings.sslRedirect) ? "certificate" : "never";
}

// server-alias: this name is decided by the table of another host. A rule or an older alias for the name wins.
function chooseAlias(draft: Draft, all: readonly Claims[], routing: readonly Claims[]): string | null {
  const { name, problems } = draft;
  let winner: { readonly ingress: Ingress; readonly target: string } | null = null;
  for (const claims of all) {
    if (!claims.aliases.has(name)) continue;
    const { ingress } = claims;
    const [target] = [...claims.routed].filter((host) => host !== ANY_HOST && !host.startsWith("*.")).sort();
    const owner = routing[0]?.ingress ?? winner?.ingress;
    if (owner === undefined && target !== undefined) {
      winner = { ingress, target };
      continue;
    }
    const taken = owner === undefined ? "has no host to be another name of" : `is served by ${refText(refOf(owner))}`;
    problems.push(
      problemOf(ingress, {
        code: "alias-conflict",
        severity: "error",
        field: "metadata.annotations[server-alias]",
        message: `the alias ${name} ${taken}: it is not an alias of this Ingress`,
        fix: owner === undefined ? "give the Ingress a rule with a host name" : "remove the alias, or the other rule",
        hosts: [name],
      }),
    );
  }
  return winner?.target ?? null;
}

function conflict(host: string, claim: { field: string; what: string }, loser: Ingress, winner: Ingress): Problem {
  const ref = refOf(winner);
  const who = winner === loser ? "an entry before this one" : `the older ${refText(ref)}`;
  return problemOf(loser, {
    code: "path-conflict",
    severity: "error",
    field: claim.field,
    message: `${claim.what} of host ${host} is already served by ${who}: this one gets no requests`,
    fix: "remove one of the two, or change its path",
    hosts: [host],
  });
}

// settings.defaultBackend: it takes what nothing else takes, on every host.
function addEdgeDefault(draft: Draft): RouteKey | null {
  const { settings } = draft;
  const { defaultBackend } = settings;
  if (defaultBackend === null) return null;
  const [namespace = "", name = ""] = defaultBackend.service.split("/");
  const ref: ObjectRef = { kind: "Service", namespace, name };
  const service = draft.input.service(defaultBackend.service);
  if (service === undefined || findPort(service, defaultBackend.port) === undefined) {
    const missing = service === undefined;
    draft.problems.push(
      problemAt(ref, "", {
        code: missing ? "service-missing" : "service-port-missing",
        severity: "error",
        field: "ingress.defaultBackend",
        message: `${missing ? "does not exist" : `has no TCP port ${defaultBackend.port}`}: unmatched requests get 503`,
        fix: "correct ingress.defaultBackend in the configuration, or create the Service",
        hosts: [draft.name],
      }),
    );
  }
  const route: Route = {
    key: `${defaultBackend.service}/${shortHash("edge default")}`,
    ingress: ref,
    host: draft.name,
    path: "/",
    matchType: "Prefix",
    backend: backendKey(defaultBackend.service, service, defaultBackend.port),
    closed: null,
    sslRedirect: sslRedirect(settings),
    filters: [],
    upstreamTls: null,
    times: NO_TIMES,
    balance: balanceOfService(service),
    protocol: protocolOf(
      (service === undefined ? undefined : findPort(service, defaultBackend.port))?.appProtocol ?? null,
    ),
  };
  draft.routes.set(route.key, route);
  return route.key;
}
