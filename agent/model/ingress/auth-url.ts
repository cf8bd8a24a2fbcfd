// The URL of a service that is asked whether a request may pass.

import { parseAddress } from "../addresses.ts";
import { urlServiceKey } from "../url-backends.ts";
import { textAndVariables } from "./text-and-variables.ts";

export interface AuthUrl {
  readonly scheme: "http" | "https" | "$scheme";
  readonly host: string;
  /**
   * Whose peers are asked: a Service, or the host of the URL as if it were one (see url-backends.ts); null: the host of
   * the request itself, which is served here.
   */
  readonly service: { readonly key: string; readonly port: number } | null;
  readonly target: readonly string[];
  /** The host is a DNS name that may be anywhere. */
  readonly external: boolean;
}

export const URL_LENGTH_MAX = 2048;
const PARTS_MAX = 32;
/** Right behind the host only what begins a path, or ends it, may stand: else it would go on as a name. */
const URL_PATTERN =
  /^(https?|\$scheme|\$\{scheme\}|\$pass_access_scheme):\/\/(\$\w+|\$\{\w+\}|[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?([/?][^#]*|\$\{?(?:request_uri|uri|document_uri)\b[^#]*)?$/i;
/** They stand for the host of the request. */
const OWN_HOST = new Set(["$host", "$http_host", "$best_http_host"]);
/** What lua/headgate/auth can fill in, beside those of arguments, cookies and headers. */
const VARIABLES = new Set(
  `scheme pass_access_scheme host http_host best_http_host request_uri escaped_request_uri uri document_uri args
   query_string is_args request_method remote_addr server_port pass_server_port request_id`
    .split(/\s+/)
    .map((name) => `$${name}`),
);
const OF_REQUEST = /^\$(arg|cookie|http)_[a-z0-9_]+$/;
/** Names of Services as DNS of a cluster has them. */
const SERVICE =
  /^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\.([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\.svc(?:\.cluster\.local)?\.?$/;
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\.?$/;

/** Reads it; a text says what is wrong. */
export function parseAuthUrl(url: string): AuthUrl | string {
  if (url.length > URL_LENGTH_MAX) return `is longer than ${URL_LENGTH_MAX} characters`;
  const [, writtenScheme = "", writtenHost = "", writtenPort, rest = ""] = URL_PATTERN.exec(url) ?? [];
  if (writtenHost === "") return "is no http or https URL with a host";
  const target = textAndVariables(rest.startsWith("/") || rest.startsWith("$") ? rest : `/${rest}`);
  const fault = targetFault(target);
  if (fault !== null) return fault;
  const scheme = schemeOf(writtenScheme);
  const port = writtenPort === undefined ? null : Number(writtenPort);
  if (port !== null && (port < 1 || port > 65_535)) return `has port ${port}, which is none`;
  const host = hostOf(writtenHost).replace(/\.$/, "");
  const hostWithPort = writtenPort === undefined ? host : `${host}:${writtenPort}`;
  if (host.startsWith("$")) {
    if (host !== "$host") return `has ${host} for a host: only that of the request can stand there`;
    return { scheme, host: hostWithPort, service: null, target, external: false };
  }
  if (scheme === "$scheme" && port === null) return "has no port for $scheme to be asked at: write http or https";
  const number = port ?? (scheme === "https" ? 443 : 80);
  const [, service, namespace] = SERVICE.exec(host) ?? [];
  if (service !== undefined) {
    const key = `${namespace}/${service}`;
    return { scheme, host: hostWithPort, service: { key, port: number }, target, external: false };
  }
  const address = parseAddress(host.replaceAll(/^\[|\]$/g, ""));
  if (address === null && (!NAME.test(host) || host.length > 253 || /(^|\.)\d+\.?$/.test(host))) {
    return "has no host name or address";
  }
  const key = urlServiceKey(address?.text ?? host);
  return { scheme, host: hostWithPort, service: { key, port: number }, target, external: address === null };
}

/** What is wrong with the variables among the parts, or null. */
export function authVariableFault(parts: readonly string[]): string | null {
  const unknown = parts.find((part) => part.startsWith("$") && !VARIABLES.has(part) && !OF_REQUEST.test(part));
  return unknown === undefined ? null : `names ${unknown}, which is not filled in`;
}

function targetFault(parts: readonly string[]): string | null {
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (parts.some((part) => !part.startsWith("$") && /[^!-~]|["<>\\^`{|}#]/.test(part))) {
    return "has a character that no URL may hold";
  }
  return authVariableFault(parts);
}

function schemeOf(written: string): AuthUrl["scheme"] {
  const scheme = written.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : "$scheme";
}

function hostOf(written: string): string {
  const host = written.toLowerCase().replaceAll(/[{}]/g, "");
  return OWN_HOST.has(host) ? "$host" : host;
}
