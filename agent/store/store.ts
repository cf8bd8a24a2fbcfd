// What the sources said: the objects, indexes over them, and the keys of the model that have to be built anew.
// In: changes, in order. Out: dirty keys, and the objects as the builders ask for them. It builds nothing itself.
// What a change costs depends on the change, never on the number of objects.

import type { DirtyKey, UsersLayout } from "../model/edge-model.ts";
import { ANY_HOST } from "../model/hosts.ts";
import { modeInEffect } from "../model/endpoints-mode.ts";
import { claimsOf, sortPorts } from "../model/ingress/claims.ts";
import type { ModelInput, NameAddresses } from "../model/input.ts";
import { allKeys } from "../model/keys.ts";
import {
  compareText,
  type ConfigMap,
  type EndpointSlice,
  type Ingress,
  type IngressClass,
  type KubernetesObject,
  type Node,
  type ObjectKind,
  type ObjectRef,
  refOf,
  type Secret,
  type Service,
} from "../objects/objects.ts";
import { ClassIndex } from "./class-index.ts";
import { IngressIndex } from "./ingress-index.ts";
import { withLastGoodPair } from "./last-good-pair.ts";
import { NamesIndex } from "./names-index.ts";
import { NodeIndex } from "./node-index.ts";
import { replaceIn } from "./replace-in.ts";
import { isSame, isSameObject } from "./same-object.ts";
import { SliceIndex } from "./slice-index.ts";
import type { Change, Refusal } from "./source.ts";
import type { StoreOptions } from "./store-options.ts";
import { ToldSet } from "./told-set.ts";

/** The objects of one kind. */
interface Table<T extends KubernetesObject> {
  readonly all: () => readonly T[];
  /** Puts or (null) removes, and dirties what depends on it. */
  readonly set: (key: string, object: T | null) => void;
}

export class Store implements ModelInput {
  readonly #options: StoreOptions;
  readonly #ingresses = new Map<string, Ingress>();
  readonly #services = new Map<string, Service>();
  /** Name of a Service → namespaces that have one. */
  readonly #namespaces = new NamesIndex();
  readonly #secrets = new Map<string, Secret>();
  readonly #configMaps = new Map<string, ConfigMap>();
  readonly #slices = new SliceIndex();
  readonly #nodes = new NodeIndex();
  readonly #classes: ClassIndex;
  readonly #index: IngressIndex;
  /** Ingresses that are in the index: ours, as it was decided last. */
  readonly #indexed = new Map<string, Ingress>();
  readonly #refusals = new Map<string, Refusal>();
  readonly #missing: Set<ObjectKind>;
  readonly #tables: { readonly [K in ObjectKind]: Table<Extract<KubernetesObject, { readonly kind: K }>> } = {
    IngressClass: { all: () => this.#classes.all(), set: (key, found) => this.#setClass(key, found) },
    Ingress: { all: () => [...this.#ingresses.values()], set: (key, found) => this.#setIngress(key, found) },
    Service: { all: () => [...this.#services.values()], set: (key, found) => this.#setService(key, found) },
    EndpointSlice: { all: () => this.#slices.all(), set: (key, found) => this.#setSlice(key, found) },
    Endpoints: {
      all: () => this.#slices.allEndpoints(),
      set: (key, found) => {
        if (this.#slices.setEndpoints(key, found)) this.#markEndpoints(key);
      },
    },
    Secret: { all: () => [...this.#secrets.values()], set: (key, found) => this.#setSecret(key, found) },
    ConfigMap: { all: () => [...this.#configMaps.values()], set: (key, found) => this.#setConfigMap(key, found) },
    Node: { all: () => this.#nodes.all(), set: (key, found) => this.#nodes.set(key, found) },
  };
  #synced = false;
  #dirty = new Set<DirtyKey>();
  #told = false;
  #secretsChanged: boolean;
  #configMapsChanged = false;
  readonly #toldConfigMaps = new ToldSet((keys) => this.#options.onWantedConfigMaps?.(keys));
  #nodesWanted = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#missing = new Set(options.requiredKinds);
    this.#classes = new ClassIndex(options.settings);
    this.#index = new IngressIndex(
      (key) => this.#mark(key),
      (kind) => {
        if (kind === "Secret") this.#secretsChanged = true;
        else this.#configMapsChanged = true;
      },
    );
    // The default certificate is wanted from the start, and nobody was told yet.
    this.#secretsChanged = options.settings.defaultCertificate !== null;
  }

  /** Takes changes as one step: the callbacks come after the last of them. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) this.#applyOne(change);
    this.#settle();
  }

  /**
   * Takes the objects of a snapshot. The store counts as synced: what an API server said before is what there is
   * until it says something else.
   */
  restore(objects: readonly KubernetesObject[]): void {
    for (const object of objects) this.#put(object);
    this.#classesListed();
    this.#missing.clear();
    this.#settle();
  }

  /** All objects, for a snapshot: plain JSON, private keys included. */
  objects(): readonly KubernetesObject[] {
    return Object.values(this.#tables).flatMap((table): readonly KubernetesObject[] => table.all());
  }

  /** Whether every required kind was listed once. Before that, nothing may be built. */
  synced(): boolean {
    return this.#synced;
  }

  /** The keys to build anew, each once, in the order in which they got dirty. Empty before the store is synced. */
  takeDirty(): readonly DirtyKey[] {
    const keys = [...this.#dirty];
    this.#dirty = new Set();
    this.#told = false;
    return keys;
  }

  /** Secrets ("<namespace>/<name>") that `tls` of our Ingresses names, and the default certificate. A copy. */
  wantedSecrets(): ReadonlySet<string> {
    return new Set(this.secretsInUse());
  }

  /** What could not be read, by `where`. */
  refusals(): readonly Refusal[] {
    return [...this.#refusals.values()].sort((a, b) => compareText(a.where, b.where));
  }

  ingressesOfHost(host: string): readonly Ingress[] {
    return this.#index.ingressesOfHost(host);
  }

  portsInUse(key: string): readonly (number | string)[] {
    const ports = this.#index.portsOfService(key);
    const { defaultBackend } = this.#options.settings;
    if (defaultBackend?.service !== key || ports.includes(defaultBackend.port)) return ports;
    return sortPorts([...ports, defaultBackend.port]);
  }

  ingress(key: string): Ingress | undefined {
    return this.#ingresses.get(key);
  }

  service(key: string): Service | undefined {
    return this.#services.get(key);
  }

  namespacesOfService(name: string): readonly string[] {
    return this.#namespaces.of(name);
  }

  endpointSlices(key: string): readonly EndpointSlice[] {
    return this.#slices.of(key);
  }

  secret(key: string): Secret | undefined {
    return this.#secrets.get(key);
  }

  nodes(): readonly Node[] | null {
    return this.#nodes.known();
  }

  configMap(key: string): ConfigMap | undefined {
    return this.#configMaps.get(key);
  }

  addressesOf(name: string): NameAddresses | undefined {
    return this.#options.names?.get(name);
  }

  /** ConfigMaps ("<namespace>/<name>") that parameters of our IngressClasses and our Ingresses name. */
  wantedConfigMaps(): ReadonlySet<string> {
    return new Set([...this.#classes.configMaps(), ...this.#index.configMaps()]);
  }

  hostsOfService(key: string): readonly string[] {
    const hosts = new Set(this.#index.hostsOfService(key));
    if (this.#options.settings.defaultBackend?.service === key) hosts.add(ANY_HOST);
    return [...hosts].sort();
  }

  hostsOfSecret(key: string): readonly string[] {
    return [...this.#index.hostsOfSecret(key)].sort();
  }
  usersLayouts(secret: string): readonly UsersLayout[] {
    return [...this.#index.usersLayouts(secret)].sort();
  }

  ingressClass(name: string): IngressClass | undefined {
    return this.#classes.get(name);
  }

  ingressClasses(): readonly IngressClass[] {
    return this.#classes.all();
  }

  hostsInUse(): Iterable<string> {
    return this.#index.hosts();
  }

  servicesInUse(): Iterable<string> {
    const { defaultBackend } = this.#options.settings;
    return defaultBackend === null
      ? this.#index.services()
      : new Set([...this.#index.services(), defaultBackend.service]);
  }

  secretsInUse(): Iterable<string> {
    const { defaultCertificate } = this.#options.settings;
    return defaultCertificate === null
      ? this.#index.secrets()
      : new Set([...this.#index.secrets(), defaultCertificate]);
  }

  #applyOne(change: Change): void {
    switch (change.kind) {
      case "put":
        this.#options.guard?.heard(refOf(change.object));
        return this.#put(change.object);
      case "delete":
        if (change.byList === true && this.#isDoubted(change.ref)) return;
        this.#options.guard?.heard(change.ref);
        return this.#delete(change.ref);
      case "replace":
        return this.#replace(change.objectKind, change.objects);
      case "refuse":
        this.#refusals.set(change.refusal.where, change.refusal);
        return;
      case "accept":
        this.#refusals.delete(change.where);
        return;
    }
  }

  #settle(): void {
    for (const service of this.#nodes.takeChanged()) this.#markEndpoints(service);
    if (!this.#synced && this.#missing.size === 0) {
      this.#synced = true;
      this.#dirty = new Set(allKeys(this));
    }
    if (this.#secretsChanged) {
      this.#secretsChanged = false;
      this.#options.onWantedSecrets(this.wantedSecrets());
    }
    if (this.#configMapsChanged) this.#toldConfigMaps.offer(this.wantedConfigMaps());
    this.#configMapsChanged = false;
    if (this.#dirty.size > 0 && !this.#told) {
      this.#told = true;
      this.#options.onDirty();
    }
  }

  #mark(key: DirtyKey): void {
    if (this.#synced) this.#dirty.add(key);
  }

  #isDoubted(ref: ObjectRef): boolean {
    return ref.kind === "Secret" && this.#secrets.has(keyOf(ref)) && this.#options.guard?.doubt(ref) === true;
  }

  #replace(kind: ObjectKind, objects: readonly KubernetesObject[]): void {
    const kept = new Set<string>();
    for (const object of objects) kept.add(keyOf(refOf(object)));
    // An object that came but could not be read is not gone: its last good state stays.
    for (const { ref } of this.#refusals.values()) if (ref?.kind === kind) kept.add(keyOf(ref));
    const known = this.#tables[kind].all();
    const missing = known.map(refOf).filter((ref) => !kept.has(keyOf(ref)));
    const { covered, bare } = this.#slices.split(kind, missing);
    const gone = this.#options.guard?.judge(kind, known.length - covered.length, bare) ?? bare;
    for (const ref of [...covered, ...gone]) this.#delete(ref);
    for (const object of objects) this.#put(object);
    this.#missing.delete(kind);
    if (kind === "IngressClass") this.#classesListed();
    if (kind === "Node") this.#nodes.setKnown();
  }

  #classesListed(): void {
    for (const key of this.#classes.setListed()) this.#reindex(key);
  }

  #put(object: KubernetesObject): void {
    const table = this.#tables[object.kind] as Table<KubernetesObject>; // that of the object's own kind
    table.set(keyOf(refOf(object)), object);
  }

  #delete(ref: ObjectRef): void {
    this.#tables[ref.kind].set(keyOf(ref), null);
  }

  #setIngress(key: string, ingress: Ingress | null): void {
    const before = this.#ingresses.get(key) ?? null;
    if (!replaceIn(this.#ingresses, key, ingress)) return;
    this.#classes.track(key, before, ingress);
    this.#reindex(key);
  }

  // Decides anew whether an Ingress is ours, and brings the index in line.
  #reindex(key: string): void {
    const ingress = this.#ingresses.get(key) ?? null;
    const before = this.#indexed.get(key) ?? null;
    const after = ingress !== null && this.#classes.isOurs(ingress) ? ingress : null;
    if (before === after) return;
    if (after === null) this.#indexed.delete(key);
    else this.#indexed.set(key, after);
    this.#index.set(key, before, after);
  }

  #setClass(name: string, ingressClass: IngressClass | null): void {
    const before = this.#classes.get(name);
    if (before === undefined && ingressClass === null) return;
    if (before !== undefined && ingressClass !== null && isSameObject(before, ingressClass)) return;
    this.#configMapsChanged = true;
    for (const key of this.#classes.set(name, ingressClass)) this.#reindex(key);
    if (!isSame(before?.parameters ?? null, ingressClass?.parameters ?? null)) this.#markClass(name);
  }

  #setConfigMap(key: string, configMap: ConfigMap | null): void {
    if (!replaceIn(this.#configMaps, key, configMap)) return;
    for (const name of this.#classes.classesOfConfigMap(key)) this.#markClass(name);
    for (const host of this.#index.hostsOfConfigMap(key)) this.#mark(`host:${host}`);
  }

  // What a class says is said to all its Ingresses.
  #markClass(name: string): void {
    for (const key of this.#classes.ingressesOf(name)) {
      const ingress = this.#indexed.get(key);
      if (ingress !== undefined) for (const host of claimsOf(ingress).hosts) this.#mark(`host:${host}`);
    }
  }

  #setService(key: string, service: Service | null): void {
    const isNew = !this.#services.has(key);
    if (!replaceIn(this.#services, key, service)) return;
    if (isNew || service === null) this.#noteService(key, service !== null);
    const { settings } = this.#options;
    const atNodes = service !== null && modeInEffect(service, settings) === "nodePort";
    this.#nodes.note(key, atNodes);
    if (atNodes) this.#wantNodes();
    const isDefault = settings.defaultBackend?.service === key;
    if (!isDefault && !this.#index.usesService(key)) return;
    this.#mark(`backend:${key}`);
    for (const host of this.hostsOfService(key)) this.#mark(`host:${host}`);
    if (isDefault) for (const host of this.#index.hostsOfDefaultErrors()) this.#mark(`host:${host}`);
  }

  #wantNodes(): void {
    if (this.#nodesWanted) return;
    this.#nodesWanted = true;
    this.#options.onWantedNodes?.();
  }

  // Ingresses that name a Service of this name in vain say where there is one.
  #noteService(key: string, exists: boolean): void {
    const [namespace = "", name = ""] = key.split("/");
    this.#namespaces.set(name, namespace, exists);
    for (const used of this.#index.servicesNamed(name)) {
      if (!this.#services.has(used)) for (const host of this.hostsOfService(used)) this.#mark(`host:${host}`);
    }
  }

  #setSlice(key: string, slice: EndpointSlice | null): void {
    for (const service of this.#slices.set(key, slice)) this.#markEndpoints(service);
  }

  #markEndpoints(service: string): void {
    const isDefault = this.#options.settings.defaultBackend?.service === service;
    if (isDefault || this.#index.usesService(service)) this.#mark(`backend:${service}`);
  }

  #setSecret(key: string, secret: Secret | null): void {
    const kept = secret === null ? null : withLastGoodPair(secret, this.#secrets.get(key));
    if (!replaceIn(this.#secrets, key, kept)) return;
    const isDefault = this.#options.settings.defaultCertificate === key;
    if (!isDefault && !this.#index.usesSecret(key)) return;
    this.#mark(`certificate:${key}`);
    for (const host of this.#index.hostsOfSecret(key)) this.#mark(`host:${host}`);
    if (isDefault) this.#mark(`host:${ANY_HOST}`);
  }
}

/** "<namespace>/<name>", or the name alone where there is no namespace. */
function keyOf(ref: ObjectRef): string {
  return ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
}
