// What one Ingress claims, read from it alone: hosts, paths, certificates, guards, and which Services and Secrets it
// needs. The store indexes by it, buildHost decides between the claims of several Ingresses.

import {
  compareText,
  type Ingress,
  type IngressBackend,
  type IngressPath,
  type IngressTls,
} from "../../objects/objects.ts";
import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import type { MatchType, Problem } from "../edge-model.ts";
import { parseExpression } from "../expressions.ts";
import { ANY_HOST, hostKey, parseHost } from "../hosts.ts";
import { parseRulePath } from "../paths.ts";
import { problemOf } from "../problems.ts";
import { FIRST_PORT } from "../service-port.ts";
import { affinityRemarks } from "./affinity.ts";
import { type AnnotationRemark, type Guards, readGuards } from "./guards.ts";
import { type Policy, readPolicy } from "./policy.ts";
import { otherNames } from "./www.ts";

/**
 * A path of a host, and the backend it should go to. `field` is the path of the backend in the object.
 * `path` of an Expression is as written.
 */
export interface Claim {
  readonly host: string;
  readonly matchType: MatchType;
  readonly path: string;
  readonly backend: IngressBackend;
  readonly field: string;
}
/** A path of a canary: `slots` are the claims, as "<match type> <path>", whose route it may be an alternative for. */
export interface AlternativeClaim {
  readonly claim: Claim;
  /** The path of the path in the object. */
  readonly field: string;
  readonly slots: readonly string[];
}
/** An entry of `tls` that names hosts. `secret` is "<namespace>/<name>", null for the default certificate. */
export interface TlsClaim {
  readonly secret: string | null;
  readonly field: string;
  /** Valid ones, as named. */
  readonly hosts: readonly string[];
}
/** Which ports of a Service are used, and by which hosts. Sorted. */
export interface ServiceUse {
  readonly ports: readonly (number | string)[];
  readonly hosts: readonly string[];
}
export interface Claims {
  readonly ingress: Ingress;
  /** Keys of all hosts this Ingress has a say in, sorted, see `hostKey`. */
  readonly hosts: readonly string[];
  /** Hosts it routes, as opposed to those that are only in `tls`. */
  readonly routed: ReadonlySet<string>;
  readonly paths: ReadonlyMap<string, readonly Claim[]>;
  /** What a canary has instead of paths, see alternatives.ts. */
  readonly alternatives: ReadonlyMap<string, readonly AlternativeClaim[]>;
  /** spec.defaultBackend for hosts where no path matches. Where it is all there is, it is a path of "_" instead. */
  readonly fallback: { readonly backend: IngressBackend; readonly field: string } | null;
  readonly tls: ReadonlyMap<string, TlsClaim>;
  /** All entries of `tls` with a Secret: a host that no entry names gets the one that covers it. */
  readonly tlsSecrets: readonly TlsClaim[];
  readonly guards: Guards;
  readonly policy: Policy;
  /** Hosts of which this Ingress has a regular expression that cannot be read: what it covers is not known. */
  readonly unread: ReadonlySet<string>;
  /** Other names of its first host, see buildHost. */
  readonly aliases: ReadonlySet<string>;
  /** Hosts that it sends on to one that it routes, where nobody routes them (from-to-www-redirect). */
  readonly www: ReadonlyMap<string, string>;
  /** What is wrong with this Ingress by itself, by host key. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
  readonly services: ReadonlyMap<string, ServiceUse>;
  /** Secret → all hosts of this Ingress. */
  readonly secrets: ReadonlyMap<string, readonly string[]>;
  /** ConfigMap → all hosts of this Ingress. */
  readonly configMaps: ReadonlyMap<string, readonly string[]>;
}

// An Ingress of a thousand hosts is asked for its claims by each of them. Objects never change, so this remembers
// nothing that could be wrong.
const remembered = new WeakMap<Ingress, Claims>();

/** The claims of an Ingress. */
export function claimsOf(ingress: Ingress): Claims {
  const known = remembered.get(ingress);
  if (known !== undefined) return known;
  const claims = readClaims(ingress);
  remembered.set(ingress, claims);
  return claims;
}

/** "<namespace>/<service>" of a backend, or null where it is no Service. */
function serviceKeyOf(namespace: string, backend: IngressBackend): string | null {
  return backend.kind === "service" ? `${namespace}/${backend.service}` : null;
}

interface Draft {
  readonly ingress: Ingress;
  readonly hosts: Set<string>;
  readonly routed: Set<string>;
  readonly paths: Map<string, Claim[]>;
  readonly alternatives: Map<string, AlternativeClaim[]>;
  readonly problems: Map<string, Problem[]>;
  readonly unread: Set<string>;
  readonly policy: Policy;
}

/** An alternative has nothing of its own, in ingress-nginx too. */
const NOTHING = {
  routed: new Set(),
  paths: new Map(),
  aliases: new Set(),
  www: new Map(),
  fallback: null,
  tls: new Map(),
  tlsSecrets: [],
  secrets: new Map(),
  configMaps: new Map(),
} as const satisfies Partial<Claims>;

function readClaims(ingress: Ingress): Claims {
  const policy = readPolicy(ingress.meta.annotations, ingress.meta.namespace);
  const guards = withPolicy(readGuards(ingress.meta.annotations), policy);
  const draft: Draft = {
    ingress,
    hosts: new Set(),
    routed: new Set(),
    paths: new Map(),
    alternatives: new Map(),
    problems: new Map(),
    unread: new Set(),
    policy,
  };
  const { defaultBackend, rules } = ingress;
  rules.forEach((_rule, index) => readRule(draft, index));
  const alone = defaultBackend !== null && rules.length === 0;
  if (alone) {
    draft.hosts.add(ANY_HOST);
    draft.routed.add(ANY_HOST);
    const field = "spec.defaultBackend";
    const claim: Claim = { host: ANY_HOST, matchType: "Prefix", path: "/", backend: defaultBackend, field };
    if (policy.canary === null) add(draft.paths, ANY_HOST, claim);
    else add(draft.alternatives, ANY_HOST, { claim, field, slots: [slotOf(claim)] });
  }
  const { tls, tlsSecrets } = readTls(draft);
  const alternative = guards.alternative || policy.canary !== null;
  const named = alternative ? [] : policy.aliases;
  const aliases = new Set(named.filter((name) => name !== ANY_HOST && !draft.routed.has(name)));
  const www = alternative ? new Map<string, never>() : otherNames(policy, draft.routed);
  for (const name of [...aliases, ...www.keys()]) draft.hosts.add(name);
  const hosts = [...draft.hosts].sort();
  const fallback = defaultBackend === null || alone ? null : { backend: defaultBackend, field: "spec.defaultBackend" };
  sayAnnotations(draft, guards, hosts);
  const base = { ingress, hosts, guards, policy, unread: draft.unread, problems: draft.problems };
  if (alternative) return { ...base, ...NOTHING, alternatives: draft.alternatives, services: usesOf(draft, null) };
  const services = usesOf(draft, fallback?.backend ?? null);
  const realHosts = hosts.filter((host) => !host.startsWith("!"));
  const secrets = new Map(secretsOf(draft, tlsSecrets).map((key) => [key, realHosts]));
  const configMaps = new Map(configMapsOf(policy).map((name) => [name, realHosts]));
  const { routed, paths, alternatives } = draft;
  return {
    ...base,
    aliases,
    www,
    routed,
    paths,
    alternatives,
    fallback,
    tls,
    tlsSecrets,
    services,
    secrets,
    configMaps,
  };
}

function secretsOf({ ingress, policy }: Draft, tlsSecrets: readonly TlsClaim[]): readonly string[] {
  const { upstreamTls, clientCertificates, basicAuth } = policy;
  const authorities = upstreamTls?.verify === true ? upstreamTls.secret : null;
  return [
    ...tlsSecrets.flatMap(({ secret }) => secret ?? []),
    ...(authorities === null ? [] : [`${ingress.meta.namespace}/${authorities}`]),
    ...(clientCertificates === null || clientCertificates === "closed" ? [] : [clientCertificates.secret]),
    ...(basicAuth === null ? [] : [basicAuth.secret]),
  ];
}

function configMapsOf({ headers, externalAuth }: Policy): readonly string[] {
  return [headers.configMap, externalAuth?.headersFrom ?? null].filter((name) => name !== null);
}

/** Values that cannot be used close as well as annotations that are not served. */
function withPolicy(guards: Guards, policy: Policy): Guards {
  if (policy.closing.length === 0) return guards;
  const closing = [...guards.closing, ...policy.closing];
  const closesHost = guards.closesHost || policy.clientCertificates === "closed";
  return { ...guards, closesHost, closing: closing.sort((a, b) => compareText(a.key, b.key)) };
}

function readRule(draft: Draft, index: number): void {
  const rule = draft.ingress.rules[index];
  if (rule === undefined) return;
  const field = `spec.rules[${index}]`;
  const host = hostKey(rule.host);
  draft.hosts.add(host);
  const parsed = parseHost(rule.host);
  if (parsed.kind === "bad") {
    const message = `${parsed.message}: the rule is not served`;
    say(draft, host, "host-invalid", { field: `${field}.host`, message, fix: parsed.fix, hosts: [] });
    return;
  }
  draft.routed.add(host);
  rule.paths.forEach((entry, at) => {
    const pathField = `${field}.http.paths[${at}]`;
    if (draft.policy.canary !== null) return add(draft.alternatives, host, alternativeOf(host, entry, pathField));
    const path = readPath(draft.policy, entry);
    if (path.kind === "bad") {
      const message = `${path.message}: the path is not served`;
      say(draft, host, "path-invalid", { field: `${pathField}.path`, message, fix: path.fix, hosts: [host] });
      if (path.expression) draft.unread.add(host);
      return;
    }
    const { matchType } = path;
    const backendField = `${pathField}.backend`;
    add(draft.paths, host, { host, matchType, path: path.path, backend: entry.backend, field: backendField });
  });
}

/** What names a path of a host. */
export function slotOf({ matchType, path }: Pick<Claim, "matchType" | "path">): string {
  return `${matchType} ${path}`;
}

// Whether its path is an expression is for the Ingress to say that it belongs to.
function alternativeOf(
  host: string,
  { path: written, pathType, backend }: IngressPath,
  field: string,
): AlternativeClaim {
  const parsed = parseRulePath(written, pathType);
  const expression = written === "" ? "/" : written;
  const slots = [slotOf({ matchType: "Expression", path: expression })];
  if (parsed.kind === "path") slots.push(slotOf(parsed));
  return { claim: { host, matchType: "Prefix", path: written, backend, field: `${field}.backend` }, field, slots };
}

type ReadPath =
  | { readonly kind: "path"; readonly matchType: MatchType; readonly path: string }
  | { readonly kind: "bad"; readonly message: string; readonly fix: string; readonly expression: boolean };

/** With use-regex, or a rewrite-target that is not the path itself, every path of the Ingress is an expression. */
function readPath(policy: Policy, { path: written, pathType }: IngressPath): ReadPath {
  const path = written === "" && pathType === "ImplementationSpecific" ? "/" : written;
  const rewrites = policy.rewrite?.kind === "captures" && policy.rewrite.target !== path;
  if (!policy.useRegex && !rewrites) {
    const parsed = parseRulePath(path, pathType);
    return parsed.kind === "bad" ? { ...parsed, expression: false } : parsed;
  }
  const expression = parseExpression(path);
  return expression.kind === "bad"
    ? { ...expression, expression: true }
    : { kind: "path", matchType: "Expression", path };
}

function readTls(draft: Draft): Pick<Claims, "tls" | "tlsSecrets"> {
  const tls = new Map<string, TlsClaim>();
  const tlsSecrets: TlsClaim[] = [];
  draft.ingress.tls.forEach((entry, index) => {
    const claim = readTlsEntry(draft, entry, `spec.tls[${index}]`);
    if (claim.secret !== null) tlsSecrets.push(claim);
    for (const host of claim.hosts) {
      draft.hosts.add(host);
      if (!tls.has(host)) tls.set(host, claim);
    }
  });
  return { tls, tlsSecrets };
}

function readTlsEntry(draft: Draft, entry: IngressTls, field: string): TlsClaim {
  const hosts: string[] = [];
  entry.hosts.forEach((written, index) => {
    // An empty name is what templates write for "no host"; there is no handshake it could mean.
    if (written === "") return;
    const parsed = parseHost(written);
    if (parsed.kind === "host") {
      hosts.push(parsed.name);
      return;
    }
    const key = hostKey(written);
    draft.hosts.add(key);
    const message = `${parsed.message}: no certificate for it`;
    say(draft, key, "host-invalid", { field: `${field}.hosts[${index}]`, message, fix: parsed.fix, hosts: [] });
  });
  const secret = entry.secretName === null ? null : `${draft.ingress.meta.namespace}/${entry.secretName}`;
  return { secret, field, hosts };
}

const COOKIE_PATH_KEY = `${NGINX_PREFIX}/session-cookie-path`;

// Once for the whole Ingress, under its first host.
function sayAnnotations(draft: Draft, guards: Guards, hosts: readonly string[]): void {
  const [first] = hosts;
  if (first === undefined) return;
  const touched = [...draft.routed].sort();
  const isCanary = draft.policy.canary !== null;
  const tell = (code: Problem["code"], remarks: readonly AnnotationRemark[]): void => {
    for (const { key, message: text, fix } of remarks) {
      const message = isCanary ? text.replace(/its routes answer 503$/, "it gets no traffic") : text;
      say(draft, first, code, { field: `metadata.annotations["${key}"]`, message, fix, hosts: touched });
    }
  };
  tell("annotation-closes-route", guards.closing);
  tell("annotation-invalid", draft.policy.invalid);
  tell("annotation-invalid", affinityRemarks(draft.policy.affinity, [...draft.paths.values()].flat(), COOKIE_PATH_KEY));
  tell("alias-invalid", draft.policy.badAliases);
  tell("annotation-unsupported", [...guards.unsupported, ...draft.policy.unsupported]);
}

type Saying = Pick<Problem, "field" | "message" | "fix" | "hosts">;

function say(draft: Draft, host: string, code: Problem["code"], saying: Saying): void {
  const severity = code === "annotation-unsupported" ? "warning" : "error";
  add(draft.problems, host, problemOf(draft.ingress, { code, severity, ...saying }));
}

function usesOf(draft: Draft, fallback: IngressBackend | null): ReadonlyMap<string, ServiceUse> {
  const ports = new Map<string, Set<number | string>>();
  const hosts = new Map<string, Set<string>>();
  const useAt = (key: string, port: number | string, host: string): void => {
    const usedPorts = ports.get(key) ?? new Set();
    ports.set(key, usedPorts.add(port));
    hosts.set(key, (hosts.get(key) ?? new Set()).add(host));
  };
  const use = (backend: IngressBackend, host: string): void => {
    const key = serviceKeyOf(draft.ingress.meta.namespace, backend);
    if (key !== null && backend.kind === "service") useAt(key, backend.port, host);
  };
  const asked = draft.policy.externalAuth?.service ?? null;
  if (asked !== null) for (const host of draft.routed) useAt(asked.key, asked.port, host);
  for (const claims of draft.paths.values()) for (const claim of claims) use(claim.backend, claim.host);
  for (const all of draft.alternatives.values()) for (const { claim } of all) use(claim.backend, claim.host);
  if (fallback !== null) for (const host of draft.routed) use(fallback, host);
  const ofErrors = draft.policy.errors?.service ?? null;
  if (ofErrors !== null) {
    for (const host of draft.routed) use({ kind: "service", service: ofErrors, port: FIRST_PORT }, host);
  }
  const uses = new Map<string, ServiceUse>();
  for (const [key, usedPorts] of ports) {
    uses.set(key, { ports: sortPorts(usedPorts), hosts: [...(hosts.get(key) ?? [])].sort() });
  }
  return uses;
}

/** Ports in a fixed order: numbers first. */
export function sortPorts(ports: Iterable<number | string>): readonly (number | string)[] {
  return [...ports].sort((a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -1 : a > b ? 1 : 0;
  });
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
