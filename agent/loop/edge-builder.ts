// Keeps the value of every key and the documents that follow from it. A dirty key is built anew; nothing else is.

import type {
  BuiltBackends,
  BuiltCertificate,
  BuiltHost,
  DirtyKey,
  EdgeModel,
  Host,
  Problem,
  Route,
} from "../model/edge-model.ts";
import { compareText } from "../objects/objects.ts";
import { differing } from "../lib/differing.ts";
import { type DocumentId, documentId } from "../plan/plan-documents.ts";
import { isSameDocument, isSameHost } from "../plan/same-host.ts";
import { isStricter } from "../plan/stricter.ts";
import {
  profileOf,
  type RenderedDocument,
  type RouteDefaults,
  USUAL_ROUTE_DEFAULTS,
  renderBackend,
  renderCertificate,
  renderHost,
  renderRoute,
  renderServerName,
  routeVariant,
  renderUsers,
} from "../render/documents.ts";
import type { VerifiedProfile } from "../render/files.ts";
import type { VariantProfile } from "../render/variants.ts";
import type { MutualTls } from "../render/mutual-tls.ts";
import { HostPolicies } from "./host-policies.ts";

/** The builders of the model with their inputs bound. */
export interface Builders {
  readonly host: (name: string) => BuiltHost;
  readonly backends: (service: string) => BuiltBackends;
  readonly certificate: (secret: string) => BuiltCertificate;
}

/** Told for each Service that is built: the DNS name that it was, and the one that it is; null: none. */
export type OnName = (service: string, before: string | null, after: string | null) => void;

/** Told for each key that is built: the problems that it had, and those that it has. */
export type OnProblems = (before: readonly Problem[], after: readonly Problem[]) => void;

export class EdgeBuilder {
  readonly #builders: Builders;
  readonly #onProblems: OnProblems;
  readonly #onName: OnName;
  readonly #hosts = new Map<string, BuiltHost>();
  readonly #backends = new Map<string, BuiltBackends>();
  readonly #certificates = new Map<string, BuiltCertificate>();
  /** "<address>:<port>" → how many backends have it. */
  readonly #peers = new Map<string, number>();
  /** Services whose peers are checked. */
  readonly #checked = new Map<string, BuiltBackends>();
  /** Name of a profile that verifies → how many routes use it. */
  readonly #verified = new Map<string, { readonly profile: VerifiedProfile; uses: number }>();
  /** Name of a variant of a profile → how many routes ask for it. */
  readonly #variants = new Map<string, { readonly profile: VariantProfile; uses: number }>();
  #policies = new HostPolicies();
  readonly #wanted = new Map<DocumentId, RenderedDocument>();
  readonly #documentsOf = new Map<DirtyKey, readonly RenderedDocument[]>();
  /** With the defaults that hold now. */
  #routeDocuments = new WeakMap<Route, RenderedDocument>();
  readonly #hostDocuments = new WeakMap<Host, RenderedDocument>();

  #defaults: RouteDefaults = USUAL_ROUTE_DEFAULTS;

  constructor(builders: Builders, onProblems: OnProblems = () => undefined, onName: OnName = () => undefined) {
    this.#builders = builders;
    this.#onProblems = onProblems;
    this.#onName = onName;
  }

  /** Takes effect where hosts are built from then on. */
  setRouteDefaults(defaults: RouteDefaults): void {
    this.#defaults = defaults;
    this.#routeDocuments = new WeakMap();
  }

  /** Another builder with the same defaults that has built nothing yet. */
  fresh(builders: Builders): EdgeBuilder {
    const fresh = new EdgeBuilder(builders);
    fresh.setRouteDefaults(this.#defaults);
    return fresh;
  }

  /** Another builder that goes on from what this one holds; this one does not see it. */
  fork(builders: Builders): EdgeBuilder {
    const fork = this.fresh(builders);
    fork.#routeDocuments = this.#routeDocuments;
    for (const [name, built] of this.#hosts) fork.#hosts.set(name, built);
    for (const [service, built] of this.#backends) fork.#backends.set(service, built);
    for (const [secret, built] of this.#certificates) fork.#certificates.set(secret, built);
    for (const [peer, count] of this.#peers) fork.#peers.set(peer, count);
    for (const [service, built] of this.#checked) fork.#checked.set(service, built);
    for (const [name, entry] of this.#verified) fork.#verified.set(name, { ...entry });
    for (const [name, entry] of this.#variants) fork.#variants.set(name, { ...entry });
    fork.#policies = this.#policies.fork();
    for (const [id, document] of this.#wanted) fork.#wanted.set(id, document);
    for (const [key, documents] of this.#documentsOf) fork.#documentsOf.set(key, documents);
    return fork;
  }

  get model(): EdgeModel {
    return { hosts: this.#hosts, backends: this.#backends, certificates: this.#certificates };
  }

  /** How many peers there are that differ in address or port. */
  get peers(): number {
    return this.#peers.size;
  }

  /** Services whose peers are to be checked, by "<namespace>/<service>". */
  get checked(): ReadonlyMap<string, BuiltBackends> {
    return this.#checked;
  }

  /** Profiles that verify certificates of backends, which the configuration must have. Sorted by name. */
  get verified(): readonly VerifiedProfile[] {
    const profiles = [...this.#verified.values()].map(({ profile }) => profile);
    return profiles.sort((a, b) => compareText(a.name, b.name));
  }

  /** Variants of profiles that routes ask for, sorted by name. */
  get variants(): readonly VariantProfile[] {
    const profiles = [...this.#variants.values()].map(({ profile }) => profile);
    return profiles.sort((a, b) => compareText(a.name, b.name));
  }

  /** Server blocks for hosts that ask for client certificates, which the configuration must have. */
  get mutualTls(): MutualTls {
    return this.#policies.mutualTls(this.#hosts);
  }

  get wanted(): ReadonlyMap<DocumentId, RenderedDocument> {
    return this.#wanted;
  }

  /**
   * Builds one key anew. Gives the documents that may differ now, and whether some policy got stricter.
   * Throws what a builder throws: then everything of that key stays as it was.
   */
  build(key: DirtyKey): { readonly ids: readonly DocumentId[]; readonly stricter: boolean } {
    const { documents, stricter } = this.#buildKey(key);
    const known = this.#documentsOf.get(key) ?? [];
    const { from, before, after } = differing(known, documents, isSameDocument);
    const ids = new Set(before.map(documentId));
    for (const id of ids) this.#wanted.delete(id);
    for (const document of after) {
      const id = documentId(document);
      this.#wanted.set(id, document);
      ids.add(id);
    }
    // Those that are the same stay the objects that they were: their text is held once.
    const now = [...known.slice(0, from), ...after, ...known.slice(from + before.length)];
    if (now.length === 0) this.#documentsOf.delete(key);
    else this.#documentsOf.set(key, now);
    return { ids: [...ids], stricter };
  }

  /** Which key each wanted document comes from. */
  owners(): ReadonlyMap<DocumentId, DirtyKey> {
    return new Map(
      [...this.#documentsOf].flatMap(([key, documents]) => documents.map((one) => [documentId(one), key])),
    );
  }

  /** What is wrong with objects, as the last builds found it. */
  problems(): readonly Problem[] {
    return [
      ...[...this.#hosts.values()].flatMap((built) => built.problems),
      ...[...this.#backends.values()].flatMap((built) => built.problems),
      ...[...this.#certificates.values()].flatMap((built) => built.problems),
    ];
  }

  #buildKey(key: DirtyKey): { documents: readonly RenderedDocument[]; stricter: boolean } {
    const colon = key.indexOf(":");
    const name = key.slice(colon + 1);
    if (key.startsWith("host:")) return this.#buildHost(name);
    if (key.startsWith("backend:")) {
      const before = this.#backends.get(name);
      const built = goOn(this.#builders.backends(name), before);
      this.#countPeers(before, -1);
      this.#countPeers(built, 1);
      this.#onProblems(before?.problems ?? [], built.problems);
      this.#onName(name, before?.externalName?.name ?? null, built.externalName?.name ?? null);
      keep(this.#backends, name, built, built.backends.length === 0 && built.problems.length === 0);
      keep(this.#checked, name, built, built.check === undefined);
      return { documents: built.backends.map(renderBackend), stricter: false };
    }
    const built = this.#builders.certificate(name);
    this.#onProblems(this.#certificates.get(name)?.problems ?? [], built.problems);
    const empty = built.certificate === null && built.users.length === 0 && built.problems.length === 0;
    const stricter = takesAway(this.#certificates.get(name), built);
    keep(this.#certificates, name, built, empty);
    const certificates = built.certificate === null ? [] : [renderCertificate(built.certificate)];
    return { documents: [...certificates, ...built.users.map(renderUsers)], stricter };
  }

  #countPeers(built: BuiltBackends | undefined, change: 1 | -1): void {
    for (const backend of built?.backends ?? []) {
      for (const { address, port } of backend.peers) {
        const name = `${address}:${port}`;
        const count = (this.#peers.get(name) ?? 0) + change;
        if (count === 0) this.#peers.delete(name);
        else this.#peers.set(name, count);
      }
    }
  }

  #countProfiles(route: Route, change: 1 | -1): void {
    this.#countProfile(route, change);
    const { filters } = route;
    for (const filter of filters) {
      if (filter.kind !== "split") continue;
      for (const one of filter.alternatives) this.#countProfile({ ...one, filters }, change);
    }
  }

  #countProfile(spoken: Pick<Route, "filters" | "protocol" | "upstreamTls">, change: 1 | -1): void {
    // Nearly all: not worth a hash.
    const verified = spoken.upstreamTls === null ? null : profileOf(spoken).verified;
    if (verified !== null) count(this.#verified, verified, change);
    const variant = routeVariant(spoken);
    if (variant !== null) count(this.#variants, variant, change);
  }

  #buildHost(name: string): { documents: readonly RenderedDocument[]; stricter: boolean } {
    const before = this.#hosts.get(name);
    const built = this.#builders.host(name);
    const { host, routes, serverName } = built;
    const changed = differing(before?.routes ?? [], routes);
    for (const route of changed.before) this.#countProfiles(route, -1);
    for (const route of changed.after) this.#countProfiles(route, 1);
    this.#onProblems(before?.problems ?? [], built.problems);
    this.#policies.note(name, built);
    keep(this.#hosts, name, built, host === null && serverName === null && built.problems.length === 0);
    return {
      documents: [
        ...routes.map((route) => this.#renderRoute(route)),
        ...(host === null ? [] : [this.#renderHost(host, before?.host ?? null)]),
        ...(serverName === null ? [] : [renderServerName(serverName)]),
      ],
      stricter: isStricter(before, built),
    };
  }

  #renderRoute(route: Route): RenderedDocument {
    const known = this.#routeDocuments.get(route);
    if (known !== undefined) return known;
    const document = renderRoute(route, this.#defaults);
    this.#routeDocuments.set(route, document);
    return document;
  }

  #renderHost(host: Host, before: Host | null): RenderedDocument {
    const known = before !== null && isSameHost(before, host) ? this.#hostDocuments.get(before) : undefined;
    const document = known ?? renderHost(host);
    this.#hostDocuments.set(host, document);
    return document;
  }
}

/** A Service that became another name does not stop until that is resolved: its backends go on as they were. */
function goOn(built: BuiltBackends, before: BuiltBackends | undefined): BuiltBackends {
  if (built.externalName?.resolved !== false || before === undefined) return built;
  const served = new Map(before.backends.map((backend) => [backend.key, backend]));
  return { ...built, backends: built.backends.map((backend) => served.get(backend.key) ?? backend) };
}

type Counted<T> = Map<string, { readonly profile: T; uses: number }>;

function count<T extends { readonly name: string }>(counted: Counted<T>, profile: T, change: 1 | -1): void {
  const entry = counted.get(profile.name) ?? { profile, uses: 0 };
  entry.uses += change;
  if (entry.uses === 0) counted.delete(profile.name);
  else counted.set(profile.name, entry);
}

/** Whether somebody is let in no more, or by another password. */
function takesAway(before: BuiltCertificate | undefined, after: BuiltCertificate): boolean {
  return (before?.users ?? []).some(({ key, users }) => {
    const now = after.users.find((one) => one.key === key)?.users;
    return [...users].some(([name, hash]) => now?.get(name) !== hash);
  });
}

function keep<T>(values: Map<string, T>, name: string, value: T, empty: boolean): void {
  if (empty) values.delete(name);
  else values.set(name, value);
}
