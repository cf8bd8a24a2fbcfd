// Documents: what the data plane is told, as docs/dataplane-api.md and lua/schema/document.schema.json have it.

import { shortHash } from "../lib/hash.ts";
import type { Alternative } from "../model/alternative.ts";
import { type ExternalAuthValue, externalAuthValue } from "./external-auth-document.ts";
import type {
  Backend,
  Certificate,
  Filter,
  Host,
  Route,
  RouteBalance,
  ServerName,
  Users,
} from "../model/edge-model.ts";
import type { VerifiedProfile } from "./files.ts";
import type { ProxyTraffic, Traffic } from "./traffic.ts";
import { type VariantProfile, variantOf } from "./variants.ts";

/** The schema this agent speaks; the data plane says its own in GET /v1/state. */
export const SCHEMA = 1;

export type DocumentKind = "backend" | "certificate" | "users" | "route" | "host" | "server_name";

/** Values are plain JSON. Arrays of peers are flat, so that the picker walks no tables of tables. */
export interface BackendValue {
  readonly namespace: string;
  readonly service: string;
  readonly port: string;
  /** For how many seconds the share of a new peer grows; absent: as the configuration has it. */
  readonly slow_start_s?: number;
  readonly balancer: "round_robin";
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  readonly weights: readonly number[];
}
export interface RouteValue {
  /** For the access log and metrics. */
  readonly namespace: string;
  readonly ingress: string;
  readonly service: string;
  readonly path: string;
  readonly profile: string;
  readonly backends: readonly { readonly backend: string; readonly weight: number }[];
  /** "always": also where the host has no certificate of its own */
  readonly ssl_redirect: "always" | "certificate" | "never";
  /** In the order in which they are done: guards first. */
  readonly filters: readonly FilterValue[];
  /** Text of why the route answers 503 on purpose; "" where it serves. */
  readonly closed: string;
  readonly timeouts: { readonly connect_ms: number; readonly send_ms: number; readonly read_ms: number };
  /** tries: peers asked for one request at most; timeout_ms: no new try after that long, 0 for no limit. */
  readonly retry: { readonly tries: number; readonly timeout_ms: number };
}
type Cors = Extract<Filter, { kind: "cors" }>;
type Affinity = Extract<Filter, { kind: "affinity" }>;
type AffinityValue = Pick<Affinity, "kind" | "name" | "mode" | "salt" | "path" | "domain" | "secure" | "canaries"> & {
  readonly max_age_s: number;
  readonly expires_s: number;
  readonly same_site: Affinity["sameSite"];
  readonly same_site_conditional: boolean;
  readonly change_on_failure: boolean;
};
type Split = Extract<Filter, { kind: "split" }>;
type Transfer = Extract<Filter, { kind: "transfer" }>;
type Errors = Extract<Filter, { kind: "errors" }>;
type Limit = Extract<Filter, { kind: "limit" }>;
/** A Service beside the first; a request goes to the first of them that it asks for, else by lot. */
export interface SplitChoiceValue {
  readonly backend: string;
  /** Whose choice it is, for problems. */
  readonly ingress: string;
  /** For the access log and metrics. */
  readonly service: string;
  readonly profile: string;
  /** The profile in place of it, where the configuration has it; "" for none. */
  readonly variant: string;
  /** "" where the profile has no name in its handshake */
  readonly tls_name: string;
  readonly balance: { readonly kind: "balance" } & RouteBalance;
  /** "" for what is not asked for */
  readonly header: string;
  readonly value: string;
  readonly pattern: string;
  readonly cookie: string;
  readonly weight: number;
  readonly total: number;
}
/** What a route does, by document; docs/dataplane-api.md says how. */
export type FilterValue =
  | Exclude<
      Filter,
      { kind: "affinity" | "cors" | "errors" | "external_auth" | "split" | "transfer" | "limit" | "bandwidth" }
    >
  | ExternalAuthValue
  | Omit<Errors, "intercept">
  | AffinityValue
  | { readonly kind: "split"; readonly choices: readonly SplitChoiceValue[] }
  /** The longest body that says its length. */
  | { readonly kind: "body_limit"; readonly bytes: number }
  /** The profile in place of the route's own, where the configuration has it. */
  | { readonly kind: "variant"; readonly profile: string }
  | (Omit<Cors, "maxAgeS"> & { readonly max_age_s: number })
  | (Omit<Limit, "status" | "rates"> & {
      readonly rates: readonly { readonly requests: number; readonly period_s: number; readonly burst: number }[];
      readonly status: 429 | 503;
    })
  | { readonly kind: "bandwidth"; readonly bytes_per_s: number; readonly after_bytes: number }
  | { readonly kind: "balance"; readonly by: "ewma" | "least_conn" }
  | { readonly kind: "balance"; readonly by: "hash"; readonly key: readonly string[]; readonly bound: number }
  | { readonly kind: "upstream_tls_name"; readonly name: string };
/** `prefix`: lower case; `pattern`: a PCRE with its leading "^", or "" where the prefix is all there is to match */
export interface ExpressionValue {
  readonly prefix: string;
  readonly pattern: string;
  readonly route: string;
}
export interface HostValue {
  /** name of the host whose table decides, or "" for this one's */
  readonly alias: string;
  /** tried in this order before `exact` and `prefixes`; the first match wins */
  readonly expressions: readonly ExpressionValue[];
  /** path → route key */
  readonly exact: Readonly<Record<string, string>>;
  /** path without trailing slash ("/" for all) → route key; matched by whole segments, longest first */
  readonly prefixes: Readonly<Record<string, string>>;
  /** route key, or "" to use the fallback of the host "_", and 404 where that has none */
  readonly fallback: string;
  readonly strict_paths: boolean;
}
export interface ServerNameValue {
  /** key of a certificate document, or "" for the default certificate */
  readonly certificate: string;
  /** key of one of another key type; absent for none */
  readonly second?: string;
}
export interface CertificateValue {
  /** PEM, leaf first */
  readonly certificate: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly names: readonly string[];
  /** seconds since 1970 */
  readonly not_after: number;
}

export interface UsersValue {
  /** name → password hash */
  readonly users: Readonly<Record<string, string>>;
}

export type DocumentValue = BackendValue | UsersValue | RouteValue | HostValue | ServerNameValue | CertificateValue;

/** A document without its generation: the planner compares these by `text`. */
export interface RenderedDocument {
  readonly kind: DocumentKind;
  readonly key: string;
  /** JSON of the value, keys in a fixed order: equal values give equal text. */
  readonly text: string;
}

/** The listener set of Ingresses. Keys of hosts and server names are `<listener set>/<name>`. */
const INGRESS_LISTENERS = "ingress";

/** What holds for all routes, by the configuration. */
export interface RouteDefaults extends Pick<RouteValue, "timeouts" | "retry"> {
  readonly loadBalance: ProxyTraffic["loadBalance"];
  /** What a client gets beyond a limit by number. */
  readonly limitStatus: 429 | 503;
}

export function routeDefaults({ http, proxy }: Pick<Traffic, "http" | "proxy">): RouteDefaults {
  return {
    timeouts: {
      connect_ms: proxy.connectTimeoutMs,
      send_ms: proxy.sendTimeoutS * 1000,
      read_ms: proxy.readTimeoutS * 1000,
    },
    retry: { tries: proxy.retryTries, timeout_ms: proxy.retryTimeoutMs },
    loadBalance: proxy.loadBalance,
    limitStatus: http.limitStatus,
  };
}

/** Those of the table of settings. */
export const USUAL_ROUTE_DEFAULTS: RouteDefaults = {
  timeouts: { connect_ms: 5_000, send_ms: 60_000, read_ms: 60_000 },
  retry: { tries: 3, timeout_ms: 0 },
  loadBalance: "round_robin",
  limitStatus: 503,
};

export function renderBackend(backend: Backend): RenderedDocument {
  const value: BackendValue = {
    namespace: backend.namespace,
    service: backend.service,
    port: backend.port,
    balancer: "round_robin",
    addresses: backend.peers.map((peer) => peer.address),
    ports: backend.peers.map((peer) => peer.port),
    weights: backend.peers.map((peer) => peer.weight),
    ...(backend.slowStartS === undefined ? {} : { slow_start_s: backend.slowStartS }),
  };
  return rendered("backend", backend.key, value);
}

export function renderRoute(route: Route, defaults: RouteDefaults = USUAL_ROUTE_DEFAULTS): RenderedDocument {
  const value: RouteValue = {
    namespace: route.ingress.namespace,
    ingress: route.ingress.name,
    service: route.backend === null ? "" : (route.backend.split("/")[1] ?? ""),
    path: route.path,
    profile: profileOf(route).name,
    backends: route.backend === null ? [] : [{ backend: route.backend, weight: 1 }],
    ssl_redirect: route.sslRedirect,
    filters: filtersOf(route, defaults),
    closed: route.closed === null ? "" : route.closed.reason,
    ...timesOf(route, defaults),
  };
  return rendered("route", route.key, value);
}

function timesOf({ times }: Route, { timeouts, retry }: RouteDefaults): Pick<RouteValue, "timeouts" | "retry"> {
  return {
    timeouts: {
      connect_ms: times.connectMs ?? timeouts.connect_ms,
      send_ms: times.sendMs ?? timeouts.send_ms,
      read_ms: times.readMs ?? timeouts.read_ms,
    },
    retry: {
      tries: times.retryTries ?? retry.tries,
      timeout_ms: times.retryTimeoutMs ?? retry.timeout_ms,
    },
  };
}

/** Of a SHA-256, in hexadecimal: whoever made another text of that name would decide what others verify by. */
const DIGEST_LENGTH = 24;

/**
 * The profile of a route, and what the configuration must hold for it where it is not one of those that are always
 * there. Named by what is in it, so equal wishes are one profile and no text of a tenant is part of its name.
 */
export function profileOf({ protocol, upstreamTls }: Pick<Route, "protocol" | "upstreamTls">): {
  readonly name: string;
  readonly verified: VerifiedProfile | null;
} {
  // HTTP/2 in cleartext is what the gRPC module speaks.
  if (protocol === "h2c") return { name: "grpc", verified: null };
  if (upstreamTls === null || (protocol !== "https" && protocol !== "grpcs")) return { name: protocol, verified: null };
  const { verify } = upstreamTls;
  if (verify === null) return { name: `${protocol}-named`, verified: null };
  const { authorities, depth, digest } = verify;
  const name = `${protocol}-${digest === undefined ? shortHash(`${depth}\n${authorities}`) : `${digest.slice(0, DIGEST_LENGTH)}-n${depth}`}`;
  return { name, verified: { name, protocol, authorities, verifyDepth: depth } };
}

/** The variant of its profile that a route asks for; null: none. */
export function routeVariant(route: Pick<Route, "filters" | "protocol" | "upstreamTls">): VariantProfile | null {
  const { filters, protocol } = route;
  if (filters.length === 0) return null;
  const transfer = filters.find((filter) => filter.kind === "transfer") ?? null;
  const errors = filters.find((filter) => filter.kind === "errors");
  const intercept = errors?.intercept === true && errors.codes.length > 0 ? errors.codes : null;
  if (transfer === null && intercept === null) return null;
  return variantOf(profileOf(route).name, protocol !== "http" && protocol !== "https", { transfer, intercept });
}

function filtersOf(route: Route, defaults: RouteDefaults): readonly FilterValue[] {
  const { loadBalance } = defaults;
  const { filters, upstreamTls, balance } = route;
  const written = filters.flatMap((filter): readonly FilterValue[] => {
    if (filter.kind === "transfer") return [];
    if (filter.kind !== "split") return [filterValue(filter, defaults)];
    return [{ kind: "split", choices: filter.alternatives.map((one) => choiceValue(route, one, loadBalance)) }];
  });
  written.push(...transferFilters(route));
  const way: RouteBalance = balance ?? { by: loadBalance };
  if (way.by !== "round_robin") written.push({ kind: "balance", ...way });
  if (upstreamTls !== null) written.push({ kind: "upstream_tls_name", name: upstreamTls.name });
  return written;
}

function transferFilters(route: Route): readonly FilterValue[] {
  const variant = routeVariant(route);
  const transfer = route.filters.find((filter) => filter.kind === "transfer");
  const bytes = transfer?.bodyBytesMax ?? 0;
  return [
    ...(bytes === 0 ? [] : [{ kind: "body_limit", bytes } as const]),
    ...(variant === null ? [] : [{ kind: "variant", profile: variant.name } as const]),
  ];
}

function filterValue(filter: Exclude<Filter, Split | Transfer>, { limitStatus }: RouteDefaults): FilterValue {
  if (filter.kind === "errors") {
    const { intercept: _, ...told } = filter;
    return told;
  }
  if (filter.kind === "affinity") return affinityValue(filter);
  if (filter.kind === "external_auth") return externalAuthValue(filter);
  if (filter.kind === "cors") {
    const { maxAgeS, ...same } = filter;
    return { ...same, max_age_s: maxAgeS };
  }
  if (filter.kind === "limit") {
    const rates = filter.rates.map(({ requests, periodS, burst }) => ({ requests, period_s: periodS, burst }));
    return { ...filter, rates, status: filter.status ?? limitStatus };
  }
  if (filter.kind === "bandwidth") {
    return { kind: "bandwidth", bytes_per_s: filter.bytesPerS, after_bytes: filter.afterBytes };
  }
  return filter;
}

function affinityValue(filter: Affinity): AffinityValue {
  const { maxAgeS, expiresS, sameSite, sameSiteConditional, changeOnFailure, ...same } = filter;
  return {
    ...same,
    max_age_s: maxAgeS,
    expires_s: expiresS,
    same_site: sameSite,
    same_site_conditional: sameSiteConditional,
    change_on_failure: changeOnFailure,
  };
}

function choiceValue(
  { filters }: Route,
  alternative: Alternative,
  loadBalance: RouteDefaults["loadBalance"],
): SplitChoiceValue {
  const { ingress, backend, upstreamTls, balance, rule } = alternative;
  return {
    backend,
    ingress: ingress.name,
    service: backend.split("/")[1] ?? "",
    profile: profileOf(alternative).name,
    variant: routeVariant({ ...alternative, filters })?.name ?? "",
    tls_name: upstreamTls?.name ?? "",
    balance: { kind: "balance", ...(balance ?? { by: loadBalance }) },
    header: rule.header ?? "",
    value: rule.value,
    pattern: rule.pattern,
    cookie: rule.cookie ?? "",
    weight: rule.weight,
    total: rule.total,
  };
}

export function renderHost(host: Host): RenderedDocument {
  const value: HostValue = {
    alias: host.aliasOf ?? "",
    expressions: host.expressions,
    exact: Object.fromEntries(host.exact),
    prefixes: Object.fromEntries(host.prefixes),
    fallback: host.fallback ?? "",
    strict_paths: host.strictPaths,
  };
  return rendered("host", `${INGRESS_LISTENERS}/${host.name}`, value);
}

export function renderServerName({ name, certificate, second }: ServerName): RenderedDocument {
  const value: ServerNameValue = { certificate: certificate ?? "", ...(second !== undefined && { second }) };
  return rendered("server_name", `${INGRESS_LISTENERS}/${name}`, value);
}

export function renderCertificate(certificate: Certificate): RenderedDocument {
  const value: CertificateValue = {
    certificate: certificate.certificate,
    key: certificate.privateKey,
    fingerprint: certificate.fingerprint,
    names: certificate.names,
    not_after: Math.floor(certificate.notAfter / 1000),
  };
  return rendered("certificate", certificate.key, value);
}

export function renderUsers({ key, users }: Users): RenderedDocument {
  return rendered("users", key, { users: Object.fromEntries(users) });
}

function rendered(kind: DocumentKind, key: string, value: DocumentValue): RenderedDocument {
  return { kind, key, text: JSON.stringify(value) };
}
