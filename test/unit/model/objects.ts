// Small objects for tests, as the sources give them.

import type {
  ConfigMap,
  Endpoint,
  EndpointSlice,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressPath,
  IngressRule,
  KeyPair,
  Meta,
  Node,
  PathType,
  Secret,
  Service,
  ServicePort,
} from "../../../agent/objects/objects.ts";
import type { ModelSettings, NameAddresses } from "../../../agent/model/input.ts";
import { Store } from "../../../agent/store/store.ts";
import { type KubernetesObject, type ObjectRef, refText } from "../../../agent/objects/objects.ts";

export const SETTINGS: ModelSettings = {
  ingressClasses: ["headgate", "nginx"],
  classless: "auto",
  sslRedirect: true,
  forceSslRedirect: false,
  defaultBackend: null,
  defaultCertificate: null,
  endpointsMode: "pod",
  allowLocalEndpoints: false,
  allowedResponseHeaders: null,
  refusedNetworks: [],
  externalNames: [],
  buffersAnswers: false,
  hostAddresses: ["192.0.2.7", "2001:db8::7"],
};

export function meta(key: string, fields: Partial<Meta> = {}): Meta {
  const [namespace = "", name = ""] = key.split("/");
  return {
    namespace,
    name,
    uid: `uid-${key}`,
    resourceVersion: "1",
    createdAt: 0,
    position: null,
    annotations: {},
    ...fields,
  };
}

export function backend(service: string, port: number | string = 80): IngressBackend {
  return { kind: "service", service, port };
}
export function path(text: string, pathType: PathType = "Prefix", to: IngressBackend = backend("web")): IngressPath {
  return { path: text, pathType, backend: to };
}
export function rule(host: string, ...paths: IngressPath[]): IngressRule {
  return { host, paths };
}
export function ingress(
  key: string,
  fields: Partial<Omit<Ingress, "kind" | "meta">> & { meta?: Partial<Meta> } = {},
): Ingress {
  return {
    kind: "Ingress",
    ingressClassName: "headgate",
    defaultBackend: null,
    tls: [],
    rules: [],
    ...fields,
    meta: meta(key, fields.meta),
  };
}
export function ingressClass(name: string, controller: string, isDefault = false): IngressClass {
  return {
    kind: "IngressClass",
    meta: { ...meta(`/${name}`), namespace: "", name },
    controller,
    isDefault,
    parameters: null,
  };
}

export function node(name: string, addresses: readonly string[], fields: Partial<Node> = {}): Node {
  const itsMeta = { ...meta(`/${name}`), namespace: "", name };
  return { kind: "Node", meta: itsMeta, ready: true, excluded: false, addresses, ...fields };
}

export function configMap(key: string, data: Readonly<Record<string, string>>): ConfigMap {
  return { kind: "ConfigMap", meta: meta(key), data };
}

export function servicePort(port: number, name = ""): ServicePort {
  return { name, port, targetPort: port, protocol: "TCP", appProtocol: null, nodePort: null };
}
export function service(
  key: string,
  ports: readonly ServicePort[] = [servicePort(80)],
  type: Service["type"] = "ClusterIP",
): Service {
  return {
    kind: "Service",
    meta: meta(key),
    type,
    clusterIP: "",
    clusterIPs: [],
    externalTrafficPolicy: "Cluster",
    externalName: null,
    ports,
  };
}

export function externalService(key: string, externalName: string, ports: readonly ServicePort[] = []): Service {
  return { ...service(key, ports, "ExternalName"), externalName };
}

export function endpoint(address: string, state: "ready" | "not-ready" | "draining" = "ready"): Endpoint {
  return {
    address,
    ready: state === "ready",
    serving: state !== "not-ready",
    terminating: state === "draining",
    zone: null,
    nodeName: null,
  };
}
export function slice(
  key: string,
  of: string,
  endpoints: readonly Endpoint[],
  fields: Partial<EndpointSlice> = {},
): EndpointSlice {
  return {
    kind: "EndpointSlice",
    meta: meta(key),
    service: of,
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints,
    ...fields,
  };
}

export function goodKeyPair(names: readonly string[], notAfter = 1e15, notBefore = 0): KeyPair {
  return { kind: "good", certificate: "CERT", key: "KEY", names, notBefore, notAfter, fingerprint: names.join() };
}
export const BAD_KEY_PAIR: KeyPair = { kind: "bad", field: 'data["tls.key"]', message: "is missing", fix: "add it" };
export function secret(key: string, keyPair: KeyPair): Secret {
  return { kind: "Secret", meta: meta(key), type: "kubernetes.io/tls", keyPair, refused: null, authorities: null };
}

/** A store that has seen these objects, and all its keys are taken. */
export function storeOf(
  objects: readonly KubernetesObject[],
  settings: Partial<ModelSettings> = {},
  names: ReadonlyMap<string, NameAddresses> = new Map(),
): Store {
  const store = new Store({
    settings: { ...SETTINGS, ...settings },
    names,
    requiredKinds: [],
    onDirty: () => undefined,
    onWantedSecrets: () => undefined,
  });
  const classes = objects.filter((object) => object.kind === "IngressClass");
  store.apply([
    { kind: "replace", objectKind: "IngressClass", objects: classes },
    ...objects.map((object) => ({ kind: "put", object }) as const),
  ]);
  store.takeDirty();
  return store;
}

/** One claim of an Ingress on a path, as routes and candidates both have it. */
export function claimText(claim: {
  readonly ingress: ObjectRef;
  readonly host: string;
  readonly path: string;
  readonly matchType: string;
}): string {
  return `${refText(claim.ingress)} ${claim.host} ${claim.matchType} ${claim.path}`;
}
