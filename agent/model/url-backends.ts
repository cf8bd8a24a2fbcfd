// Hosts of URLs that are asked and are no Service: DNS names and addresses, as backends of their own.
// They stand beside Services under a namespace that no object can have: "@url/<name or address>".
// Whoever may write an Ingress could otherwise make the edge ask any machine that it can reach: names need the
// configuration's word as Services of type ExternalName do, and all addresses pass the guard of endpoints.

import { NGINX_PREFIX } from "../objects/annotation-keys.ts";
import { addressFilter, REFUSED_FIX } from "./address-filter.ts";
import { parseAddress } from "./addresses.ts";
import { emptyBackend } from "./backend.ts";
import type { Backend, BuiltBackends, ExternalName, Peer, Problem } from "./edge-model.ts";
import { addressesOfName, isAllowedName } from "./external-name.ts";
import { claimsOf } from "./ingress/claims.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemOf, type ProblemText } from "./problems.ts";

const NAMESPACE = "@url";

type Text = Omit<ProblemText, "hosts" | "field">;

interface Found {
  readonly addresses: readonly string[];
  readonly reason: string | null;
  readonly problems: readonly Text[];
  readonly externalName: ExternalName | null;
}

/** The key of the host of a URL where keys of Services stand. */
export function urlServiceKey(host: string): string {
  return `${NAMESPACE}/${host}`;
}

export function isUrlService(serviceKey: string): boolean {
  return serviceKey.startsWith(`${NAMESPACE}/`);
}

/**
 * Whether a host is asked at addresses of its own, as Services are. A name that the configuration does not allow is one
 * that is served here, or none: else whoever claims a name here would be asked in place of him who has it in DNS.
 */
export function isAskedByAddress(settings: ModelSettings, serviceKey: string): boolean {
  if (!isUrlService(serviceKey)) return true;
  const host = hostOf(serviceKey);
  return parseAddress(host) !== null || isAllowedName(settings.externalNames, host);
}

/** The backends of the host of a URL, one for each port that is named. */
export function urlBackends(input: ModelInput, settings: ModelSettings, serviceKey: string): BuiltBackends {
  if (!isAskedByAddress(settings, serviceKey)) {
    const problems = servedHere(input, hostOf(serviceKey)) ? [] : problemsOf(input, serviceKey, unknown(serviceKey));
    return { backends: [], problems, externalName: null };
  }
  const found = find(input, settings, hostOf(serviceKey));
  const backends = input.portsInUse(serviceKey).map((port): Backend => {
    const peers: readonly Peer[] = found.addresses.map((address) => ({ address, port: Number(port), weight: 1 }));
    return { ...emptyBackend(serviceKey, String(port), ""), peers, reason: found.reason };
  });
  const problems = found.problems.flatMap((text) => problemsOf(input, serviceKey, text));
  return { backends, problems, externalName: found.externalName };
}

function hostOf(serviceKey: string): string {
  return serviceKey.slice(NAMESPACE.length + 1);
}

function servedHere(input: ModelInput, host: string): boolean {
  return input.ingressesOfHost(host).some((ingress) => {
    const claims = claimsOf(ingress);
    return claims.routed.has(host) || claims.aliases.has(host);
  });
}

function unknown(serviceKey: string): Text {
  const host = hostOf(serviceKey);
  return {
    code: "backend-unsupported",
    severity: "error",
    message: `${host} is not served here, and endpoints.externalNames does not allow it: its routes answer 503`,
    fix: `name a Service as <name>.<namespace>.svc, or allow ${host} in \`endpoints.externalNames\` of the configuration`,
  };
}

function find(input: ModelInput, settings: ModelSettings, host: string): Found {
  const none = { addresses: [], problems: [], externalName: null };
  const address = parseAddress(host);
  if (address === null) return addressesOfName(input, settings, host);
  const why = addressFilter(settings)(address);
  if (why === null) return { ...none, addresses: [address.text], reason: null };
  const message = `${host} ${why} and is not asked: its routes answer 503`;
  const problem: Text = { code: "endpoint-refused", severity: "error", message, fix: REFUSED_FIX };
  return { ...none, reason: `${host} ${why}`, problems: [problem] };
}

// Each Ingress that asks it should be mended by its owner.
function problemsOf(input: ModelInput, serviceKey: string, text: Text): readonly Problem[] {
  const hosts = input.hostsOfService(serviceKey);
  const owners = new Set(hosts.flatMap((host) => input.ingressesOfHost(host)));
  const field = `metadata.annotations["${NGINX_PREFIX}/auth-url"]`;
  return [...owners]
    .map(claimsOf)
    .filter(({ services }) => services.has(serviceKey))
    .map(({ ingress, services }) =>
      problemOf(ingress, { ...text, field, hosts: services.get(serviceKey)?.hosts ?? [] }),
    );
}
