// The annotations of one Ingress that are served: values → what its routes do. Pure of other Ingresses.
//
// Names count under nginx.ingress.kubernetes.io/ and under the old ingress.kubernetes.io/, also both on one object:
// then the first of the list of prefixes that has the name decides, but for lists of addresses, of which every one
// must be passed, for the weaker of two must not win.

import { OLD_PREFIX } from "../../objects/annotation-keys.ts";
import { parseCidr } from "../addresses.ts";
import type { AlternativeRule } from "../alternative.ts";
import type { Filter, Protocol, RouteBalance, RouteTimes } from "../edge-model.ts";
import { parseHost } from "../hosts.ts";
import { type Draft, draftOf, type Entry, first, readFlag, shown } from "./annotation-values.ts";
import { type ClientCertificateWish, readClientCertificates } from "./client-certificates.ts";
import { type AffinityWish, readAffinity } from "./affinity.ts";
import { readBalance } from "./balance.ts";
import { type BasicAuth, readBasicAuth } from "./basic-auth.ts";
import { readCanary } from "./canary.ts";
import { readCors } from "./cors.ts";
import { type AuthWish, readExternalAuth } from "./external-auth.ts";
import type { AnnotationRemark } from "./guards.ts";
import { type ErrorsWish, readErrors } from "./errors.ts";
import { type HeaderWishes, readHeaders } from "./headers.ts";
import { type LimitWish, readBandwidth, readLimit } from "./limit.ts";
import { readLinks } from "./links.ts";
import { readRedirect } from "./redirect.ts";
import { readSatisfy } from "./satisfy.ts";
import { readTimes } from "./times.ts";
import { readTransfer } from "./transfer.ts";

export interface Rewrite {
  /** `old`: the meaning under the old prefix: the path of the rule is cut off and the target put in its place. */
  readonly kind: "captures" | "old";
  readonly target: string;
}

/** What is said of TLS to backends. The names of Service and Secret are resolved per route. */
export interface UpstreamTlsWish {
  /** null: that of the Service. */
  readonly name: string | null;
  readonly verify: boolean;
  readonly depth: number;
  /** Name of a Secret of the Ingress's namespace, or null. */
  readonly secret: string | null;
}

/** What the annotations say, before it is known which paths there are. */
export interface Policy {
  /** null: as the settings have it. */
  readonly sslRedirect: boolean | null;
  readonly forceSslRedirect: boolean | null;
  /** null: by the Service port's appProtocol, else http. */
  readonly protocol: Protocol | null;
  readonly useRegex: boolean;
  readonly rewrite: Rewrite | null;
  /** proxy-ssl-*: what the handshake with backends that speak TLS says; null: nothing is asked for. */
  readonly upstreamTls: UpstreamTlsWish | null;
  /** auth-tls-*; "closed": asked for by values that cannot be used. */
  readonly clientCertificates: ClientCertificateWish | "closed" | null;
  readonly redirect: Extract<Filter, { kind: "redirect" }> | null;
  readonly cors: Extract<Filter, { kind: "cors" }> | null;
  /** null: errors go out as they come. */
  readonly errors: ErrorsWish | null;
  readonly headers: HeaderWishes;
  readonly links: readonly Filter[];
  readonly transfer: Extract<Filter, { kind: "transfer" }> | null;
  /** null: none. */
  readonly appRoot: string | null;
  /** Host names, in the order of the annotation. */
  readonly aliases: readonly string[];
  /** The host's name with or without "www." leads to it. */
  readonly fromToWww: boolean;
  readonly access: Extract<Filter, { kind: "access" }> | null;
  readonly limit: LimitWish | null;
  readonly bandwidth: Extract<Filter, { kind: "bandwidth" }> | null;
  /** null: no service is asked whether a request may pass. */
  readonly externalAuth: AuthWish | null;
  /** Of address lists and what asks for credentials, one is enough. */
  readonly satisfyAny: boolean;
  readonly basicAuth: BasicAuth | null;
  readonly times: RouteTimes;
  /** null: as the configuration has it. */
  readonly balance: RouteBalance | null;
  /** null: none by a cookie. */
  readonly affinity: AffinityWish | null;
  /** Of a canary: which requests of another Ingress it gets; null: it is an Ingress of its own. */
  readonly canary: AlternativeRule | null;
  /** Values that close the routes, for what they were meant to restrict is not known. */
  readonly closing: readonly AnnotationRemark[];
  /** Values that cannot be used; served as if they were not there. */
  readonly invalid: readonly AnnotationRemark[];
  /** Good values that are not served. */
  readonly unsupported: readonly AnnotationRemark[];
  /** Parts of server-alias that name no host. */
  readonly badAliases: readonly AnnotationRemark[];
}

const TARGET_LENGTH_MAX = 2048;
const CIDRS_MAX = 2000;
const ALIASES_MAX = 100;

/** Reads the served annotations of an Ingress of `namespace`. */
export function readPolicy(annotations: Readonly<Record<string, string>>, namespace: string): Policy {
  const draft = draftOf(annotations);
  return {
    sslRedirect: readFlag(draft, "ssl-redirect", null),
    // Whatever it is that was written, it was written to keep requests off http.
    forceSslRedirect: readFlag(draft, "force-ssl-redirect", true),
    protocol: readProtocol(draft),
    useRegex: readFlag(draft, "use-regex", null) ?? false,
    rewrite: readRewrite(draft),
    upstreamTls: readUpstreamTls(draft, namespace),
    clientCertificates: readClientCertificates(draft, namespace),
    redirect: readRedirect(draft),
    cors: readCors(draft),
    errors: readErrors(draft),
    headers: readHeaders(draft, namespace),
    links: readLinks(draft),
    transfer: readTransfer(draft),
    appRoot: readAppRoot(draft),
    aliases: readAliases(draft),
    fromToWww: readFlag(draft, "from-to-www-redirect", null) ?? false,
    access: readAccess(draft),
    limit: readLimit(draft),
    bandwidth: readBandwidth(draft),
    externalAuth: readExternalAuth(draft, namespace),
    satisfyAny: readSatisfy(draft),
    basicAuth: readBasicAuth(draft, namespace),
    times: readTimes(draft),
    balance: readBalance(draft),
    affinity: readAffinity(draft),
    canary: readCanary(draft),
    closing: draft.closing,
    invalid: draft.invalid,
    unsupported: draft.unsupported,
    badAliases: draft.badAliases,
  };
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { HTTP: "http", HTTPS: "https", GRPC: "grpc", GRPCS: "grpcs" };

function readProtocol(draft: Draft): Protocol | null {
  const entry = first(draft, "backend-protocol");
  if (entry === null) return readFlag(draft, "secure-backends", null) === true ? "https" : null;
  const value = entry.value.trim().toUpperCase();
  const protocol = PROTOCOLS[value];
  if (protocol !== undefined) return protocol;
  const fix = `use one of ${Object.keys(PROTOCOLS).join(", ")}`;
  if (value === "FCGI" || value === "AUTO_HTTP") {
    draft.closing.push({ key: entry.key, message: `${value} is not spoken to backends: its routes answer 503`, fix });
    return null;
  }
  // As in ingress-nginx: the default is spoken.
  draft.invalid.push({ key: entry.key, message: `${shown(entry.value)} is no protocol: HTTP is spoken`, fix });
  return "http";
}

function readRewrite(draft: Draft): Rewrite | null {
  const entry = first(draft, "rewrite-target");
  const target = entry?.value.trim() ?? "";
  if (entry === null || target === "") return null;
  const fault = targetFault(target);
  if (fault !== null) {
    // Sent without its rewrite, a request would ask the backend for another path than was meant.
    draft.closing.push({
      key: entry.key,
      message: `${shown(target)} ${fault}: its routes answer 503`,
      fix: TARGET_FIX,
    });
    return null;
  }
  return { kind: entry.prefix === OLD_PREFIX ? "old" : "captures", target };
}

const TARGET_FIX = 'write a path that starts with "/", with $1 to $9 for the groups of the rule\'s path';

function targetFault(target: string): string | null {
  if (target.length > TARGET_LENGTH_MAX) return `is longer than ${TARGET_LENGTH_MAX} characters`;
  // "$1" alone is a path when the group begins with a slash; the data plane puts one before it if not.
  if (!/^(\/|\$[1-9])/.test(target)) return "is no path";
  if (/[^\u0021-\u007e]/.test(target)) return "has a character that no URI may hold";
  if (/["<>\\^`{|}#]/.test(target)) return "has a character that no URI may hold";
  if (/%(?![0-9a-f]{2})/i.test(target)) return 'has a "%" that begins no escape';
  if (/\$(?![1-9])/.test(target)) return "names something else than a group";
  return null;
}

const DEPTH_MAX = 10;

function readUpstreamTls(draft: Draft, namespace: string): UpstreamTlsWish | null {
  // Whatever was written there, it was written to have certificates looked at.
  const verify = readSwitch(draft, "proxy-ssl-verify", true);
  const named = readSwitch(draft, "proxy-ssl-server-name", true);
  const nameEntry = first(draft, "proxy-ssl-name");
  const depthEntry = first(draft, "proxy-ssl-verify-depth");
  const secret = readSecretName(draft, namespace);
  if (!verify && !named) return null;
  const parsed = nameEntry === null ? null : parseHost(nameEntry.value.trim());
  if (nameEntry !== null && (parsed?.kind !== "host" || parsed.name === "_" || parsed.name.startsWith("*"))) {
    const message = `${shown(nameEntry.value)} is no host name: its routes answer 503`;
    draft.closing.push({ key: nameEntry.key, message, fix: "write the name in the backend's certificate" });
  }
  const depth = Number(depthEntry?.value.trim() ?? "1");
  if (!Number.isInteger(depth) || depth < 1 || depth > DEPTH_MAX) {
    const message = `${shown(depthEntry?.value ?? "")} is no number from 1 to ${DEPTH_MAX}: its routes answer 503`;
    draft.closing.push({ key: depthEntry?.key ?? "", message, fix: "write how many authorities may stand in a row" });
  }
  return { name: parsed?.kind === "host" ? parsed.name : null, verify, depth, secret };
}

function readSwitch(draft: Draft, name: string, otherwise: boolean): boolean {
  const entry = first(draft, name);
  if (entry === null) return false;
  const value = entry.value.trim().toLowerCase();
  if (value === "on" || value === "off") return value === "on";
  const message = `${shown(entry.value)} is neither on nor off: it counts as ${otherwise ? "on" : "off"}`;
  draft.invalid.push({ key: entry.key, message, fix: 'write "on" or "off"' });
  return otherwise;
}

function readSecretName(draft: Draft, ownNamespace: string): string | null {
  const entry = first(draft, "proxy-ssl-secret");
  if (entry === null) return null;
  const [, namespace, name] = /^(?:([-a-z0-9]{1,63})\/)?([-a-z0-9.]{1,253})$/.exec(entry.value.trim()) ?? [];
  if (name !== undefined && (namespace === undefined || namespace === ownNamespace)) return name;
  const message = `${shown(entry.value)} is no Secret of namespace ${ownNamespace}: its routes answer 503`;
  draft.closing.push({ key: entry.key, message, fix: "name a Secret beside the Ingress" });
  return null;
}

function readAppRoot(draft: Draft): string | null {
  const entry = first(draft, "app-root");
  const path = entry?.value.trim() ?? "";
  if (entry === null || path === "") return null;
  // "//host" and "/\host" would lead to another site.
  if (/^\/(?![/\\])[!-~]*$/.test(path) && path.length <= TARGET_LENGTH_MAX && path !== "/") return path;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(path)} is no path to send "/" to: it is served as it comes`,
    fix: 'write a path of this host like "/app"',
  });
  return null;
}

function readAliases(draft: Draft): readonly string[] {
  const entry = first(draft, "server-alias");
  if (entry === null) return [];
  const names = new Set<string>();
  const words = entry.value.split(/[\s,]+/).filter((word) => word !== "");
  if (words.length > ALIASES_MAX) {
    const message = `has ${words.length} names, more than ${ALIASES_MAX}: none of them is served`;
    draft.badAliases.push({ key: entry.key, message, fix: "use rules with these hosts" });
    return [];
  }
  for (const word of words) {
    const parsed = word.startsWith("~") ? null : parseHost(word);
    if (parsed?.kind === "host") {
      names.add(parsed.name);
      continue;
    }
    const message =
      parsed === null
        ? `${shown(word)} is a regular expression: it is not served`
        : `${parsed.message}: it is not served`;
    const fix = parsed === null ? 'name each host, or use a wildcard like "*.example.org"' : parsed.fix;
    draft.badAliases.push({ key: entry.key, message, fix });
  }
  return [...names];
}

const ALLOW = ["allowlist-source-range", "whitelist-source-range"] as const;
const DENY = ["denylist-source-range"] as const;

function readAccess(draft: Draft): Policy["access"] {
  const allow = ALLOW.flatMap((name) => draft.found.get(name) ?? []).map((entry) => readCidrs(draft, entry, "allow"));
  const deny = DENY.flatMap((name) => draft.found.get(name) ?? []).flatMap((entry) => readCidrs(draft, entry, "deny"));
  const lists = unique(allow.filter((list) => list.length > 0).map((list) => list.join(","))).map((text) =>
    text.split(","),
  );
  if (lists.length === 0 && deny.length === 0) return null;
  return { kind: "access", allow: lists, deny: unique(deny).sort() };
}

function readCidrs(draft: Draft, { key, value }: Entry, use: "allow" | "deny"): readonly string[] {
  const words = value.split(/[\s,]+/).filter((word) => word !== "");
  const closes = (message: string): void => {
    const fix = 'write addresses or networks like "192.0.2.0/24, 2001:db8::/32", separated by commas';
    draft.closing.push({ key, message: `${message}: its routes answer 503`, fix });
  };
  if (words.length > CIDRS_MAX) {
    closes(`has ${words.length} entries, more than ${CIDRS_MAX}`);
    return [];
  }
  // What an empty list was meant to allow is not known; an empty list of what is denied denies nothing.
  if (words.length === 0 && use === "allow") closes("is empty");
  const cidrs: string[] = [];
  for (const word of words) {
    const cidr = parseCidr(word);
    if (cidr !== null) cidrs.push(cidr);
    else closes(`${shown(word)} is neither an address nor a network`);
  }
  return unique(cidrs).sort();
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
