// auth-url and its family: which service is asked whether a request may pass, and what is done with its answer.
// What cannot be understood of whom to ask, and of what the backend is to be told, closes the routes; the rest has the
// default of ingress-nginx.

import type { AuthMethod, ExternalAuth } from "../external-auth.ts";
import type { Filter, MatchType } from "../edge-model.ts";
import type { ModelSettings } from "../input.ts";
import { isAskedByAddress } from "../url-backends.ts";
import { type Draft, type Entry, first, readFlag, shown } from "./annotation-values.ts";
import { type AuthUrl, authVariableFault, parseAuthUrl, URL_LENGTH_MAX } from "./auth-url.ts";
import { readHeadersFrom } from "./auth-headers.ts";
import { readAuthCache } from "./auth-cache.ts";
import { textAndVariables } from "./text-and-variables.ts";

/** What the annotations say. */
export interface AuthWish {
  readonly filter: ExternalAuth;
  readonly service: AuthUrl["service"];
  /** "<namespace>/<name>" of a ConfigMap of headers for the service. */
  readonly headersFrom: string | null;
}

const METHODS: readonly AuthMethod[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const HEADERS_MAX = 64;
const HEADER = /^[\w!#$%&'*+.^`|~-]{1,256}$/;
/** Of the connection or the message: no backend may be told another thing there than nginx says. */
const NO_COPY =
  /^(connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;
const PARAM = /^[\w.~-]{1,256}$/;
const SIGN_IN = /^(https?|\$\{?(scheme|pass_access_scheme)\}?):\/\/(\$|[a-z0-9[])/i;
const PARTS_MAX = 32;
/** They mean nothing without auth-url, in ingress-nginx too. */
const DEPENDENT = [
  "auth-always-set-cookie",
  "auth-cache-duration",
  "auth-cache-key",
  "auth-method",
  "auth-proxy-set-headers",
  "auth-request-redirect",
  "auth-response-headers",
  "auth-signin",
  "auth-signin-redirect-param",
  "auth-verify",
] as const;
const KEEPALIVE = [
  "auth-keepalive",
  "auth-keepalive-requests",
  "auth-keepalive-share-vars",
  "auth-keepalive-timeout",
] as const;

/** Whom to ask; null: nobody, and then a value that cannot be used has closed the routes. */
export function readExternalAuth(draft: Draft, namespace: string): AuthWish | null {
  tellKeepalive(draft);
  const entry = first(draft, "auth-url");
  if (entry === null) {
    tellAlone(draft);
    return null;
  }
  const url = parseAuthUrl(entry.value.trim());
  if (typeof url === "string") {
    close(draft, entry, url, 'write a URL like "http://oauth2-proxy.auth.svc.cluster.local:4180/oauth2/auth"');
    return null;
  }
  const { scheme, host, service, target, external } = url;
  const verify = readVerify(draft) ?? (external && scheme === "https" ? "auto" : "off");
  const signInParam = readSignInParam(draft);
  const signIn = readSignIn(draft);
  const has = new RegExp(`[?&]${signInParam.replaceAll(".", "\\.")}=`).test(signIn.join(""));
  return {
    service,
    headersFrom: readHeadersFrom(draft, namespace),
    filter: {
      kind: "external_auth",
      scheme,
      host,
      backend: service === null ? null : `${service.key}/${service.port}`,
      target,
      method: readMethod(draft),
      verify,
      requestHeaders: [],
      responseHeaders: readResponseHeaders(draft),
      redirect: readRedirect(draft),
      signIn,
      signInParam: has ? "" : signInParam,
      alwaysSetCookie: readFlag(draft, "auth-always-set-cookie", false) ?? false,
      cache: readAuthCache(draft),
    },
  };
}

/**
 * The guard of one path; none where a certificate's authority looks for its proof: it has no credentials. As in
 * ingress-nginx the path of the rule decides, and not that of the request; of an expression nobody knows what it opens.
 */
export function authFilters(
  wish: AuthWish | null,
  claim: { readonly path: string; readonly matchType: MatchType } | null,
  settings: ModelSettings,
): readonly Filter[] {
  if (wish === null) return [];
  const open =
    claim !== null && claim.matchType !== "Expression" && /^\/\.well-known\/acme-challenge(\/|$)/.test(claim.path);
  if (open) return [];
  const { filter, service } = wish;
  const here = service !== null && !isAskedByAddress(settings, service.key);
  return [here ? { ...filter, backend: null } : filter];
}

function close(draft: Draft, { key, value }: Entry, fault: string, fix: string): void {
  draft.closing.push({ key, message: `${shown(value)} ${fault}: its routes answer 503`, fix });
}

function readMethod(draft: Draft): ExternalAuth["method"] {
  const entry = first(draft, "auth-method");
  const value = entry?.value.trim().toUpperCase() ?? "";
  if (entry === null || value === "") return "GET";
  const method = METHODS.find((known) => known === value);
  if (method !== undefined) return method;
  close(draft, entry, "is no method to ask with", `write one of ${METHODS.join(", ")}`);
  return "GET";
}

function readVerify(draft: Draft): "on" | "off" | null {
  const entry = first(draft, "auth-verify");
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null) return null;
  if (value === "on" || value === "off") return value;
  close(draft, entry, "is neither on nor off", 'write "on" or "off"');
  return "on";
}

function readResponseHeaders(draft: Draft): readonly string[] {
  const entry = first(draft, "auth-response-headers");
  if (entry === null) return [];
  const names = entry.value
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const bad = names.find((name) => !HEADER.test(name) || NO_COPY.test(name));
  const fix = 'write names of headers like "X-Auth-Request-User, X-Auth-Request-Email"';
  if (bad !== undefined) close(draft, entry, `has ${shown(bad)}, which is no header that can be copied`, fix);
  else if (names.length > HEADERS_MAX) close(draft, entry, `has more than ${HEADERS_MAX} names`, fix);
  else return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
  return [];
}

function readRedirect(draft: Draft): readonly string[] {
  const usual = ["$request_uri"];
  const entry = first(draft, "auth-request-redirect");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return usual;
  const parts = textAndVariables(value);
  const fault = textFault(value, parts);
  if (fault === null) return parts;
  const fix = 'write a URL or a path like "https://$host$request_uri"';
  draft.invalid.push({ key: entry.key, message: `${shown(value)} ${fault}: the request's path is told`, fix });
  return usual;
}

function readSignIn(draft: Draft): readonly string[] {
  const entry = first(draft, "auth-signin");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return [];
  const parts = textAndVariables(value);
  const fault = SIGN_IN.test(value) ? textFault(value, parts) : "is no http or https URL with a host";
  if (fault === null) return parts;
  const fix = 'write a URL like "https://$host/oauth2/start?rd=$escaped_request_uri"';
  draft.invalid.push({ key: entry.key, message: `${shown(value)} ${fault}: nobody is sent to sign in`, fix });
  return [];
}

function readSignInParam(draft: Draft): string {
  const entry = first(draft, "auth-signin-redirect-param");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return "rd";
  if (PARAM.test(value)) return value;
  const message = `${shown(value)} is no name of an argument: "rd" is used`;
  draft.invalid.push({ key: entry.key, message, fix: 'write a name like "rd"' });
  return "rd";
}

function textFault(value: string, parts: readonly string[]): string | null {
  if (value.length > URL_LENGTH_MAX) return `is longer than ${URL_LENGTH_MAX} characters`;
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (parts.some((part) => !part.startsWith("$") && /[^!-~]|["<>\\^`]/.test(part))) {
    return "has a character that no URL may hold";
  }
  return authVariableFault(parts);
}

// The connections to all services that are asked are kept in one pool of the worker.
function tellKeepalive(draft: Draft): void {
  for (const name of KEEPALIVE) {
    const entry = first(draft, name);
    if (entry === null || /^(0|false)?$/i.test(entry.value.trim())) continue;
    const message = "is not needed: connections to the service are kept in any case";
    draft.unsupported.push({ key: entry.key, message, fix: "remove it" });
  }
}

function tellAlone(draft: Draft): void {
  for (const name of DEPENDENT) {
    const entry = first(draft, name);
    if (entry === null) continue;
    draft.unsupported.push({
      key: entry.key,
      message: "does nothing without auth-url",
      fix: "write auth-url, or remove it",
    });
  }
}
