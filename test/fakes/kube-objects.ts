// The objects of the fake API server: resourceVersions, history, compaction, selectors. No HTTP.

export interface FakeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

export interface FakeResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface FakeEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly plural: string;
  readonly version: number;
  readonly object: FakeObject;
  readonly before: FakeObject | null;
}

export interface Selection {
  readonly namespace: string | null;
  readonly label: string | null;
  readonly name: string | null;
}

export const FAKE_RESOURCES: readonly FakeResource[] = [
  { apiVersion: "networking.k8s.io/v1", kind: "Ingress", plural: "ingresses", namespaced: true },
  { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", plural: "ingressclasses", namespaced: false },
  { apiVersion: "v1", kind: "Service", plural: "services", namespaced: true },
  { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true },
  { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
  { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false },
  { apiVersion: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
  { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events", namespaced: true },
  { apiVersion: "v1", kind: "Event", plural: "events", namespaced: true },
  { apiVersion: "v1", kind: "Endpoints", plural: "endpoints", namespaced: true },
  { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", plural: "endpointslices", namespaced: true },
];

export interface FakeBackup {
  readonly objects: ReadonlyMap<string, FakeObject>;
  readonly version: number;
  readonly compacted: number;
}

/** The one table of objects with one counter of versions, as etcd has it. */
export class FakeObjects {
  readonly #objects = new Map<string, FakeObject>();
  readonly #listeners = new Set<(event: FakeEvent) => void>();
  #history: FakeEvent[] = [];
  #version = 1000;
  #compacted = 1000;
  #uids = 0;

  get version(): number {
    return this.#version;
  }

  /** Versions up to this one are forgotten: a watch from before it gets 410. */
  get compacted(): number {
    return this.#compacted;
  }

  get(plural: string, namespace: string, name: string): FakeObject | undefined {
    return this.#objects.get(`${plural}/${namespace}/${name}`);
  }

  list(plural: string, selection: Selection): FakeObject[] {
    return [...this.#objects.entries()]
      .filter(([key, object]) => key.startsWith(`${plural}/`) && matches(object, selection))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  /** Creates or replaces. The given object is copied; the stored one is returned. */
  put(resource: FakeResource, given: FakeObject): FakeObject {
    const namespace = resource.namespaced ? (given.metadata.namespace ?? "default") : "";
    const key = `${resource.plural}/${namespace}/${given.metadata.name}`;
    const before = this.#objects.get(key) ?? null;
    const version = ++this.#version;
    const object: FakeObject = {
      ...structuredClone(given),
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: {
        ...structuredClone(given.metadata),
        ...(namespace === "" ? {} : { namespace }),
        uid: before?.metadata.uid ?? `00000000-0000-4000-8000-${String(++this.#uids).padStart(12, "0")}`,
        resourceVersion: String(version),
        creationTimestamp:
          before?.metadata.creationTimestamp ?? given.metadata.creationTimestamp ?? "2026-01-01T00:00:00Z",
        managedFields: [{ manager: "fake", operation: "Update", fieldsType: "FieldsV1", fieldsV1: { "f:spec": {} } }],
      },
    };
    this.#objects.set(key, object);
    this.#tell({ type: before === null ? "ADDED" : "MODIFIED", plural: resource.plural, version, object, before });
    return object;
  }

  /** Returns what was there, or undefined. */
  delete(plural: string, namespace: string, name: string): FakeObject | undefined {
    const key = `${plural}/${namespace}/${name}`;
    const before = this.#objects.get(key);
    if (before === undefined) return undefined;
    this.#objects.delete(key);
    const version = ++this.#version;
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } };
    this.#tell({ type: "DELETED", plural, version, object, before });
    return before;
  }

  /** Forgets all history, as etcd's compaction and an aged watch cache do together. */
  compact(): void {
    this.#version++;
    this.#compacted = this.#version;
    this.#history = [];
  }

  /** A backup of everything, for `restore`. */
  save(): FakeBackup {
    return { objects: new Map(this.#objects), version: this.#version, compacted: this.#compacted };
  }

  /** Puts a backup back, as an etcd does that is restored: the version goes back, and no watch is told. */
  restore(backup: FakeBackup): void {
    this.#objects.clear();
    for (const [key, object] of backup.objects) this.#objects.set(key, object);
    this.#version = backup.version;
    this.#compacted = backup.compacted;
    this.#history = this.#history.filter((event) => event.version <= backup.version);
  }

  since(version: number): readonly FakeEvent[] {
    return this.#history.filter((event) => event.version > version);
  }

  listen(listener: (event: FakeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: FakeEvent): void {
    this.#history.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

/** What a watcher of `selection` is told of `event`: an object that leaves the selection is deleted for it. */
export function seenAs(event: FakeEvent, plural: string, selection: Selection): FakeEvent["type"] | null {
  if (event.plural !== plural) return null;
  const was = event.before !== null && matches(event.before, selection);
  const is = event.type !== "DELETED" && matches(event.object, selection);
  if (is) return was ? "MODIFIED" : "ADDED";
  return was ? "DELETED" : null;
}

function matches(object: FakeObject, selection: Selection): boolean {
  const { namespace, label, name } = selection;
  if (namespace !== null && object.metadata.namespace !== namespace) return false;
  if (name !== null && object.metadata.name !== name) return false;
  return label === null || Object.hasOwn(object.metadata.labels ?? {}, label);
}
