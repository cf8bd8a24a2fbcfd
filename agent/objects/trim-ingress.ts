// Reading Ingress and IngressClass: networking.k8s.io/v1, and the versions before it, which differ in how a backend
// is written (Kubernetes API deprecation guide, v1.22).

import type { Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls } from "./objects.ts";
import { fault, list, optional, type Reader, type Reading, record, required, text, unread } from "./readers.ts";
import { isRecord, name, printable, shown, wholeNumber, word } from "./readers.ts";
import { labelName, objectName, type ReadMeta } from "./trim-meta.ts";

// Far above what a person writes and what fits into etcd's 1.5 MB; here so that one object has an end.
const RULES_MAX = 5_000;
const PATHS_MAX = 5_000;
const TLS_MAX = 5_000;

const PATH_TYPES = ["Exact", "Prefix", "ImplementationSpecific"] as const;

const readPortName = name(
  /^(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  'a port\'s name as the Service has it, like "http"',
  63,
);
const readPort = record({ number: wholeNumber(1, 65_535), name: optional(readPortName) });
const readServiceFields = record({
  name: labelName,
  port: required(servicePort, "port: {number: 80} or port: {name: http}"),
});
const readResourceFields = record({ apiGroup: text(""), kind: text(""), name: text("") });
const readBackendFields = record({
  service: optional(readServiceFields),
  resource: optional(readResourceFields),
});

const readPath: Reader<IngressPath> = (value, field, reading) =>
  readPathFields(hintOldFields(value, field, reading), field, reading);
const readPathFields = record({
  path: text(""),
  pathType: word(PATH_TYPES, null),
  backend: readBackend,
});
type Rule = { readonly host: string; readonly http: { readonly paths: readonly IngressPath[] } | null };
function ruleReader(path: Reader<IngressPath>): Reader<IngressRule> {
  const read: Reader<Rule> = record({ host: text(""), http: optional(record({ paths: list(path, PATHS_MAX) })) });
  return (value, field, reading) => {
    const rule = read(value, field, reading);
    return { host: rule.host, paths: rule.http?.paths ?? [] };
  };
}
const readTlsFields = record({ hosts: list(text(""), TLS_MAX), secretName: text("") });
const readTls: Reader<IngressTls> = (value, field, reading) => {
  const tls = readTlsFields(value, field, reading);
  if (tls.secretName === "") return { hosts: tls.hosts, secretName: null };
  return { hosts: tls.hosts, secretName: objectName(tls.secretName, `${field}.secretName`, reading) };
};
const readSpec = record({
  ingressClassName: text(null),
  defaultBackend: optional(readBackend),
  rules: list(ruleReader(readPath), RULES_MAX),
  tls: list(readTls, TLS_MAX),
});
const readBetaPath: Reader<IngressPath> = record({
  path: text(""),
  pathType: word(PATH_TYPES, "ImplementationSpecific"),
  backend: readBetaBackend,
});
const readBetaSpec = record({
  ingressClassName: text(null),
  backend: optional(readBetaBackend),
  rules: list(ruleReader(readBetaPath), RULES_MAX),
  tls: list(readTls, TLS_MAX),
});
const document = { apiVersion: unread, kind: unread, metadata: unread, status: unread };
const readIngressFields = record({
  ...document,
  spec: required(readSpec, "spec: with rules or a defaultBackend"),
});
const readBetaFields = record({ ...document, spec: required(readBetaSpec, "spec: with rules or a backend") });
const readParameters = record({
  apiGroup: text(""),
  kind: text(""),
  name: text(""),
  scope: text("Cluster"),
  namespace: text(""),
});
const readClassFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  spec: required(record({ controller: text(""), parameters: optional(readParameters) }), "spec: {controller: …}"),
});

/** Reads an Ingress. Hosts and paths stay as written: what is wrong with one of them costs only its rule. */
export function readIngress(raw: unknown, { meta }: ReadMeta, reading: Reading): Ingress {
  const { spec } = readIngressFields(raw, "", reading);
  return ingressOf(meta, { ...spec, backendField: "defaultBackend" }, reading);
}

/** Reads an Ingress of networking.k8s.io/v1beta1 or extensions/v1beta1: serviceName, servicePort and spec.backend. */
export function readBetaIngress(raw: unknown, { meta }: ReadMeta, reading: Reading): Ingress {
  const { spec } = readBetaFields(raw, "", reading);
  return ingressOf(meta, { ...spec, defaultBackend: spec.backend, backendField: "backend" }, reading);
}

interface Spec extends Omit<Ingress, "kind" | "meta"> {
  readonly backendField: string;
}

function ingressOf(meta: Ingress["meta"], spec: Spec, reading: Reading): Ingress {
  if (reading.faults.length === 0 && spec.rules.length === 0 && spec.defaultBackend === null) {
    fault(reading, "spec", `has neither rules nor a ${spec.backendField}`, "add one of them");
  }
  return {
    kind: "Ingress",
    meta,
    // An empty name is no name: old servers and templates write "".
    ingressClassName: spec.ingressClassName === "" ? null : spec.ingressClassName,
    defaultBackend: spec.defaultBackend,
    tls: spec.tls,
    rules: spec.rules,
  };
}

/** Reads an IngressClass. */
export function readIngressClass(raw: unknown, { meta, annotations }: ReadMeta, reading: Reading): IngressClass {
  const { spec } = readClassFields(raw, "", reading);
  const isDefault = annotations["ingressclass.kubernetes.io/is-default-class"] === "true";
  const { controller } = spec;
  const parameters = parametersOf(spec.parameters);
  return { kind: "IngressClass", meta: { ...meta, annotations: {} }, controller, isDefault, parameters };
}

function parametersOf(parameters: ReturnType<typeof readParameters> | null): IngressClass["parameters"] {
  if (parameters === null) return null;
  const { apiGroup, kind, name: written, namespace } = parameters;
  if (apiGroup === "" && kind === "ConfigMap" && namespace !== "" && written !== "") {
    return { kind: "ConfigMap", key: `${namespace}/${written}` };
  }
  const group = apiGroup === "" ? "" : `.${apiGroup}`;
  return {
    kind: "other",
    text: printable(`${kind}${group} ${namespace === "" ? "" : `${namespace}/`}${written}`, 200),
  };
}

function servicePort(value: unknown, field: string, reading: Reading): number | string {
  if (typeof value === "number" || typeof value === "string") {
    const form = typeof value === "number" ? "number" : "name";
    fault(reading, field, `is ${shown(value)}, not a map`, `write port: {${form}: ${shown(value)}}`);
    return 0;
  }
  const before = reading.faults.length;
  const port = readPort(value, field, reading);
  // A name of "" and a number of 0 are what Go programs print for "none".
  if (reading.faults.length > before) return 0;
  if ((port.number === null) === (port.name === null)) {
    const message = port.number === null ? "has neither number nor name" : "has both number and name";
    fault(reading, field, message, "write one of number and name");
  }
  return port.number ?? port.name ?? 0;
}

function readBackend(value: unknown, field: string, reading: Reading): IngressBackend {
  const before = reading.faults.length;
  if (isRecord(value) && isRecord(value["service"]) && value["service"]["name"] === "") return { kind: "none" };
  const backend = readBackendFields(hintOldFields(value, field, reading), field, reading);
  const { service, resource } = backend;
  // Templates and old API servers let it through; it must not cost the other paths.
  if (service === null && resource === null) return { kind: "none" };
  if (reading.faults.length === before && service !== null && resource !== null) {
    fault(reading, field, "has both service and resource", "write service: {name: …, port: {number: …}}");
  }
  if (service === null && resource !== null) {
    return { kind: "resource", apiGroup: resource.apiGroup, resourceKind: resource.kind, name: resource.name };
  }
  return { kind: "service", service: service?.name ?? "", port: service?.port ?? 0 };
}

const readBetaBackendFields = record({
  serviceName: text(""),
  servicePort: betaPort,
  resource: optional(readResourceFields),
});

function readBetaBackend(value: unknown, field: string, reading: Reading): IngressBackend {
  const before = reading.faults.length;
  const { serviceName, servicePort: port, resource } = readBetaBackendFields(value, field, reading);
  if (serviceName === "" && resource !== null) {
    return { kind: "resource", apiGroup: resource.apiGroup, resourceKind: resource.kind, name: resource.name };
  }
  if (serviceName === "") return { kind: "none" };
  const service = labelName(serviceName, `${field}.serviceName`, reading);
  if (port === null && reading.faults.length === before) {
    fault(reading, `${field}.servicePort`, "is missing", "add it: a port's number or name");
  }
  return { kind: "service", service, port: port ?? 0 };
}

// A number or a name (IntOrString); digits in quotes are a number to those who wrote them.
function betaPort(value: unknown, field: string, reading: Reading): number | string | null {
  if (value === undefined || value === null || value === 0 || value === "") return null;
  if (typeof value !== "string") return wholeNumber(1, 65_535)(value, field, reading);
  return /^\d+$/.test(value)
    ? wholeNumber(1, 65_535)(Number(value), field, reading)
    : readPortName(value, field, reading);
}

// serviceName and servicePort are of the API before 1.19; to call them merely unknown would help nobody.
function hintOldFields(value: unknown, field: string, reading: Reading): unknown {
  if (!isRecord(value) || !("serviceName" in value || "servicePort" in value)) return value;
  const fix = "convert to networking.k8s.io/v1: service: {name: …, port: {number: …}}";
  fault(reading, `${field}.${"serviceName" in value ? "serviceName" : "servicePort"}`, "is of an old API", fix);
  const { serviceName: _name, servicePort: _port, ...rest } = value;
  return rest;
}
