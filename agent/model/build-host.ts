// Everything that Ingresses say about one host → its match table, routes, server name and problems.
// The oldest Ingress wins where two claim the same.

import { shortHash } from "../lib/hash.ts";
import { type Ingress, type ObjectRef, refOf, refText } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import { hostServerName } from "./build-server-name.ts";
import type { BackendKey, BuiltHost, Closed, Host, Problem, Route, RouteKey, Shadowed } from "./edge-model.ts";
import { ANY_HOST, isBadHostKey } from "./hosts.ts";
import { type Claim, type Claims, claimsOf, serviceKeyOf } from "./ingress/claims.ts";
import { closeRoutes, type Closings } from "./ingress/closings.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemAt, problemOf } from "./problems.ts";
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
    name,
    closings: closeRoutes(routing),
    routes: new Map(),
    exact: new Map(),
    prefixes: new Map(),
    owners: new Map(),
    problems,
    shadowed: [],
  };
  for (const claims of routing) for (const claim of claims.paths.get(name) ?? []) addClaim(draft, claims, claim);
  const fallback = addFallbacks(draft, routing) ?? (name === ANY_HOST ? addEdgeDefault(draft, settings) : null);
  const { serverName, problems: tlsProblems } = hostServerName(input, settings, name, all);
  problems.push(...tlsProblems);

  const routes = [...draft.routes.values()];
  // "_" is there even when nothing routes it: with it the data plane knows that there is no more, and says 404.
  const routed = routing.length > 0 || name === ANY_HOST;
  const host: Host | null = routed
    ? {
        name,
        exact: draft.exact,
        prefixes: draft.prefixes,
        fallback,
        // A route without backend is closed for want of one: there is no guard to get around.
        strictPaths: routes.some((route) => route.closed !== null && route.backend !== null),
      }
    : null;
  return { host, routes, serverName, problems, shadowed: draft.shadowed };
}

interface Draft {
  readonly input: ModelInput;
  readonly name: string;
  readonly closings: Closings;
  readonly routes: Map<RouteKey, Route>;
  readonly exact: Map<string, RouteKey>;
  readonly prefixes: Map<string, RouteKey>;
  /** Who has a path: "Exact /a" → its Ingress. */
  readonly owners: Map<string, Ingress>;
  readonly problems: Problem[];
  readonly shadowed: Shadowed[];
}

function addClaim(draft: Draft, claims: Claims, claim: Claim): void {
  const { ingress } = claims;
  const slot = `${claim.matchType} ${claim.path}`;
  const owner = draft.owners.get(slot);
  if (owner !== undefined) {
    draft.problems.push(
      conflict(draft.name, { field: claim.field, what: `path ${claim.path} (${claim.matchType})` }, ingress, owner),
    );
    const { path, matchType } = claim;
    draft.shadowed.push({ ingress: refOf(ingress), path, matchType, winner: refOf(owner) });
    return;
  }
  draft.owners.set(slot, ingress);
  const route = makeRoute(draft, claims, claim, slot);
  draft.routes.set(route.key, route);
  (claim.matchType === "Exact" ? draft.exact : draft.prefixes).set(claim.path, route.key);
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
      const owner = draft.owners.get("Prefix /");
      // A rule for "/" of the same Ingress comes before its default backend, and that is no conflict.
      if (owner !== ingress) addClaim(draft, claims, claim);
    } else if (winner === null) {
      const route = makeRoute(draft, claims, claim, "fallback");
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

function makeRoute(draft: Draft, claims: Claims, claim: Claim, slot: string): Route {
  const { ingress } = claims;
  const { namespace, name } = ingress.meta;
  const backend = resolveBackend(draft, ingress, claim);
  return {
    key: `${namespace}/${name}/${shortHash(`${draft.name}\n${slot}`)}`,
    ingress: refOf(ingress),
    host: draft.name,
    path: claim.path,
    matchType: claim.matchType,
    backend: backend.key,
    closed: backend.closed ?? draft.closings(ingress),
    sslRedirect: "certificate",
    profile: "http",
  };
}

function resolveBackend(
  draft: Draft,
  ingress: Ingress,
  { backend, field }: Claim,
): { readonly key: BackendKey | null; readonly closed: Closed | null } {
  const { input, problems } = draft;
  const say = (code: Problem["code"], at: string, message: string, fix: string): void => {
    problems.push(problemOf(ingress, { code, severity: "error", field: at, message, fix, hosts: [draft.name] }));
  };
  const serviceKey = serviceKeyOf(ingress.meta.namespace, backend);
  if (serviceKey === null || backend.kind === "resource") {
    const kind = printable(backend.kind === "resource" ? backend.resourceKind : "", 60);
    const message = `points to ${kind}, and only Services are served: its requests get 503`;
    say("backend-unsupported", `${field}.resource`, message, "use service: {name: …, port: …} instead");
    return { key: null, closed: { reason: `its backend is of kind ${kind}, not a Service` } };
  }
  const service = input.service(serviceKey);
  if (service === undefined) {
    const message = `there is no Service ${serviceKey}: its requests get 503`;
    say("service-missing", `${field}.service.name`, message, "create the Service, or correct the name");
  } else if (service.type !== "ExternalName" && findPort(service, backend.port) === undefined) {
    const has = service.ports.map(({ port, name }) => (name === "" ? `${port}` : `${port} (${printable(name, 63)})`));
    const message = `Service ${serviceKey} has no TCP port ${backend.port}: its requests get 503`;
    const fix =
      has.length === 0 ? "add the port to the Service" : `use one of its ports: ${has.slice(0, 10).join(", ")}`;
    say("service-port-missing", `${field}.service.port`, message, fix);
  }
  return { key: backendKey(serviceKey, service, backend.port), closed: null };
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
function addEdgeDefault(draft: Draft, settings: ModelSettings): RouteKey | null {
  const { defaultBackend } = settings;
  if (defaultBackend === null) return null;
  const [namespace = "", name = ""] = defaultBackend.service.split("/");
  const ref: ObjectRef = { kind: "Service", namespace, name };
  const service = draft.input.service(defaultBackend.service);
  if (
    service === undefined ||
    (service.type !== "ExternalName" && findPort(service, defaultBackend.port) === undefined)
  ) {
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
    sslRedirect: "certificate",
    profile: "http",
  };
  draft.routes.set(route.key, route);
  return route.key;
}
