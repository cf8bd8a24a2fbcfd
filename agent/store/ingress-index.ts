// Which Ingresses name which host, Service and Secret. What a change of one object dirties is read from here.
// Every operation costs as much as the Ingress is large.

import type { DirtyKey, UsersLayout } from "../model/edge-model.ts";
import { type Claims, claimsOf, sortPorts } from "../model/ingress/claims.ts";
import { urlServiceKey } from "../model/url-backends.ts";
import type { Ingress } from "../objects/objects.ts";
import { compareAge } from "../objects/objects.ts";
import { NamesIndex } from "./names-index.ts";

type Users = Map<string, Map<string, Claims>>;
type Dirty = (key: DirtyKey) => void;

export class IngressIndex {
  readonly #byHost: Users = new Map();
  readonly #byService: Users = new Map();
  readonly #bySecret: Users = new Map();
  readonly #byConfigMap: Users = new Map();
  /** Name of a Service in use → namespaces in which it is. */
  readonly #namespaces = new NamesIndex();
  readonly #dirty: Dirty;
  readonly #onNamed: (kind: "Secret" | "ConfigMap") => void;

  /** `onNamed` is told when the set of named Secrets or ConfigMaps changed. */
  constructor(dirty: Dirty, onNamed: (kind: "Secret" | "ConfigMap") => void) {
    this.#dirty = dirty;
    this.#onNamed = onNamed;
  }

  /** Takes the place of what this Ingress ("<namespace>/<name>") claimed before; null: nothing any more. */
  set(key: string, before: Ingress | null, after: Ingress | null): void {
    const old = before === null ? null : claimsOf(before);
    const now = after === null ? null : claimsOf(after);
    const secrets = union(old?.secrets.keys(), now?.secrets.keys());
    const namedBefore = [...secrets].filter((secret) => this.#bySecret.has(secret));
    if (old !== null) {
      for (const host of old.hosts) remove(this.#byHost, host, key);
      for (const service of old.services.keys()) {
        remove(this.#byService, service, key);
        this.#nameService(service);
      }
      for (const secret of old.secrets.keys()) remove(this.#bySecret, secret, key);
    }
    if (now !== null) {
      for (const host of now.hosts) add(this.#byHost, host, key, now);
      for (const service of now.services.keys()) {
        add(this.#byService, service, key, now);
        this.#nameService(service);
      }
      for (const secret of now.secrets.keys()) add(this.#bySecret, secret, key, now);
    }
    this.#dirtyDifference(old, now);
    const namedAfter = [...secrets].filter((secret) => this.#bySecret.has(secret));
    if (!isSameList(namedBefore, namedAfter)) this.#onNamed("Secret");
    this.#nameConfigMaps(key, old, now);
  }

  #nameConfigMaps(key: string, old: Claims | null, now: Claims | null): void {
    const before = this.#byConfigMap.size;
    for (const configMap of old?.configMaps.keys() ?? []) remove(this.#byConfigMap, configMap, key);
    const between = this.#byConfigMap.size;
    if (now !== null) for (const configMap of now.configMaps.keys()) add(this.#byConfigMap, configMap, key, now);
    if (before !== between || between !== this.#byConfigMap.size) this.#onNamed("ConfigMap");
  }

  /** Oldest first. */
  ingressesOfHost(host: string): readonly Ingress[] {
    const users = this.#byHost.get(host);
    if (users === undefined) return [];
    return [...users.values()].map((claims) => claims.ingress).sort((a, b) => compareAge(a.meta, b.meta));
  }

  portsOfService(service: string): readonly (number | string)[] {
    const ports = new Set<number | string>();
    for (const claims of this.#byService.get(service)?.values() ?? []) {
      for (const port of claims.services.get(service)?.ports ?? []) ports.add(port);
    }
    return sortPorts(ports);
  }

  hostsOfService(service: string): ReadonlySet<string> {
    const hosts = new Set<string>();
    for (const claims of this.#byService.get(service)?.values() ?? []) {
      for (const host of claims.services.get(service)?.hosts ?? []) hosts.add(host);
    }
    return hosts;
  }

  /** Hosts with errors that the edge's default backend answers. Looked for each time: that Service changes rarely. */
  hostsOfDefaultErrors(): readonly string[] {
    return [...this.#byHost].flatMap(([host, users]) =>
      [...users.values()].some(({ policy }) => policy.errors?.service === null) ? [host] : [],
    );
  }

  hostsOfSecret(secret: string): ReadonlySet<string> {
    const hosts = new Set<string>();
    for (const claims of this.#bySecret.get(secret)?.values() ?? []) {
      for (const host of claims.secrets.get(secret) ?? []) hosts.add(host);
    }
    return hosts;
  }

  /** Hosts whose routes have headers of the ConfigMap. */
  hostsOfConfigMap(configMap: string): ReadonlySet<string> {
    const hosts = new Set<string>();
    for (const claims of this.#byConfigMap.get(configMap)?.values() ?? []) {
      for (const host of claims.configMaps.get(configMap) ?? []) hosts.add(host);
    }
    return hosts;
  }

  usersLayouts(secret: string): ReadonlySet<UsersLayout> {
    const layouts = new Set<UsersLayout>();
    for (const { policy } of this.#bySecret.get(secret)?.values() ?? []) {
      if (policy.basicAuth?.secret === secret) layouts.add(policy.basicAuth.layout);
    }
    return layouts;
  }

  /** Services in use of any namespace that have this name: "<namespace>/<name>". */
  servicesNamed(name: string): readonly string[] {
    return this.#namespaces.of(name).map((namespace) => `${namespace}/${name}`);
  }

  usesService(service: string): boolean {
    return this.#byService.has(service);
  }
  usesSecret(secret: string): boolean {
    return this.#bySecret.has(secret);
  }
  hosts(): Iterable<string> {
    return this.#byHost.keys();
  }
  services(): Iterable<string> {
    return this.#byService.keys();
  }
  configMaps(): Iterable<string> {
    return this.#byConfigMap.keys();
  }
  secrets(): Iterable<string> {
    return this.#bySecret.keys();
  }

  #nameService(service: string): void {
    const [namespace = "", name = ""] = service.split("/");
    this.#namespaces.set(name, namespace, this.#byService.has(service));
  }

  #dirtyDifference(old: Claims | null, now: Claims | null): void {
    for (const host of union(old?.hosts, now?.hosts)) {
      this.#dirty(`host:${host}`);
      // A name that is served here is not looked up.
      const asked = urlServiceKey(host);
      if (this.#byService.has(asked)) this.#dirty(`backend:${asked}`);
    }
    // A Service's backends depend on the ports that are used, its problems on the hosts.
    for (const service of union(old?.services.keys(), now?.services.keys())) {
      const before = old?.services.get(service);
      const after = now?.services.get(service);
      const same = isSameList(before?.ports, after?.ports) && isSameList(before?.hosts, after?.hosts);
      if (!same) this.#dirty(`backend:${service}`);
    }
    for (const secret of union(old?.secrets.keys(), now?.secrets.keys())) {
      const same =
        isSameList(old?.secrets.get(secret), now?.secrets.get(secret)) &&
        layoutOf(old, secret) === layoutOf(now, secret);
      if (!same) this.#dirty(`certificate:${secret}`);
    }
  }
}

function layoutOf(claims: Claims | null, secret: string): UsersLayout | null {
  const wish = claims?.policy.basicAuth ?? null;
  return wish?.secret === secret ? wish.layout : null;
}

function add(users: Users, key: string, ingress: string, claims: Claims): void {
  const known = users.get(key);
  if (known === undefined) users.set(key, new Map([[ingress, claims]]));
  else known.set(ingress, claims);
}

function remove(users: Users, key: string, ingress: string): void {
  const known = users.get(key);
  known?.delete(ingress);
  if (known?.size === 0) users.delete(key);
}

function union<T>(a: Iterable<T> | undefined, b: Iterable<T> | undefined): ReadonlySet<T> {
  return new Set([...(a ?? []), ...(b ?? [])]);
}

function isSameList<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((entry, index) => entry === b[index]);
}
