// A Service and its EndpointSlices → backends, one for each port that is used.

import { CHECK_ANNOTATION } from "../objects/annotation-keys.ts";
import type { Endpoint, EndpointSlice, Service, ServicePort } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import { type AddressFilter, addressFilter, REFUSED_FIX } from "./address-filter.ts";
import { parseAddress } from "./addresses.ts";
import { comparePeers, emptyBackend, keepBackend } from "./backend.ts";
import { backendByMode, badMode, endpointsModeOf, modeNow } from "./endpoints-mode.ts";
import type { Backend, BuiltBackends, Peer, Problem } from "./edge-model.ts";
import { externalBackends } from "./external-name.ts";
import type { EndpointsMode, ModelInput, ModelSettings } from "./input.ts";
import { peerCheckOf } from "./peer-check.ts";
import { problemOf } from "./problems.ts";
import { badServiceBalance } from "./ingress/balance.ts";
import { findPort } from "./service-port.ts";
import { badSlowStart, slowStartOf } from "./slow-start.ts";
import { isUrlService, urlBackends } from "./url-backends.ts";

/**
 * Builds the backends of a Service, `serviceKey` "<namespace>/<service>". Ready endpoints serve; where none is ready,
 * those that still serve while they terminate do (as kube-proxy has it). A backend without peers says why.
 * `instead` is a mode to build them for whatever Service and settings say: to see what there would be.
 * That the Service or its port is missing is a problem of the Ingress, see buildHost.
 */
export function buildBackends(
  input: ModelInput,
  settings: ModelSettings,
  serviceKey: string,
  instead: EndpointsMode | null = null,
): BuiltBackends {
  const built = buildUnchecked(input, settings, serviceKey, instead);
  const service = built.backends.length === 0 ? undefined : input.service(serviceKey);
  if (service?.meta.annotations[CHECK_ANNOTATION] === undefined) return built;
  const { check, problems } = peerCheckOf(service, input.hostsOfService(serviceKey));
  return { ...built, problems: [...built.problems, ...problems], ...(check !== null && { check }) };
}

function buildUnchecked(
  input: ModelInput,
  settings: ModelSettings,
  serviceKey: string,
  instead: EndpointsMode | null,
): BuiltBackends {
  const ports = input.portsInUse(serviceKey);
  if (ports.length === 0) return { backends: [], problems: [], externalName: null };
  if (isUrlService(serviceKey)) return urlBackends(input, settings, serviceKey);
  const service = input.service(serviceKey);
  if (service?.type === "ExternalName") return externalBackends(input, settings, serviceKey, service);
  const backends = new Map<string, Backend>();
  const problems: Problem[] = [];
  if (service === undefined) {
    const reason = `Service ${serviceKey} does not exist`;
    for (const port of ports) keepBackend(backends, emptyBackend(serviceKey, String(port), reason));
  } else {
    const slices = input.endpointSlices(serviceKey);
    const slowStartS = slowStartOf(service);
    const allowed = addressFilter(settings);
    const said = endpointsModeOf(service, settings);
    if (said === null) problems.push(badMode(service, settings, input.hostsOfService(serviceKey)));
    const wanted = instead ?? said ?? settings.endpointsMode;
    const nodes = input.nodes();
    const mode = modeNow(wanted, nodes);
    // In the other modes nobody asks a Pod at its address.
    const allowedPods = mode === "pod" ? allowed : () => null;
    for (const written of ports) {
      const port = findPort(service, written);
      if (port === undefined) {
        keepBackend(
          backends,
          emptyBackend(serviceKey, String(written), `Service ${serviceKey} has no port ${written}`),
        );
      } else {
        const byPods = joinSlices(serviceKey, port, slices, { allowed: allowedPods, zone: settings.zone ?? null });
        const backend = backendByMode(mode, byPods, { service, port, slices, nodes: nodes ?? [], allowed });
        keepBackend(backends, slowStartS === null ? backend : { ...backend, slowStartS });
      }
    }
    problems.push(...refusedEndpoints(slices, allowedPods, input.hostsOfService(serviceKey)));
  }
  if (service !== undefined) {
    problems.push(...badAnnotations(service, input.hostsOfService(serviceKey)));
    problems.push(...withoutPeers(service, [...backends.values()], input, serviceKey));
  }
  return { backends: [...backends.values()], problems, externalName: null };
}

function badAnnotations(service: Service, hosts: readonly string[]): readonly Problem[] {
  return [badServiceBalance(service, hosts), badSlowStart(service, hosts)].filter((problem) => problem !== null);
}

/** What an endpoint can do, the more the better: slices overlap while endpoints move between them. */
type Use = 0 | 1 | 2;
const NOT_READY: Use = 0;
const DRAINING: Use = 1;
const READY: Use = 2;

interface Found {
  readonly peer: Peer;
  readonly use: Use;
  /** That it is hinted for. */
  readonly zones: readonly string[];
}

interface Wanted {
  readonly allowed: AddressFilter;
  readonly zone: string | null;
}

function joinSlices(
  serviceKey: string,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  { allowed, zone }: Wanted,
): Backend {
  const uses = new Map<string, Found>();
  let refused = 0;
  for (const slice of slices) {
    if (slice.addressType === "FQDN") continue;
    // By name: the number in a slice is the target port.
    const numbers = slice.ports.filter(({ name, protocol }) => name === port.name && protocol === "TCP");
    if (numbers.length === 0) continue;
    for (const endpoint of slice.endpoints) {
      const address = parseAddress(endpoint.address);
      if (address === null || allowed(address) !== null) {
        refused++;
        continue;
      }
      for (const { port: number } of numbers) {
        const key = `${address.text} ${number}`;
        const use = useOf(endpoint);
        const known = uses.get(key);
        if (known !== undefined && use <= known.use) continue;
        const peer = { address: address.text, port: number, weight: 1 };
        uses.set(key, { peer, use, zones: endpoint.hintedZones ?? [] });
      }
    }
  }
  const backend = choose(serviceKey, port, [...uses.values()], zone);
  if (backend.reason === null || refused === 0) return backend;
  return { ...backend, reason: `${backend.reason}; ${refused} refused for their addresses` };
}

function useOf(endpoint: Endpoint): Use {
  if (endpoint.ready) return READY;
  return endpoint.serving && endpoint.terminating ? DRAINING : NOT_READY;
}

/** Those for the zone, as kube-proxy has it: where each has hints and some are for it; else all of them. */
function ofZone(ready: readonly Found[], zone: string | null): readonly Found[] {
  if (zone === null || ready.some(({ zones }) => zones.length === 0)) return ready;
  const near = ready.filter(({ zones }) => zones.includes(zone));
  return near.length === 0 ? ready : near;
}

function choose(serviceKey: string, port: ServicePort, found: readonly Found[], zone: string | null): Backend {
  const of = (use: Use): readonly Found[] => found.filter((entry) => entry.use === use);
  const ready = ofZone(of(READY), zone).map(({ peer }) => peer);
  const draining = of(DRAINING).map(({ peer }) => peer);
  const notReady = of(NOT_READY).length;
  const peers = [...(ready.length > 0 ? ready : draining)].sort(comparePeers);
  const base = emptyBackend(serviceKey, String(port.port), "");
  if (peers.length === 0) {
    const reason = notReady === 0 ? "no endpoints" : `no ready endpoints (${notReady} not ready)`;
    return { ...base, notReady, draining: 0, reason };
  }
  return { ...base, peers, notReady, draining: ready.length > 0 ? draining.length : 0, reason: null };
}

function refusedEndpoints(
  slices: readonly EndpointSlice[],
  allowed: AddressFilter,
  hosts: readonly string[],
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const slice of slices) {
    if (slice.addressType === "FQDN") continue;
    const refused: { index: number; address: string; why: string }[] = [];
    slice.endpoints.forEach((endpoint, index) => {
      const address = parseAddress(endpoint.address);
      const why = address === null ? "is no IP address" : allowed(address);
      if (why !== null) refused.push({ index, address: printable(endpoint.address, 60), why });
    });
    const [first] = refused;
    if (first === undefined) continue;
    const others = refused.length === 1 ? "" : ` (and ${refused.length - 1} more in this slice)`;
    problems.push(
      problemOf(slice, {
        code: "endpoint-refused",
        severity: "warning",
        field: `endpoints[${first.index}].addresses[0]`,
        message: `${first.address} ${first.why} and gets no requests${others}`,
        fix: REFUSED_FIX,
        hosts,
      }),
    );
  }
  return problems;
}

function withoutPeers(
  service: Service,
  backends: readonly Backend[],
  input: ModelInput,
  serviceKey: string,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const backend of backends) {
    if (backend.reason === null) continue;
    // The Ingress that names a port in vain has that problem itself.
    if (!service.ports.some((port) => String(port.port) === backend.port)) continue;
    problems.push(
      problemOf(service, {
        code: "no-endpoints",
        severity: "error",
        field: "spec.selector",
        message: `port ${backend.port} has ${backend.reason}: its requests get 503`,
        fix:
          backend.notReady === 0 && backend.reason !== "no endpoints"
            ? "docs/backends.md says what each place where endpoints are asked needs"
            : `look at \`kubectl -n ${backend.namespace} get pods,endpointslices\`: selector and readiness decide`,
        hosts: input.hostsOfService(serviceKey),
      }),
    );
  }
  return problems;
}
