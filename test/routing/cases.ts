// The routing cases: Ingresses in, and for each request the route and status out. The model's matcher, the Lua router
// and a real nginx are held to the same files.
//
// A file has one case a document: {name, settings?, secrets?, ingresses, requests}. An Ingress is a manifest without
// apiVersion and kind; its `metadata.namespace` is "shop" unless it says another, and so are Secrets. Every Service that
// is named has one endpoint, but the Service "missing", which does not exist. "user:password@" in a URL is what the
// client says of itself; the model takes it for right. Besides there are the Secrets
// shop/clients and other/clients, with authorities for certificates of clients.
// `expect.ingress` is "<namespace>/<name>", or null where no Ingress takes the request; `expect.path` is the path of
// the rule that does (only where it matters); `expect.status` 200 means: sent to the backend.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { buildTraffic } from "../../agent/config/build-traffic.ts";
import { buildBackends } from "../../agent/model/build-backends.ts";
import { buildCertificate } from "../../agent/model/build-certificate.ts";
import { buildHost } from "../../agent/model/build-host.ts";
import type { BuiltBackends, BuiltCertificate, BuiltHost, EdgeModel } from "../../agent/model/edge-model.ts";
import type { ModelSettings } from "../../agent/model/input.ts";
import { ANNOTATIONS } from "../../agent/model/ingress/annotations.ts";
import type { HttpsRedirects } from "../../agent/model/match.ts";
import { allKeys } from "../../agent/model/keys.ts";
import type { Ingress, IngressBackend, KubernetesObject } from "../../agent/objects/objects.ts";
import { trimObject } from "../../agent/objects/trim.ts";
import { Store } from "../../agent/store/store.ts";

export interface RoutingExpectation {
  readonly ingress?: string | null;
  readonly path?: string;
  readonly status: 200 | 301 | 302 | 307 | 308 | 400 | 403 | 404 | 503;
  /** The path (with query) that the backend is asked for, where it is not the client's; encoded. */
  readonly sent?: string;
  /** The Service that serves it, where it matters: "<namespace>/<name>/<port>". */
  readonly service?: string;
  /** Location of a redirect. */
  readonly location?: string;
}
export interface RoutingRequest {
  readonly url: string;
  /** The client's address, where it matters. */
  readonly client?: string;
  /** Headers beside the Host, by name in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly expect: RoutingExpectation;
}
export interface RoutingCase {
  readonly file: string;
  readonly name: string;
  readonly settings: ModelSettings;
  readonly secrets: readonly KubernetesObject[];
  readonly ingresses: readonly Ingress[];
  readonly requests: readonly RoutingRequest[];
}

/** A URL taken apart without anybody normalising it: what stands in the file is what is sent. */
export function requestOf(url: string): {
  readonly secure: boolean;
  readonly host: string;
  readonly target: string;
  /** "user:password", or null. */
  readonly user: string | null;
} {
  const match = /^(https?):\/\/(?:([^/@]*)@)?([^/]*)(\/.*)?$/s.exec(url);
  if (match === null) throw new Error(`${url} is no http or https URL`);
  return { secure: match[1] === "https", host: match[3] ?? "", target: match[4] ?? "/", user: match[2] ?? null };
}

const SETTINGS: ModelSettings = {
  ingressClasses: ["headgate"],
  classless: "true",
  sslRedirect: true,
  forceSslRedirect: false,
  defaultBackend: null,
  defaultCertificate: null,
  endpointsMode: "pod",
  allowLocalEndpoints: true,
  allowedResponseHeaders: null,
  refusedNetworks: [],
  externalNames: [],
  buffersAnswers: false,
  hostAddresses: [],
};

/** How requests are sent on to https where no settings say otherwise. */
export const HTTPS_REDIRECTS: HttpsRedirects = buildTraffic(() => undefined).http;

/** All cases of test/routing, in the order of file names. Throws on a file that is no case, and on no files. */
export function loadRoutingCases(): readonly RoutingCase[] {
  const folder = import.meta.dirname;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort();
  if (files.length === 0) throw new Error(`no routing cases in ${folder}`);
  return files.flatMap((file) => {
    const documents = parseAllDocuments(readFileSync(join(folder, file), "utf8"));
    if (!Array.isArray(documents)) throw new Error(`${file} is empty`);
    return documents.map((document, index) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      return readCase(document.toJS(), file, index);
    });
  });
}

/**
 * One case of all annotations that restrict and are not served, a host each, under both prefixes: none answers 200.
 * A file could not keep up with the table.
 */
export function restrictingCase(): RoutingCase {
  const names = [...ANNOTATIONS].filter(([, rule]) => rule.effect === "restricting" && !rule.served);
  const keys = names.flatMap(([name]) => [`nginx.ingress.kubernetes.io/${name}`, `ingress.kubernetes.io/${name}`]);
  const host = (index: number): string => `h${index}.example`;
  const backend = { service: { name: "web", port: { number: 80 } } };
  return {
    file: "table",
    name: "each annotation that restricts and is not served closes its route",
    settings: SETTINGS,
    secrets: [],
    ingresses: keys.map((key, index) => {
      const raw = {
        metadata: { name: `i${index}`, annotations: { [key]: "some value" } },
        spec: { rules: [{ host: host(index), http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }] },
      };
      return readIngress(raw, key, index);
    }),
    requests: keys.map((_key, index) => ({
      url: `http://${host(index)}/`,
      expect: { ingress: `shop/i${index}`, status: 503 },
    })),
  };
}

/** The model of a case, with `endpoint` behind every Service. */
export function buildModel(routingCase: RoutingCase, endpoint: { address: string; port: number }): EdgeModel {
  const { settings } = routingCase;
  const store = new Store({ settings, requiredKinds: [], onDirty: () => undefined, onWantedSecrets: () => undefined });
  store.apply(
    [
      ...routingCase.secrets,
      ...routingCase.ingresses,
      ...servicesOf(routingCase, endpoint),
      ...["shop", "other"].map(authority),
    ].map((object) => ({ kind: "put", object })),
  );
  const hosts = new Map<string, BuiltHost>();
  const backends = new Map<string, BuiltBackends>();
  const certificates = new Map<string, BuiltCertificate>();
  for (const key of allKeys(store)) {
    const name = key.slice(key.indexOf(":") + 1);
    if (key.startsWith("host:")) hosts.set(name, buildHost(store, settings, name));
    else if (key.startsWith("backend:")) backends.set(name, buildBackends(store, settings, name));
    else certificates.set(name, buildCertificate(store, settings, name, 0));
  }
  return { hosts, backends, certificates };
}

function readCase(raw: unknown, file: string, index: number): RoutingCase {
  const { name, secrets, ingresses, requests, settings } = raw as {
    // our own files; readIngress and the tests complain about what is wrong in them
    name: string;
    secrets?: { metadata: object }[];
    ingresses: { metadata: object }[];
    requests: RoutingRequest[];
    settings?: Partial<ModelSettings>;
  };
  if (typeof name !== "string" || !Array.isArray(ingresses) || !Array.isArray(requests)) {
    throw new Error(`${file}, document ${index + 1}: not {name, ingresses, requests}`);
  }
  return {
    file,
    name,
    settings: { ...SETTINGS, ...settings },
    secrets: (secrets ?? []).map((secret, at) => readObject(secret, CORE_SECRET, { where: `${file}: ${name}`, at })),
    ingresses: ingresses.map((ingress, at) => readIngress(ingress, `${file}: ${name}: ingress ${at + 1}`, at)),
    requests,
  };
}

const CORE_SECRET = { apiVersion: "v1", kind: "Secret" } as const;
const V1_INGRESS = { apiVersion: "networking.k8s.io/v1", kind: "Ingress" } as const;

function readIngress(raw: { metadata: object }, where: string, index: number): Ingress {
  const object = readObject(raw, V1_INGRESS, { where, at: index });
  if (object.kind !== "Ingress") throw new Error(`${where}: no Ingress`);
  return object;
}

function readObject(
  raw: { metadata: object },
  kind: typeof CORE_SECRET | typeof V1_INGRESS,
  { where, at }: { readonly where: string; readonly at: number },
): KubernetesObject {
  const metadata = { namespace: "shop", ...raw.metadata };
  const trimmed = trimObject(
    { ...kind, ...raw, metadata },
    {
      strict: true,
      position: { file: "case.yaml", index: at, line: 1 },
      inspectKeyPair: () => ({ kind: "bad", field: "", message: "", fix: "" }),
    },
  );
  if (trimmed.kind !== "object") throw new Error(`${where}: ${JSON.stringify(trimmed)}`);
  return trimmed.object;
}

function authority(namespace: string): KubernetesObject {
  return {
    kind: "Secret",
    meta: {
      namespace,
      name: "clients",
      uid: "",
      resourceVersion: "",
      createdAt: null,
      position: null,
      annotations: {},
    },
    type: "Opaque",
    keyPair: { kind: "bad", field: "", message: "", fix: "" },
    refused: null,
    authorities: "CA",
    clientTrust: { revocations: null, digest: namespace },
  };
}

function servicesOf(
  { ingresses, settings }: RoutingCase,
  endpoint: { address: string; port: number },
): readonly KubernetesObject[] {
  const ports = new Map<string, Set<number | string>>();
  const use = (namespace: string, backend: IngressBackend | null): void => {
    if (backend?.kind !== "service" || backend.service === "missing") return;
    const key = `${namespace}/${backend.service}`;
    ports.set(key, (ports.get(key) ?? new Set()).add(backend.port));
  };
  for (const { meta, defaultBackend, rules } of ingresses) {
    use(meta.namespace, defaultBackend);
    for (const rule of rules) for (const path of rule.paths) use(meta.namespace, path.backend);
  }
  const [namespace = "", service = ""] = settings.defaultBackend?.service.split("/") ?? [];
  if (settings.defaultBackend !== null)
    use(namespace, { kind: "service", service, port: settings.defaultBackend.port });
  return [...ports].flatMap(([key, used]) => serviceObjects(key, [...used], endpoint));
}

function serviceObjects(
  key: string,
  used: readonly (number | string)[],
  endpoint: { address: string; port: number },
): readonly KubernetesObject[] {
  const [namespace = "", name = ""] = key.split("/");
  const meta = { namespace, name, uid: "", resourceVersion: "", createdAt: null, position: null, annotations: {} };
  const ports = used.map((port, index) => ({
    name: typeof port === "string" ? port : `p${port}`,
    port: typeof port === "number" ? port : 10_000 + index,
    targetPort: endpoint.port,
    protocol: "TCP",
    appProtocol: null,
    nodePort: null,
  }));
  const slicePorts = ports.map((port) => ({ name: port.name, port: endpoint.port, protocol: "TCP" }));
  const ready = {
    address: endpoint.address,
    ready: true,
    serving: true,
    terminating: false,
    zone: null,
    nodeName: null,
  };
  return [
    {
      kind: "Service",
      meta,
      type: "ClusterIP",
      clusterIP: "",
      clusterIPs: [],
      externalTrafficPolicy: "Cluster",
      externalName: null,
      ports,
    },
    { kind: "EndpointSlice", meta, service: name, addressType: "IPv4", ports: slicePorts, endpoints: [ready] },
  ];
}
