// Services of type ExternalName: their peers are the addresses of a DNS name, where the configuration allows that name.
// Whoever may write a Service could otherwise make the edge ask any machine that it can reach.

import type { Service } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import { type AddressFilter, addressFilter, REFUSED_FIX } from "./address-filter.ts";
import { type Address, localReason, parseAddress } from "./addresses.ts";
import { comparePeers, emptyBackend, keepBackend } from "./backend.ts";
import type { Backend, BuiltBackends, ExternalName, Problem } from "./edge-model.ts";
import type { ModelInput, ModelSettings, NameTrouble } from "./input.ts";
import { problemOf, type ProblemText } from "./problems.ts";
import { findPort } from "./service-port.ts";

const NAME_LENGTH_MAX = 253;
const SHOWN_MAX = 60;
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** More peers than a name has in earnest; what an answer of a stranger's server may cost here has to end somewhere. */
const ADDRESSES_MAX = 64;

/** The backends of a Service of type ExternalName, all of whose addresses count as ready. */
export function externalBackends(
  input: ModelInput,
  settings: ModelSettings,
  serviceKey: string,
  service: Service,
): BuiltBackends {
  const found = findAddresses(input, settings, service);
  const backends = new Map<string, Backend>();
  for (const written of input.portsInUse(serviceKey)) {
    const port = findPort(service, written);
    if (port === undefined) {
      keepBackend(backends, emptyBackend(serviceKey, String(written), `Service ${serviceKey} has no port ${written}`));
      continue;
    }
    const number = typeof port.targetPort === "number" ? port.targetPort : port.port;
    const peers = found.addresses.map(({ text }) => ({ address: text, port: number, weight: 1 }));
    const base = emptyBackend(serviceKey, String(port.port), found.reason ?? "");
    keepBackend(backends, { ...base, peers: peers.toSorted(comparePeers), reason: found.reason });
  }
  const hosts = input.hostsOfService(serviceKey);
  const problems = found.problems.map((text): Problem => problemOf(service, { ...text, hosts }));
  return { backends: [...backends.values()], problems, externalName: found.externalName };
}

type Text = Omit<ProblemText, "hosts">;

/** The addresses of a DNS name that the configuration allows. */
export function addressesOfName(
  input: ModelInput,
  settings: ModelSettings,
  name: string,
): { readonly addresses: readonly string[] } & Pick<Found, "externalName" | "reason" | "problems"> {
  const found = findAddresses(input, settings, { externalName: name });
  return { ...found, addresses: found.addresses.map(({ text }) => text) };
}

interface Found {
  readonly externalName: ExternalName | null;
  readonly addresses: readonly Address[];
  /** Why there are none. */
  readonly reason: string | null;
  readonly problems: readonly Text[];
}

const FIELD = "spec.externalName";

function findAddresses(
  input: ModelInput,
  settings: ModelSettings,
  { externalName }: Pick<Service, "externalName">,
): Found {
  const nothing = { externalName: null, addresses: [] };
  // A snapshot of an earlier version has Services without the field.
  const parsed = parseDnsName(externalName ?? "");
  if (parsed.kind === "bad") {
    const { message, fix } = parsed;
    const text: Text = {
      code: "external-name-invalid",
      severity: "error",
      field: FIELD,
      message: `${message}: its requests get 503`,
      fix,
    };
    return { ...nothing, reason: `externalName ${message}`, problems: [text] };
  }
  const { name } = parsed;
  if (settings.externalNames.length === 0) {
    return { ...nothing, reason: "ExternalName is off", problems: [off("which is off", name)] };
  }
  if (!isAllowedName(settings.externalNames, name)) {
    const why = `and endpoints.externalNames does not allow ${name}`;
    return { ...nothing, reason: `endpoints.externalNames does not allow ${name}`, problems: [off(why, name)] };
  }
  const known = input.addressesOf(name);
  if (known === undefined) {
    const reason = `${name} is not resolved yet`;
    return { externalName: { name, resolved: false }, addresses: [], reason, problems: [] };
  }
  const { addresses, refused } = judge(known.addresses, addressFilter(settings));
  const problems: Text[] = [];
  if (known.trouble !== null) problems.push(unresolved(name, known.trouble, known.addresses.length > 0));
  if (refused.length > 0) problems.push(refusal(name, refused, addresses.length === 0));
  const reason =
    refused.length > 0
      ? `${name} has only addresses that get no requests`
      : `${name} has no address: ${known.trouble?.cause ?? "an empty answer"}`;
  return {
    externalName: { name, resolved: true },
    addresses: ofFamilies(addresses, settings.hostAddresses),
    reason: addresses.length === 0 ? reason : null,
    problems,
  };
}

type ParsedName =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "bad"; readonly message: string; readonly fix: string };

/** Reads a DNS name: lower case, without the dot at its end. */
function parseDnsName(written: string): ParsedName {
  const shown = `"${printable(written, SHOWN_MAX)}"`;
  const name = written.toLowerCase().replace(/\.$/, "");
  if (name === "") return { kind: "bad", message: "is missing", fix: "write a DNS name like db.example.org" };
  // Resolvers take "10.1" and "2130706433" for addresses too.
  if (parseAddress(name) !== null || name.includes(":") || /(^|\.)\d+$/.test(name)) {
    return { kind: "bad", message: `${shown} is no DNS name`, fix: "write an EndpointSlice or a DNS name" };
  }
  if (name.length > NAME_LENGTH_MAX || !name.split(".").every((label) => LABEL.test(label))) {
    const fix = "write labels of letters, digits and '-', at most 63 characters each, joined with dots";
    return { kind: "bad", message: `${shown} is no DNS name`, fix };
  }
  return { kind: "name", name };
}

/** Whether a pattern allows a name as parseDnsName gives it: the same name, "*.example.org" for all below it, "*". */
export function isAllowedName(patterns: readonly string[], name: string): boolean {
  return patterns.some((written) => {
    const pattern = written.toLowerCase().replace(/\.$/, "");
    return pattern === "*" || pattern === name || (pattern.startsWith("*.") && name.endsWith(pattern.slice(1)));
  });
}

/** `why`: as it ends a sentence. The field is that of the time before there was a setting. */
function off(why: string, name: string): Text {
  return {
    code: "backend-unsupported",
    severity: "error",
    field: "spec.type",
    message: `is of type ExternalName, ${why}: its requests get 503`,
    fix: `allow ${name} in \`endpoints.externalNames\` of the configuration, or give the Service a selector or EndpointSlices of its own`,
  };
}

function unresolved(name: string, { cause, heard, until }: NameTrouble, kept: boolean): Text {
  const end = until === null ? "" : ` until ${until}`;
  const what = kept ? `its addresses of ${heard} stay in use${end}` : "its requests get 503";
  return {
    code: "external-name-unresolved",
    severity: kept ? "warning" : "error",
    field: FIELD,
    message: `${name} is not resolved (${cause}): ${what}`,
    fix: `look at what the servers of this machine's /etc/resolv.conf answer for ${name}, or correct the name`,
  };
}

interface Refused {
  readonly address: string;
  readonly why: string;
}

function judge(
  written: readonly string[],
  allowed: AddressFilter,
): { readonly addresses: readonly Address[]; readonly refused: readonly Refused[] } {
  const addresses = new Map<string, Address>();
  const refused: Refused[] = [];
  for (const text of written) {
    const address = parseAddress(text);
    const why = address === null ? "is no IP address" : allowed(address);
    if (why !== null) refused.push({ address: printable(text, SHOWN_MAX), why });
    else if (address !== null && addresses.size < ADDRESSES_MAX) addresses.set(address.text, address);
  }
  return { addresses: [...addresses.values()], refused };
}

function refusal(name: string, refused: readonly Refused[], all: boolean): Text {
  const [first] = refused;
  const more = refused.length === 1 ? "" : ` (and ${refused.length - 1} more of its addresses)`;
  return {
    code: "endpoint-refused",
    severity: all ? "error" : "warning",
    field: FIELD,
    message: `${name} is ${first?.address}, which ${first?.why} and gets no requests${more}${all ? ": its requests get 503" : ""}`,
    fix: REFUSED_FIX,
  };
}

/**
 * Without the addresses of a family that this machine has no address of, where the other family has some: a request
 * would try them in vain first.
 */
function ofFamilies(addresses: readonly Address[], hostAddresses: readonly string[]): readonly Address[] {
  const own = hostAddresses
    .map(parseAddress)
    .filter((address) => address !== null)
    .filter((address) => localReason(address) === null);
  const usable = addresses.filter(({ kind }) => own.some((address) => address.kind === kind));
  return usable.length === 0 ? addresses : usable;
}
