// The Kubernetes objects Headgate uses, trimmed to the fields it uses.
// Both sources (an API server, a directory of manifests) give exactly these; nothing else of the agent
// can tell which of the two an object came from, but for the text of `where` in messages.

export type ObjectKind =
  | "Ingress"
  | "IngressClass"
  | "Service"
  | "EndpointSlice"
  | "Endpoints"
  | "Secret"
  | "ConfigMap"
  | "Node";

/** Names one object. `namespace` is "" for cluster-scoped kinds. */
export interface ObjectRef {
  readonly kind: ObjectKind;
  readonly namespace: string;
  readonly name: string;
}

/** Where an object stands in a directory of manifests. `index` counts documents in the file from 0; `line` from 1. */
export interface Position {
  readonly file: string;
  readonly index: number;
  readonly line: number;
}

export interface Meta {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** metadata.creationTimestamp in milliseconds, or null where there is none (manifests). */
  readonly createdAt: number | null;
  /** Set by manifests only. Decides age where createdAt does not. */
  readonly position: Position | null;
  /** Only annotations that could be meant for an ingress controller, see `trimAnnotations`. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ServiceBackend {
  readonly kind: "service";
  readonly service: string;
  readonly port: number | string;
}
/** An Ingress backend that is not a Service. Headgate refuses it by name. */
export interface ResourceBackend {
  readonly kind: "resource";
  readonly apiGroup: string;
  readonly resourceKind: string;
  readonly name: string;
}
/** A path whose backend names nothing: templates and old API servers let it through. */
export interface NoBackend {
  readonly kind: "none";
}
export type IngressBackend = ServiceBackend | ResourceBackend | NoBackend;

export type PathType = "Exact" | "Prefix" | "ImplementationSpecific";

export interface IngressPath {
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}
export interface IngressRule {
  /** "" for a rule without a host. */
  readonly host: string;
  /** Empty for a rule without `http`. */
  readonly paths: readonly IngressPath[];
}
export interface IngressTls {
  readonly hosts: readonly string[];
  /** null: the default certificate. */
  readonly secretName: string | null;
}
export interface Ingress {
  readonly kind: "Ingress";
  readonly meta: Meta;
  readonly ingressClassName: string | null;
  readonly defaultBackend: IngressBackend | null;
  readonly tls: readonly IngressTls[];
  readonly rules: readonly IngressRule[];
}

export interface IngressClass {
  readonly kind: "IngressClass";
  readonly meta: Meta;
  readonly controller: string;
  readonly isDefault: boolean;
  /** spec.parameters: "<namespace>/<name>" of a ConfigMap, what else they name in words, or null for none. */
  readonly parameters:
    | { readonly kind: "ConfigMap"; readonly key: string }
    | { readonly kind: "other"; readonly text: string }
    | null;
}

/** Settings of an IngressClass, or headers that an Ingress names; no other ConfigMap is used. */
export interface ConfigMap {
  readonly kind: "ConfigMap";
  readonly meta: Meta;
  readonly data: Readonly<Record<string, string>>;
}

export interface ServicePort {
  /** "" for an unnamed port. */
  readonly name: string;
  readonly port: number;
  readonly targetPort: number | string;
  readonly protocol: string;
  readonly appProtocol: string | null;
  readonly nodePort: number | null;
}
export interface Service {
  readonly kind: "Service";
  readonly meta: Meta;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** "None" for a headless Service, "" where there is none. */
  readonly clusterIP: string;
  /** One for each family; empty where `clusterIP` is all there is. */
  readonly clusterIPs: readonly string[];
  /** Local: a node's port leads to endpoints on that node alone. */
  readonly externalTrafficPolicy: "Cluster" | "Local";
  /** The DNS name that a Service of type ExternalName is, as it was written; null for any other. */
  readonly externalName: string | null;
  readonly ports: readonly ServicePort[];
}

export interface Node {
  readonly kind: "Node";
  readonly meta: Meta;
  readonly ready: boolean;
  /** By the label node.kubernetes.io/exclude-from-external-load-balancers, or because it is being deleted. */
  readonly excluded: boolean;
  /** Its InternalIP addresses. */
  readonly addresses: readonly string[];
}

export interface Endpoint {
  /** addresses[0], the only one that counts. */
  readonly address: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string | null;
  readonly nodeName: string | null;
  /** Zones whose requests it should get (topology aware routing); absent: it says nothing. */
  readonly hintedZones?: readonly string[];
}
export interface EndpointSlicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}
export interface EndpointSlice {
  readonly kind: "EndpointSlice";
  readonly meta: Meta;
  /** Label kubernetes.io/service-name; slices without it are not kept. */
  readonly service: string;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly ports: readonly EndpointSlicePort[];
  readonly endpoints: readonly Endpoint[];
}

export interface EndpointAddress {
  readonly address: string;
  readonly nodeName: string | null;
}
/** Of API servers without EndpointSlices; counts only where the Service has none of those. */
export interface Endpoints {
  readonly kind: "Endpoints";
  /** The name is that of the Service. */
  readonly meta: Meta;
  readonly subsets: readonly {
    readonly ready: readonly EndpointAddress[];
    readonly notReady: readonly EndpointAddress[];
    readonly ports: readonly EndpointSlicePort[];
  }[];
}

/** What was found out about tls.crt and tls.key when the Secret arrived. Times in milliseconds since 1970. */
export type KeyPair =
  | {
      readonly kind: "good";
      /** PEM: the leaf first, then its chain. */
      readonly certificate: string;
      readonly key: string;
      /** Lower-case DNS names of the leaf (subjectAltName, else common name). */
      readonly names: readonly string[];
      readonly notBefore: number;
      readonly notAfter: number;
      /** SHA-256 of the leaf, lower-case hex. */
      readonly fingerprint: string;
      /** "rsa", "ec", "ed25519": OpenSSL serves one of each. Absent: in the snapshot of an older agent. */
      readonly keyType?: string;
    }
  | BadKeyPair;
export interface BadKeyPair extends Fault {
  readonly kind: "bad";
}

export interface Secret {
  readonly kind: "Secret";
  readonly meta: Meta;
  readonly type: string;
  /** Where the Secret had a good pair before, that one: a bad one that came after it is in `refused`. */
  readonly keyPair: KeyPair;
  readonly refused: BadKeyPair | null;
  /** ca.crt: authorities that certificates are held against, PEM; null: there are none. */
  readonly authorities: string | null;
  /** What goes with them; null: it cannot be used. Absent: there are no authorities, or an older agent's snapshot. */
  readonly clientTrust?: ClientTrust | null;
  /**
   * What a Secret of users may hold: its values as text, "" for those that are too long for it. U+FFFD stands for a
   * line that is no UTF-8. Absent in other Secrets, and in snapshots of versions that did not read it.
   */
  readonly values?: Readonly<Record<string, string>>;
}

/** Where authorities are those of clients. */
export interface ClientTrust {
  /** ca.crl: lists of revoked certificates, PEM; null: there is none. */
  readonly revocations: string | null;
  /** SHA-256 of authorities and lists, lower-case hex: what two Secrets with the same text have in common. */
  readonly digest: string;
}

export type KubernetesObject = Ingress | IngressClass | Service | EndpointSlice | Endpoints | Secret | ConfigMap | Node;

/** One thing that is wrong with an object: the field by its path, what is wrong, and what to do. */
export interface Fault {
  readonly field: string;
  readonly message: string;
  readonly fix: string;
}

/** "Ingress shop/web", for messages. */
export function refText(ref: ObjectRef): string {
  return ref.namespace === "" ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`;
}

/** The key of an object in maps; "/" stands in no Kubernetes name. */
export function refKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}

export function refOf(object: KubernetesObject): ObjectRef {
  return { kind: object.kind, namespace: object.meta.namespace, name: object.meta.name };
}

/** Orders objects by age, oldest first: creationTimestamp, then file and position (those of no file first), then namespace and name. */
export function compareAge(a: Meta, b: Meta): number {
  if (a.createdAt !== b.createdAt) {
    if (a.createdAt === null) return 1;
    if (b.createdAt === null) return -1;
    return a.createdAt - b.createdAt;
  }
  if (a.position !== null && b.position !== null) {
    const byPosition = compareText(a.position.file, b.position.file) || a.position.index - b.position.index;
    if (byPosition !== 0) return byPosition;
  } else if (a.position !== b.position) {
    return a.position === null ? -1 : 1;
  }
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

/** Byte-wise order of code units, the same on every machine (unlike localeCompare). */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
