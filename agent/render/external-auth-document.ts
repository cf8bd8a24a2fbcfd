// The part of a route's document that says which service is asked whether a request may pass.

import type { AuthMethod, ExternalAuth } from "../model/external-auth.ts";

/** docs/dataplane-api.md says what the fields do. */
export interface ExternalAuthValue {
  readonly kind: "external_auth";
  readonly scheme: "http" | "https" | "$scheme";
  readonly host: string;
  /** key of a backend, or "" where the routes of this edge lead to the service */
  readonly backend: string;
  readonly target: readonly string[];
  readonly method: AuthMethod;
  /** auto: where the configuration has authorities */
  readonly verify: "on" | "off" | "auto";
  readonly request_headers: ExternalAuth["requestHeaders"];
  readonly response_headers: readonly string[];
  readonly redirect: readonly string[];
  readonly sign_in: readonly string[];
  readonly sign_in_param: string;
  readonly always_set_cookie: boolean;
  readonly cache: ExternalAuth["cache"];
}

export function externalAuthValue(auth: ExternalAuth): ExternalAuthValue {
  return {
    kind: "external_auth",
    scheme: auth.scheme,
    host: auth.host,
    backend: auth.backend ?? "",
    target: auth.target,
    method: auth.method,
    verify: auth.verify,
    request_headers: auth.requestHeaders,
    response_headers: auth.responseHeaders,
    redirect: auth.redirect,
    sign_in: auth.signIn,
    sign_in_param: auth.signInParam,
    always_set_cookie: auth.alwaysSetCookie,
    cache: auth.cache,
  };
}
