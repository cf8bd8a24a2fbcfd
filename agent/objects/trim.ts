// From untrusted documents (YAML of people, JSON of API servers) to the trimmed objects of objects.ts.
// In: any value. Out: an object, all faults of it, or "ignored" for kinds that Headgate does not use.
// Never throws, and reads only the fields that are used: the rest is not kept.

import { decodeBase64, textOfBytes } from "./base64.ts";
import type {
  ClientTrust,
  ConfigMap,
  Fault,
  KeyPair,
  KubernetesObject,
  ObjectKind,
  ObjectRef,
  Position,
  Secret,
} from "./objects.ts";
import { flag, isRecord, type Reading, record, shown, text, textMap, unread } from "./readers.ts";
import { didYouMean } from "../lib/spelling.ts";
import { readEndpoints } from "./trim-endpoints.ts";
import { readBetaIngress, readIngress, readIngressClass } from "./trim-ingress.ts";
import { readNode } from "./trim-node.ts";
import { type ReadMeta, readMeta } from "./trim-meta.ts";
import { readEndpointSlice, readService, SERVICE_NAME_LABEL } from "./trim-service.ts";

/** Looks into tls.crt and tls.key (PEM). Passed in, because looking needs a crypto library and this room is pure. */
export type InspectKeyPair = (certificate: string, key: string) => KeyPair;
/** Reads ca.crt (PEM): what OpenSSL will read without fault, or null. Passed in for the same reason. */
export type ReadAuthorities = (pem: string) => string | null;

/** Reads ca.crl (PEM; null: there is none) that goes with authorities; null: it cannot be read. */
export type ReadClientTrust = (authorities: string, revocations: string | null) => ClientTrust | null;

/** How Secrets are looked into. */
export interface SecretReaders {
  readonly inspectKeyPair: InspectKeyPair;
  /** Absent: nothing is an authority. */
  readonly readAuthorities?: ReadAuthorities;
  readonly readClientTrust?: ReadClientTrust;
}

export interface TrimOptions extends SecretReaders {
  /** true: an unknown field is a fault (manifests); false: it is dropped (API servers). */
  readonly strict: boolean;
  readonly position: Position | null;
}

export type Trimmed =
  | { readonly kind: "object"; readonly object: KubernetesObject }
  | { readonly kind: "refused"; readonly ref: ObjectRef | null; readonly faults: readonly Fault[] }
  | { readonly kind: "ignored" };

/** What is read of each kind, the newest version first. */
export const VERSIONS = {
  Ingress: ["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"],
  IngressClass: ["networking.k8s.io/v1", "networking.k8s.io/v1beta1"],
  Service: ["v1"],
  EndpointSlice: ["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"],
  Endpoints: ["v1"],
  Secret: ["v1"],
  ConfigMap: ["v1"],
  Node: ["v1"],
} as const satisfies Record<ObjectKind, readonly [string, ...string[]]>;
const KINDS = Object.keys(VERSIONS) as ObjectKind[]; // the keys of the record above
const CLUSTER_SCOPED: ReadonlySet<ObjectKind> = new Set<ObjectKind>(["IngressClass", "Node"]);

/**
 * Trims one document to the fields that are used. All its faults are listed at once, each with the field's path
 * ("spec.rules[0].http.paths[1].backend.service.port") and a fix. Hosts and paths of an Ingress are not judged
 * here: a bad one costs only its own rule. A Secret that is no key pair becomes one with a bad key pair.
 */
export function trimObject(raw: unknown, options: TrimOptions): Trimmed {
  if (!isRecord(raw)) {
    const fix = "write an object with apiVersion, kind and metadata";
    return { kind: "refused", ref: null, faults: [{ field: "(document)", message: `is ${shown(raw)}`, fix }] };
  }
  const which = kindOf(raw, options.strict);
  if (which.kind === "ignored") return which;
  if (which.kind === "fault") return { kind: "refused", ref: refOfRaw(raw, which.objectKind), faults: [which.fault] };
  if (which.objectKind === "EndpointSlice" && !namesService(raw)) return { kind: "ignored" };

  const reading: Reading = { strict: options.strict, faults: [] };
  const object = readKind(which.objectKind, raw, reading, options);
  if (reading.faults.length > 0) {
    return { kind: "refused", ref: refOfRaw(raw, which.objectKind), faults: reading.faults };
  }
  return { kind: "object", object };
}

/** The objects of a `kind: List` (what `kubectl get -o yaml` prints of several), or null for any other document. */
export function itemsOfList(raw: unknown): readonly unknown[] | null {
  if (!isRecord(raw) || raw["kind"] !== "List" || raw["apiVersion"] !== "v1") return null;
  return Array.isArray(raw["items"]) ? raw["items"] : null;
}

function readKind(
  kind: ObjectKind,
  raw: Record<string, unknown>,
  reading: Reading,
  options: TrimOptions,
): KubernetesObject {
  const namespaced = !CLUSTER_SCOPED.has(kind);
  const meta = readMeta(raw["metadata"], { namespaced, position: options.position }, reading);
  switch (kind) {
    case "Ingress":
      return isBeta(raw) ? readBetaIngress(raw, meta, reading) : readIngress(raw, meta, reading);
    case "IngressClass":
      return readIngressClass(raw, meta, reading);
    case "Service":
      return readService(raw, meta, reading);
    case "EndpointSlice":
      return readEndpointSlice(raw, meta, reading);
    case "Endpoints":
      return readEndpoints(raw, meta, reading);
    case "Node":
      return readNode(raw, meta, reading);
    case "ConfigMap":
      return readConfigMap(raw, meta, reading);
    case "Secret":
      return readSecret(raw, meta, reading, options);
  }
}

function isBeta(raw: Record<string, unknown>): boolean {
  return String(raw["apiVersion"]).endsWith("/v1beta1");
}

type Which =
  | { readonly kind: "known"; readonly objectKind: ObjectKind }
  | { readonly kind: "fault"; readonly objectKind: ObjectKind | null; readonly fault: Fault }
  | { readonly kind: "ignored" };

function kindOf(raw: Record<string, unknown>, strict: boolean): Which {
  const { apiVersion, kind } = raw;
  if (typeof kind !== "string" || kind === "")
    return faultyKind(null, "kind", "is missing", "add it, like kind: Ingress");
  if (typeof apiVersion !== "string" || apiVersion === "") {
    const fix = "add it, like apiVersion: networking.k8s.io/v1";
    return faultyKind(KINDS.find((known) => known === kind) ?? null, "apiVersion", "is missing", fix);
  }
  const group = groupOf(apiVersion);
  const objectKind = KINDS.find((known) => known === kind);
  if (objectKind === undefined) {
    // A manifest's `kind: ingress` would else be dropped without a word.
    const near = strict ? didYouMean(kind, KINDS) : null;
    const ours = near === null ? null : KINDS.find((known) => known === near && isGroupOf(known, group));
    if (ours === null || ours === undefined) return { kind: "ignored" };
    return faultyKind(null, "kind", `is ${shown(kind)}`, `did you mean ${ours}?`);
  }
  const versions: readonly string[] = VERSIONS[objectKind];
  if (versions.includes(apiVersion)) return { kind: "known", objectKind };
  const [right = ""] = versions;
  const nearly = didYouMean(apiVersion, [right]) !== null || apiVersion === groupOf(right);
  if (!isGroupOf(objectKind, group) && !nearly) return { kind: "ignored" };
  return faultyKind(objectKind, "apiVersion", `${shown(apiVersion)} is not served`, `convert to ${right}`);
}

/** "networking.k8s.io" of "networking.k8s.io/v1", "" of "v1". */
function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

function isGroupOf(kind: ObjectKind, group: string): boolean {
  return VERSIONS[kind].some((version) => groupOf(version) === group);
}

function faultyKind(objectKind: ObjectKind | null, field: string, message: string, fix: string): Which {
  return { kind: "fault", objectKind, fault: { field, message, fix } };
}

// For the message and for "the last good one stays"; only if the document says clearly which object it is.
function refOfRaw(raw: Record<string, unknown>, kind: ObjectKind | null): ObjectRef | null {
  const metadata = raw["metadata"];
  if (kind === null || !isRecord(metadata)) return null;
  const { name, namespace } = metadata;
  if (typeof name !== "string" || name === "" || name.length > 253 || name.includes("/")) return null;
  if (CLUSTER_SCOPED.has(kind)) return { kind, namespace: "", name };
  const space = typeof namespace === "string" && namespace !== "" ? namespace : "default";
  return space.length > 63 || space.includes("/") ? null : { kind, namespace: space, name };
}

function namesService(raw: Record<string, unknown>): boolean {
  const metadata = raw["metadata"];
  const labels = isRecord(metadata) ? metadata["labels"] : undefined;
  const service = isRecord(labels) ? labels[SERVICE_NAME_LABEL] : undefined;
  return typeof service === "string" && service !== "";
}

const readConfigMapFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  data: textMap,
  binaryData: unread,
  immutable: unread,
});

function readConfigMap(raw: unknown, { meta }: ReadMeta, reading: Reading): ConfigMap {
  const { data } = readConfigMapFields(raw, "", reading);
  return { kind: "ConfigMap", meta: { ...meta, annotations: {} }, data };
}

const readSecretFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  type: text("Opaque"),
  data: textMap,
  stringData: textMap,
  immutable: flag(false),
});

function readSecret(raw: unknown, { meta }: ReadMeta, reading: Reading, options: TrimOptions): Secret {
  const secret = readSecretFields(raw, "", reading);
  const authorities = authoritiesOf(secret, options.readAuthorities ?? null);
  const trimmed = {
    kind: "Secret",
    meta: { ...meta, annotations: {} },
    type: secret.type,
    refused: null,
    authorities,
    ...clientTrustOf(secret, authorities, options.readClientTrust ?? null),
    ...(secret.type === "kubernetes.io/tls" ? {} : { values: valuesOf(secret) }),
  } as const;
  // Nothing is worth a look into a key pair when the object is refused anyway.
  if (reading.faults.length > 0) return { ...trimmed, keyPair: missing("tls.crt") };
  const certificate = dataOf(secret, "tls.crt");
  if (typeof certificate !== "string") return { ...trimmed, keyPair: certificate };
  const key = dataOf(secret, "tls.key");
  if (typeof key !== "string") return { ...trimmed, keyPair: key };
  return { ...trimmed, keyPair: options.inspectKeyPair(certificate, key) };
}

/** The key of an htpasswd file; any other value that is longer than a password hash is none. */
const USERS_KEY = "auth";
const HASH_LENGTH_MAX = 512;

function valuesOf({ data, stringData }: SecretData): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [key, encoded] of Object.entries(data)) {
    const short = key === USERS_KEY || encoded.length <= HASH_LENGTH_MAX * 2;
    values[key] = short ? textOfBytes(decodeBase64(encoded) ?? "") : "";
  }
  for (const [key, value] of Object.entries(stringData)) {
    values[key] = key === USERS_KEY || value.length <= HASH_LENGTH_MAX ? value : "";
  }
  return values;
}

type SecretData = Pick<ReturnType<typeof readSecretFields>, "data" | "stringData">;
type TlsField = "tls.crt" | "tls.key" | "ca.crt" | "ca.crl";

const AUTHORITIES_LENGTH_MAX = 262_144;
/** Secrets have at most 1 MiB. */
const REVOCATIONS_LENGTH_MAX = 1_048_576;

function authoritiesOf(secret: SecretData, read: ReadAuthorities | null): string | null {
  const text = dataOf(secret, "ca.crt");
  if (typeof text !== "string" || text.length > AUTHORITIES_LENGTH_MAX || read === null) return null;
  return read(text);
}

function clientTrustOf(
  secret: SecretData,
  authorities: string | null,
  read: ReadClientTrust | null,
): Pick<Secret, "clientTrust"> {
  if (authorities === null || read === null) return {};
  const written = secret.stringData["ca.crl"] ?? secret.data["ca.crl"];
  if (written === undefined) return { clientTrust: read(authorities, null) };
  const text = dataOf(secret, "ca.crl");
  const usable = typeof text === "string" && text.length <= REVOCATIONS_LENGTH_MAX;
  return { clientTrust: usable ? read(authorities, text) : null };
}

// stringData wins over data, as in the API server.
function dataOf({ data, stringData }: SecretData, field: TlsField): string | KeyPair {
  const plain = stringData[field];
  if (plain !== undefined) return plain;
  const encoded = data[field];
  if (encoded === undefined || encoded === "") return missing(field);
  const decoded = decodeBase64(encoded);
  if (decoded !== null) return decoded;
  const fix = `encode it with \`base64 -w0\`, or put the PEM text under stringData["${field}"]`;
  return { kind: "bad", field: `data["${field}"]`, message: "is not base64", fix };
}

function missing(field: TlsField): KeyPair {
  const fix = "create it with `kubectl create secret tls NAME --cert=FILE --key=FILE`";
  return { kind: "bad", field: `data["${field}"]`, message: "is missing", fix };
}
