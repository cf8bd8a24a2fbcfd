// Where the endpoints of a Service are asked when it is not at the addresses of its Pods: an edge often has no route
// to those. What is known of the Pods still decides whether there is anything to ask.

import { ENDPOINTS_ANNOTATION } from "../objects/annotation-keys.ts";
import { compareText } from "../objects/objects.ts";
import type { Endpoint, EndpointSlice, Node, Service, ServicePort } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import type { AddressFilter } from "./address-filter.ts";
import { type Address, parseAddress } from "./addresses.ts";
import type { Backend, Peer, Problem } from "./edge-model.ts";
import type { EndpointsMode, ModelInput, ModelSettings } from "./input.ts";
import { problemOf } from "./problems.ts";

const MODES = ["pod", "nodePort", "clusterIP"] as const satisfies readonly EndpointsMode[];
/** The data plane's. */
const WEIGHT_MAX = 100;

/** The mode of a Service: its annotation, else the configuration's. null: what it says is no mode. */
export function endpointsModeOf(service: Service, settings: ModelSettings): EndpointsMode | null {
  const said = service.meta.annotations[ENDPOINTS_ANNOTATION];
  return said === undefined ? settings.endpointsMode : (MODES.find((mode) => mode === said.trim()) ?? null);
}

/** The mode of a Service; where its annotation names none, the configuration's holds. */
export function modeInEffect(service: Service, settings: ModelSettings): EndpointsMode {
  return endpointsModeOf(service, settings) ?? settings.endpointsMode;
}

/**
 * The mode in which a Service is asked now. Nodes that nobody has read say nothing: until then what served goes on
 * serving, and nodeProblems tells.
 */
export function modeNow(wanted: EndpointsMode, nodes: readonly Node[] | null): EndpointsMode {
  return wanted === "nodePort" && nodes === null ? "pod" : wanted;
}

/** Services in use that are to be asked at their node ports. */
export function servicesAtNodes(input: ModelInput, settings: ModelSettings): readonly string[] {
  return [...input.servicesInUse()].filter((key) => {
    const service = input.service(key);
    return service !== undefined && service.type !== "ExternalName" && modeInEffect(service, settings) === "nodePort";
  });
}

/** The problem of a Service whose annotation names no mode. */
export function badMode(service: Service, settings: ModelSettings, hosts: readonly string[]): Problem {
  const said = printable(service.meta.annotations[ENDPOINTS_ANNOTATION] ?? "", 60);
  return problemOf(service, {
    code: "annotation-invalid",
    severity: "error",
    field: `metadata.annotations["${ENDPOINTS_ANNOTATION}"]`,
    message: `"${said}" is no place where endpoints are asked: ${settings.endpointsMode} of the configuration holds`,
    fix: `write one of ${MODES.join(", ")}`,
    hosts,
  });
}

export interface ModeInput {
  readonly service: Service;
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly allowed: AddressFilter;
}

/**
 * The backend of a port in a mode that is not `pod`; `byPods` is what it would be in that one. Without Pods that
 * serve there are no peers here either: a port that leads nowhere would only hold requests up.
 */
export function backendByMode(mode: EndpointsMode, byPods: Backend, input: ModeInput): Backend {
  if (mode === "pod" || byPods.reason !== null) return byPods;
  const { peers, reason } = mode === "nodePort" ? nodePeers(input) : clusterPeers(input);
  return peers.length > 0 ? { ...byPods, peers } : { ...byPods, peers: [], reason };
}

interface Found {
  readonly peers: readonly Peer[];
  readonly reason: string;
}

function nodePeers({ service, port, slices, nodes, allowed }: ModeInput): Found {
  const number = port.nodePort;
  if (number === null) {
    return {
      peers: [],
      reason: "has no node port: give it type NodePort, or type LoadBalancer with allocateLoadBalancerNodePorts",
    };
  }
  const families = familiesOf(service);
  const local = service.externalTrafficPolicy === "Local" ? endpointsByNode(slices, port) : null;
  const peers: Peer[] = [];
  for (const node of nodes) {
    const weight = local === null ? 1 : Math.min(WEIGHT_MAX, local.get(node.meta.name) ?? 0);
    const address = node.ready && !node.excluded && weight > 0 ? addressOf(node, families, allowed) : null;
    if (address !== null) peers.push({ address: address.text, port: number, weight });
  }
  const reason =
    local === null
      ? `none of ${nodes.length} nodes is Ready and has an address that may be asked`
      : "externalTrafficPolicy is Local, and no Ready node has an endpoint that serves";
  return { peers: peers.toSorted((a, b) => compareText(a.address, b.address)), reason };
}

/** The families in which a node's port answers, the Service's first one first. Empty: nothing is said of them. */
function familiesOf({ clusterIP, clusterIPs }: Service): readonly Address["kind"][] {
  const written = clusterIPs.length > 0 ? clusterIPs : [clusterIP];
  return written.map(parseAddress).flatMap((address) => (address === null ? [] : [address.kind]));
}

/** One address is enough: both families of a node lead to the same Pods. */
function addressOf(node: Node, families: readonly Address["kind"][], allowed: AddressFilter): Address | null {
  const usable = node.addresses
    .map(parseAddress)
    .filter((address) => address !== null)
    .filter((address) => allowed(address) === null);
  if (families.length === 0) return usable[0] ?? null;
  for (const family of families) {
    const address = usable.find(({ kind }) => kind === family);
    if (address !== undefined) return address;
  }
  return null;
}

/** Endpoints that are ready; where none is, those that still serve while they end, as kube-proxy has it. */
function endpointsByNode(slices: readonly EndpointSlice[], port: ServicePort): ReadonlyMap<string, number> {
  const ready = countByNode(slices, port, (endpoint) => endpoint.ready);
  return ready.size > 0 ? ready : countByNode(slices, port, ({ serving, terminating }) => serving && terminating);
}

function countByNode(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  isCounted: (endpoint: Endpoint) => boolean,
): ReadonlyMap<string, number> {
  const nodesOf = new Map<string, string>();
  for (const slice of slices) {
    if (!slice.ports.some(({ name, protocol }) => name === port.name && protocol === "TCP")) continue;
    for (const endpoint of slice.endpoints)
      if (endpoint.nodeName !== null && isCounted(endpoint)) nodesOf.set(endpoint.address, endpoint.nodeName);
  }
  const counts = new Map<string, number>();
  for (const name of nodesOf.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function clusterPeers({ service, port, allowed }: ModeInput): Found {
  const written = service.clusterIPs.length > 0 ? service.clusterIPs : [service.clusterIP];
  const addresses = written.map(parseAddress).filter((address) => address !== null);
  // One is enough: all of them lead to the same Pods.
  const address = addresses.find((each) => allowed(each) === null);
  if (address !== undefined) return { peers: [{ address: address.text, port: port.port, weight: 1 }], reason: "" };
  const [refused] = addresses;
  if (refused === undefined) return { peers: [], reason: "has no cluster IP: a headless Service is asked at its Pods" };
  return { peers: [], reason: `its cluster IP ${refused.text} ${allowed(refused) ?? "is refused"}` };
}
