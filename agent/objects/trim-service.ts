// Reading v1 Service and EndpointSlice, of discovery.k8s.io/v1 and v1beta1.

import type { Endpoint, EndpointSlice, EndpointSlicePort, Service, ServicePort } from "./objects.ts";
import { fault, flag, list, optional, type Reader, type Reading, record, required } from "./readers.ts";
import { shown, text, textMap, unread, wholeNumber, word } from "./readers.ts";
import { SERVICE_ANNOTATIONS } from "./annotation-keys.ts";
import type { ReadMeta } from "./trim-meta.ts";

/** The label that names a slice's Service. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

// A Service has at most some hundred ports, a slice at most 1,000 endpoints and 20,000 ports by the API's own rules.
const SERVICE_PORTS_MAX = 1_000;
const SLICE_ENDPOINTS_MAX = 1_000;
const SLICE_PORTS_MAX = 20_000;
const ADDRESSES_MAX = 100;
// The API allows 8.
const HINTS_MAX = 100;

const SERVICE_TYPES = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] as const;
const ADDRESS_TYPES = ["IPv4", "IPv6", "FQDN"] as const;

const readServicePortFields = record({
  name: text(""),
  protocol: text("TCP"),
  appProtocol: text(null),
  port: required(wholeNumber(1, 65_535), "the port's number"),
  targetPort: targetPort,
  nodePort: nodePort,
});
const readServicePort: Reader<ServicePort> = (value, field, reading) => {
  const port = readServicePortFields(value, field, reading);
  return {
    name: port.name,
    port: port.port ?? 0,
    targetPort: port.targetPort ?? port.port ?? 0,
    protocol: port.protocol,
    appProtocol: port.appProtocol,
    nodePort: port.nodePort,
  };
};
const readServiceSpec = record({
  type: word(SERVICE_TYPES, "ClusterIP"),
  clusterIP: text(""),
  ports: list(readServicePort, SERVICE_PORTS_MAX),
  allocateLoadBalancerNodePorts: unread,
  clusterIPs: list(text(""), ADDRESSES_MAX),
  externalIPs: unread,
  externalName: text(""),
  externalTrafficPolicy: text("Cluster"),
  healthCheckNodePort: unread,
  internalTrafficPolicy: unread,
  ipFamilies: unread,
  ipFamily: unread,
  ipFamilyPolicy: unread,
  loadBalancerClass: unread,
  loadBalancerIP: unread,
  loadBalancerSourceRanges: unread,
  publishNotReadyAddresses: unread,
  selector: unread,
  sessionAffinity: unread,
  sessionAffinityConfig: unread,
  topologyKeys: unread,
  trafficDistribution: unread,
});
const readServiceFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  spec: required(readServiceSpec, "spec: with ports"),
  status: unread,
});

/** Reads a Service. */
export function readService(raw: unknown, { meta }: ReadMeta, reading: Reading): Service {
  const { spec } = readServiceFields(raw, "", reading);
  const annotations: Record<string, string> = {};
  for (const key of SERVICE_ANNOTATIONS) {
    const value = meta.annotations[key];
    if (value !== undefined) annotations[key] = value;
  }
  return {
    kind: "Service",
    meta: { ...meta, annotations },
    type: spec.type,
    clusterIP: spec.clusterIP,
    clusterIPs: spec.clusterIPs.filter((address) => address !== ""),
    externalTrafficPolicy: spec.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
    externalName: spec.type === "ExternalName" ? spec.externalName : null,
    ports: spec.ports,
  };
}

const ZONE_LABEL = "topology.kubernetes.io/zone";
const HOST_LABEL = "kubernetes.io/hostname";

// Absent conditions mean: ready, serving, not terminating (discovery/v1 EndpointConditions).
const readConditions = record({ ready: flag(true), serving: flag(true), terminating: flag(false) });
const readHints = record({ forZones: list(record({ name: text("") }), HINTS_MAX), forNodes: unread });
const readEndpointFields = record({
  addresses: list(text(""), ADDRESSES_MAX),
  conditions: readConditions,
  zone: text(null),
  deprecatedTopology: unread,
  hints: readHints,
  hostname: unread,
  nodeName: text(null),
  // v1beta1, where it has the node's name and zone.
  topology: textMap,
  targetRef: unread,
});
const readEndpoint: Reader<Endpoint> = (value, field, reading) => {
  const found = readEndpointFields(value, field, reading);
  const [address] = found.addresses;
  if (address === undefined || address === "") {
    fault(reading, `${field}.addresses`, "has no address", "add the endpoint's address");
  }
  const hintedZones = found.hints.forZones.map(({ name }) => name).filter((name) => name !== "");
  return {
    address: address ?? "",
    ...found.conditions,
    zone: found.zone ?? found.topology[ZONE_LABEL] ?? null,
    nodeName: found.nodeName ?? found.topology[HOST_LABEL] ?? null,
    ...(hintedZones.length === 0 ? {} : { hintedZones }),
  };
};
const readSlicePort = record({
  name: text(""),
  protocol: text("TCP"),
  port: wholeNumber(1, 65_535),
  appProtocol: unread,
});
const readSliceFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: unread,
  addressType: word(ADDRESS_TYPES, null),
  endpoints: list(readEndpoint, SLICE_ENDPOINTS_MAX),
  ports: list(optional(readSlicePort), SLICE_PORTS_MAX),
});

/** Reads an EndpointSlice of the Service that its label names. A port without number means all ports: no use here. */
export function readEndpointSlice(raw: unknown, { meta, labels }: ReadMeta, reading: Reading): EndpointSlice {
  const slice = readSliceFields(raw, "", reading);
  const ports: EndpointSlicePort[] = [];
  for (const port of slice.ports) {
    if (port !== null && port.port !== null) ports.push({ name: port.name, port: port.port, protocol: port.protocol });
  }
  return {
    kind: "EndpointSlice",
    meta: { ...meta, annotations: {} },
    service: labels[SERVICE_NAME_LABEL] ?? "",
    addressType: slice.addressType,
    ports,
    endpoints: slice.endpoints,
  };
}

// 0 is what Go programs print for "none".
function nodePort(value: unknown, field: string, reading: Reading): number | null {
  return value === 0 ? null : wholeNumber(1, 65_535)(value, field, reading);
}

function targetPort(value: unknown, field: string, reading: Reading): number | string | null {
  if (value === undefined || value === null || value === "" || value === 0) return null;
  if (typeof value === "string") return value;
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 65_535) return value;
  fault(reading, field, `is ${shown(value)}, neither a port number nor a name`, "write a port number or a name");
  return null;
}
