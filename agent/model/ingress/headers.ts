// headgate.dev/request-headers and response-headers, custom-headers, upstream-vhost and x-forwarded-prefix: which
// headers a request is sent with, and which an answer goes out with.

import type { ConfigMap } from "../../objects/objects.ts";
import type { Filter } from "../edge-model.ts";
import { parseHost } from "../hosts.ts";
import { type Draft, type Entry, first, shown } from "./annotation-values.ts";
import { textAndVariables } from "./text-and-variables.ts";

export type Headers = Pick<Extract<Filter, { kind: "response_headers" }>, "set" | "remove">;

/** What the annotations of an Ingress say of headers; null: nothing. */
export interface HeaderWishes {
  readonly request: Headers | null;
  readonly response: Headers | null;
  /** "<namespace>/<name>" of the ConfigMap with further headers of answers. */
  readonly configMap: string | null;
  /** The Host that backends are asked for. */
  readonly upstreamHost: string | null;
  /** Text with $1 to $9 of the rewrite. */
  readonly forwardedPrefix: string | null;
}

const HEADERS_MAX = 64;
const NAME_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 4096;
const PARTS_MAX = 32;
/** What lua/headgate/filters/headers.lua can fill in. */
const VARIABLES: ReadonlySet<string> = new Set(
  "host remote_addr request_id request_method request_uri scheme server_port".split(" ").map((name) => `$${name}`),
);

/** RFC 9110, section 5.1. */
const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Of a connection, or of the frame of a message (RFC 9110, section 7.6.1; RFC 9112, section 6). */
const FRAMING = /^(connection|content-length|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;
/** What backends believe because nobody but the data plane may say it. */
const VOUCHED =
  /^(x-forwarded-.+|forwarded|x-real-ip|x-scheme|x-request-id|x-original-.+|x-rewrite-url|x-accel-.+|ssl-client-.+|front-end-https|proxy|expect)$/i;
/** Set on every answer, a cookie would take the place of the backend's own; HSTS is said for all hosts in one place. */
const OF_ANSWERS = /^(set-cookie|strict-transport-security|content-encoding|content-range|date|location|x-accel-.+)$/i;
/** Without them an answer could not be read, or (HSTS) it is not the backend's that goes out. */
const NEEDED = /^(content-encoding|content-range|strict-transport-security)$/i;

export function readHeaders(draft: Draft, namespace: string): HeaderWishes {
  return {
    request: readLines(draft, "request-headers", requestFault),
    response: readLines(draft, "response-headers", responseFault),
    configMap: readConfigMapName(draft, namespace),
    upstreamHost: readUpstreamHost(draft),
    forwardedPrefix: readForwardedPrefix(draft),
  };
}

/** The names of the headers, with what the operator allows: null for all that are not refused. */
export interface HeaderRules {
  readonly allowedResponseHeaders: readonly string[] | null;
}

/** The filters that they come to, and what is wrong with them once the ConfigMap and the rules are known. */
export function headerFilters(
  wishes: HeaderWishes,
  { configMap, rewrites, rules }: { configMap: ConfigMap | undefined; rewrites: boolean; rules: HeaderRules },
): { readonly filters: readonly Filter[]; readonly faults: readonly HeaderFault[] } {
  const { request, upstreamHost, forwardedPrefix } = wishes;
  const filters: Filter[] = [];
  const faults: HeaderFault[] = [];
  if (request !== null) filters.push({ kind: "request_headers", ...request });
  const response = responseHeaders(wishes, configMap, rules, faults);
  if (response !== null) filters.push({ kind: "response_headers", ...response });
  if (upstreamHost !== null) filters.push({ kind: "upstream_host", name: upstreamHost });
  // As in ingress-nginx: without a rewrite, the path that is sent has no prefix less.
  if (forwardedPrefix !== null && rewrites) filters.push({ kind: "forwarded_prefix", value: forwardedPrefix });
  return { filters, faults };
}

/** One header that is left out, and why. */
export interface HeaderFault {
  readonly annotation: "custom-headers" | "response-headers";
  readonly name: string;
  readonly message: string;
  readonly fix: string;
}

// The annotation of ours comes after the ConfigMap, name by name.
function responseHeaders(
  { response, configMap: key }: HeaderWishes,
  configMap: ConfigMap | undefined,
  { allowedResponseHeaders }: HeaderRules,
  faults: HeaderFault[],
): Headers | null {
  const allowed =
    allowedResponseHeaders === null ? null : new Set(allowedResponseHeaders.map((name) => name.toLowerCase()));
  const set = new Map<string, Headers["set"][number]>();
  const keep = (annotation: HeaderFault["annotation"], header: Headers["set"][number]): void => {
    const lower = header.name.toLowerCase();
    if (allowed?.has(lower) !== false) {
      set.set(lower, header);
      return;
    }
    const message = "is not one of http.allowedResponseHeaders: it is left out";
    faults.push({ annotation, name: header.name, message, fix: "add it there, or remove it" });
  };
  const data = key === null ? {} : (configMap?.data ?? {});
  for (const name of Object.keys(data).sort().slice(0, HEADERS_MAX)) {
    const parsed = parseHeader(name, data[name] ?? "", responseFault);
    if (typeof parsed === "string") {
      const message = `${parsed}: it is left out`;
      faults.push({ annotation: "custom-headers", name: shown(name), message, fix: "correct it in the ConfigMap" });
    } else keep("custom-headers", parsed);
  }
  const remove = response?.remove ?? [];
  for (const header of response?.set ?? []) keep("response-headers", header);
  for (const name of remove) set.delete(name.toLowerCase());
  if (set.size === 0 && remove.length === 0) return null;
  return { set: [...set.values()].slice(0, HEADERS_MAX), remove };
}

/** What is wrong with a name that is set, or taken away; null: nothing. */
type NameFault = (name: string, removed: boolean) => string | null;

function requestFault(name: string): string | null {
  if (FRAMING.test(name)) return "is of the connection and not of the request";
  return VOUCHED.test(name) ? "is what backends believe of us" : null;
}

function responseFault(name: string, removed: boolean): string | null {
  if (FRAMING.test(name)) return "is of the connection and not of the answer";
  if (removed) return NEEDED.test(name) ? "cannot be taken away" : null;
  return OF_ANSWERS.test(name) ? "cannot be one for all answers" : null;
}

/** A header, or what is wrong with it. */
function parseHeader(name: string, value: string, nameFault: NameFault): Headers["set"][number] | string {
  if (name.length > NAME_LENGTH_MAX || !NAME.test(name)) return "is no name of a header";
  const fault = nameFault(name, false);
  if (fault !== null) return fault;
  const text = value.trim();
  if (text === "") return "has no value";
  if (text.length > VALUE_LENGTH_MAX) return `has a value of more than ${VALUE_LENGTH_MAX} characters`;
  if (/[^ -~]/.test(text)) return "has a value with a character that is not printable ASCII";
  const parts = textAndVariables(text);
  if (parts.length > PARTS_MAX) return `has a value of more than ${PARTS_MAX} parts`;
  const unknown = parts.find((part) => part.startsWith("$") && !VARIABLES.has(part));
  return unknown === undefined ? { name, value: parts } : `names ${unknown}, which is not filled in`;
}

const LINES_FIX = `write lines like "X-Name: value" or "-X-Name"; variables are ${[...VARIABLES].join(", ")}`;

/** Lines "Name: value" and "-Name". A line of request-headers may be what a backend trusts: a bad one closes. */
function readLines(
  draft: Draft,
  annotation: "request-headers" | "response-headers",
  nameFault: NameFault,
): Headers | null {
  const entry = first(draft, annotation);
  if (entry === null) return null;
  const closes = annotation === "request-headers";
  const tell = (line: string, fault: string): void => {
    const message = `${shown(line)} ${fault}: ${closes ? "its routes answer 503" : "it is left out"}`;
    (closes ? draft.closing : draft.invalid).push({ key: entry.key, message, fix: LINES_FIX });
  };
  const set = new Map<string, Headers["set"][number]>();
  const remove = new Map<string, string>();
  const lines = entry.value.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > HEADERS_MAX) tell(lines[HEADERS_MAX] ?? "", `is one of more than ${HEADERS_MAX} lines`);
  for (const line of lines.slice(0, HEADERS_MAX)) {
    const parsed = parseLine(line.trim(), nameFault);
    if (parsed.kind === "fault") tell(line, parsed.message);
    else if (set.has(parsed.lower) || remove.has(parsed.lower)) tell(line, "is a second line of its header");
    else if (parsed.kind === "remove") remove.set(parsed.lower, parsed.name);
    else set.set(parsed.lower, parsed.header);
  }
  return set.size === 0 && remove.size === 0 ? null : { set: [...set.values()], remove: [...remove.values()] };
}

type ParsedLine =
  | { readonly kind: "set"; readonly lower: string; readonly header: Headers["set"][number] }
  | { readonly kind: "remove"; readonly lower: string; readonly name: string }
  | { readonly kind: "fault"; readonly message: string };

function parseLine(line: string, nameFault: NameFault): ParsedLine {
  const colon = line.indexOf(":");
  if (line.startsWith("-") && colon < 0) {
    const name = line.slice(1).trim();
    const fault = NAME.test(name) && name.length <= NAME_LENGTH_MAX ? nameFault(name, true) : "is no name of a header";
    if (fault !== null) return { kind: "fault", message: fault };
    return { kind: "remove", lower: name.toLowerCase(), name };
  }
  if (colon < 0) return { kind: "fault", message: "has no colon" };
  const header = parseHeader(line.slice(0, colon).trim(), line.slice(colon + 1), nameFault);
  if (typeof header === "string") return { kind: "fault", message: header };
  return { kind: "set", lower: header.name.toLowerCase(), header };
}

function readConfigMapName(draft: Draft, ownNamespace: string): string | null {
  const entry = first(draft, "custom-headers");
  const written = entry?.value.trim() ?? "";
  if (entry === null || written === "") return null;
  const [, namespace, name] = /^(?:([-a-z0-9]{1,63})\/)?([-a-z0-9.]{1,253})$/.exec(written) ?? [];
  if (name !== undefined && (namespace === undefined || namespace === ownNamespace)) return `${ownNamespace}/${name}`;
  tell(draft, entry, `is no ConfigMap of namespace ${ownNamespace}: no header is set`, "name one beside the Ingress");
  return null;
}

function readUpstreamHost(draft: Draft): string | null {
  const entry = first(draft, "upstream-vhost");
  const written = entry?.value.trim() ?? "";
  if (entry === null || written === "") return null;
  const [, name = "", port] = /^([^:]*)(?::(\d{1,5}))?$/.exec(written) ?? [];
  const parsed = parseHost(name);
  if (parsed.kind === "host" && name !== "" && !name.startsWith("*.")) {
    return port === undefined ? parsed.name : `${parsed.name}:${port}`;
  }
  const fix = 'write a host name, with or without a port, like "web.internal.example"';
  tell(draft, entry, "is no host name: backends are asked for the host that the client asked for", fix);
  return null;
}

function readForwardedPrefix(draft: Draft): string | null {
  const entry = first(draft, "x-forwarded-prefix");
  const written = entry?.value.trim() ?? "";
  if (entry === null || written === "") return null;
  const good = /^[!-~]{1,2048}$/.test(written) && !/["<>\\^`{|}#]|\$(?![1-9])/.test(written);
  if (good && !/%(?![0-9a-f]{2})/i.test(written)) return written;
  tell(draft, entry, "is no path: no prefix is sent", "write a path, with $1 to $9 for the groups of the rule's path");
  return null;
}

function tell(draft: Draft, entry: Entry, fault: string, fix: string): void {
  draft.invalid.push({ key: entry.key, message: `${shown(entry.value)} ${fault}`, fix });
}
