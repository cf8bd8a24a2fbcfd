// Asking another service whether a request may pass, as data of a route.

/** Asks `backend` before a request is sent on. What the service cannot be asked for answers 503. */
export interface ExternalAuth {
  readonly kind: "external_auth";
  /** "$scheme": that of the request. */
  readonly scheme: "http" | "https" | "$scheme";
  /** With its port where the URL has one; "$host" in place of a name: that of the request. */
  readonly host: string;
  /** null: the host is one of those that are served here, and its routes lead to the service. */
  readonly backend: string | null;
  /** Path and query, text and "$variable" in turn. */
  readonly target: readonly string[];
  readonly method: AuthMethod;
  /** Whether the service's certificate must be good for the host; auto: where the configuration has authorities. */
  readonly verify: "on" | "off" | "auto";
  /** Of our own, beside those that are always sent; values are text and "$variable" in turn. */
  readonly requestHeaders: readonly { readonly name: string; readonly value: readonly string[] }[];
  /** Names of headers of the service's answer that the backend gets in place of the client's. */
  readonly responseHeaders: readonly string[];
  /** Value of X-Auth-Request-Redirect. */
  readonly redirect: readonly string[];
  /** Where 401 is sent; empty: nowhere. */
  readonly signIn: readonly string[];
  /** The argument with the URL to come back to; "": `signIn` has it. */
  readonly signInParam: string;
  readonly alwaysSetCookie: boolean;
  /** Answers are remembered by a key of text and variables; an empty key: not at all. */
  readonly cache: {
    readonly key: readonly string[];
    readonly valid: readonly { readonly status: number; readonly seconds: number }[];
  };
}

export type AuthMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
