// What is read from an API server: paths, selectors, and the right that each needs.

import type { ObjectKind } from "../objects/objects.ts";

export interface Resource {
  readonly kind: ObjectKind;
  readonly apiVersion: string;
  /** "ingresses.networking.k8s.io", as kubectl and RBAC name it. */
  readonly rbacName: string;
  /** Without a query. */
  readonly path: string;
  /** labelSelector and fieldSelector, in every list and watch. */
  readonly selectors: Readonly<Record<string, string>>;
  /** Set: this resource is one object, told as put and delete. null: a whole kind, told with replace. */
  readonly single: { readonly namespace: string; readonly name: string } | null;
}

interface Kind {
  readonly kind: Exclude<ObjectKind, SingleKind>;
  readonly group: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly selectors: Readonly<Record<string, string>>;
}

const NODES: Kind = { kind: "Node", group: "", plural: "nodes", namespaced: false, selectors: {} };
const KINDS: readonly Kind[] = [
  { kind: "Ingress", group: "networking.k8s.io", plural: "ingresses", namespaced: true, selectors: {} },
  { kind: "IngressClass", group: "networking.k8s.io", plural: "ingressclasses", namespaced: false, selectors: {} },
  { kind: "Service", group: "", plural: "services", namespaced: true, selectors: {} },
  {
    kind: "EndpointSlice",
    group: "discovery.k8s.io",
    plural: "endpointslices",
    namespaced: true,
    // A slice that belongs to no Service cannot be a backend of anything.
    selectors: { labelSelector: "kubernetes.io/service-name" },
  },
];

const ENDPOINTS: Kind = { kind: "Endpoints", group: "", plural: "endpoints", namespaced: true, selectors: {} };

type WholeKind = "Ingress" | "IngressClass" | "EndpointSlice" | "Endpoints";

function kindNamed(kind: WholeKind): Kind {
  const found = [...KINDS, ENDPOINTS].find((one) => one.kind === kind);
  if (found === undefined) throw new TypeError(`no kind ${kind}`);
  return found;
}

/** "ingresses", as paths and discovery have it. */
export function pluralOf(kind: WholeKind): string {
  return kindNamed(kind).plural;
}

/** A kind in the version that a server has; null: as it is read of a modern one. Of one namespace or (null) of all. */
export function kindOfVersion(kind: WholeKind, apiVersion: string | null, namespace: string | null): Resource {
  const found = kindNamed(kind);
  const [group = "", version = "v1"] = (apiVersion ?? `${found.group}/v1`).split("/");
  return wholeKind({ ...found, group }, namespace, version);
}

/** The whole kinds, of one namespace or (null) of all. */
export function wholeKinds(namespace: string | null): readonly Resource[] {
  return KINDS.map((kind) => wholeKind(kind, namespace));
}

/** Nodes, which have no namespace. */
export function allNodes(): Resource {
  return wholeKind(NODES, null);
}

function wholeKind(
  { kind, group, plural, namespaced, selectors }: Kind,
  namespace: string | null,
  version = "v1",
): Resource {
  const base = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = namespaced && namespace !== null ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return {
    kind,
    apiVersion: group === "" ? version : `${group}/${version}`,
    rbacName: group === "" ? plural : `${plural}.${group}`,
    path: `${base}${scope}/${plural}`,
    selectors,
    single: null,
  };
}

/** Kinds of which single objects are read, by name. */
export type SingleKind = "Secret" | "ConfigMap";

const SINGLES = { Secret: "secrets", ConfigMap: "configmaps" } as const satisfies Record<SingleKind, string>;

/** One object. A list and watch with a field selector also works where RBAC allows only this name. */
export function oneObject(kind: SingleKind, namespace: string, name: string): Resource {
  return {
    kind,
    apiVersion: "v1",
    rbacName: SINGLES[kind],
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/${SINGLES[kind]}`,
    selectors: { fieldSelector: `metadata.name=${name}` },
    single: { namespace, name },
  };
}

/** For messages: "Ingress", "Secret shop/tls". */
export function resourceText(resource: Resource): string {
  const { kind, single } = resource;
  return single === null ? kind : `${kind} ${single.namespace}/${single.name}`;
}

/** `resource.path` with its selectors and `parameters` as the query. */
export function resourceUrl(resource: Resource, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...resource.selectors, ...parameters }).toString();
  return query === "" ? resource.path : `${resource.path}?${query}`;
}
