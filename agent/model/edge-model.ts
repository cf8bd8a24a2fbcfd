// What this edge should do, as data. Built by the builders of this room, one value per key, from objects alone.

import type { ObjectRef } from "../objects/objects.ts";
import type { Affinity } from "./affinity.ts";
import type { Alternative } from "./alternative.ts";
import type { PeerCheck } from "./peer-check.ts";
import type { ProblemCode } from "./problem-code.ts";
import type { ExternalAuth } from "./external-auth.ts";

/**
 * What a change can dirty; each kind has one builder. Joined with "/", which stands in no Kubernetes name.
 * - `host:<name>`: match table, routes and server names of one host ("_" is the host of rules without one)
 * - `backend:<namespace>/<service>`: all backends (one per used port) of a Service
 * - `certificate:<namespace>/<secret>`: all that a Secret gives: its certificate, the users in it
 */
export type DirtyKey = `host:${string}` | `backend:${string}` | `certificate:${string}`;

/** Names one backend: `<namespace>/<service>/<port>`, the port by number where the Service has it, else as the Ingress wrote it. */
export type BackendKey = string;
/** Names one route: `<namespace>/<ingress>/<hash of host, path type and path>`. */
export type RouteKey = string;
/** Names the users in a Secret: `<namespace>/<secret>/<layout>`. */
export type UsersKey = string;
/** How a Secret holds users: an htpasswd file under `auth`, or a hash under each user's name. */
export type UsersLayout = "auth-file" | "auth-map";
/** Names one certificate: `<namespace>/<secret>`. */
export type CertificateKey = string;

export interface Peer {
  /** An IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  readonly port: number;
  /** 1 to 100. */
  readonly weight: number;
}

/** A Service and port, and the peers it balances to. No peers: requests get 503, for `reason`. */
export interface Backend {
  readonly key: BackendKey;
  readonly namespace: string;
  readonly service: string;
  readonly port: string;
  /** Sorted by address and port. */
  readonly peers: readonly Peer[];
  /** How many endpoints there are that get no requests: not ready, or draining. */
  readonly notReady: number;
  readonly draining: number;
  /** Why there is no peer, for `status` and `explain`; null where there are peers. */
  readonly reason: string | null;
  /** For how long the share of a new peer grows, where the Service says it. */
  readonly slowStartS?: number;
}

/** Why a route answers 503 on purpose. */
export interface Closed {
  readonly reason: string;
}

/** Expression: a regular expression without regard to case, see expressions.ts. */
export type MatchType = "Exact" | "Prefix" | "Expression";

/** How a backend is spoken to. `h2c` and `grpc` are HTTP/2 in cleartext, `grpcs` is HTTP/2 over TLS. */
export type Protocol = "http" | "https" | "grpc" | "grpcs" | "h2c";

/** What a route does beyond balancing, in the order in which it is done: guards first. */
export type Filter =
  /** 403 for a client whose address is in `deny`, or not in every list of `allow`. Canonical CIDRs, sorted. */
  | { readonly kind: "access"; readonly allow: readonly (readonly string[])[]; readonly deny: readonly string[] }
  /**
   * Only a client whose handshake was under the policy `policy`. `match`: a PCRE that its subject must match, "" for
   * any; `error_page`: where others are sent, "" for 400; `pass`: the backend gets the certificate.
   */
  | {
      readonly kind: "client_certificate";
      readonly policy: string;
      readonly verify: ClientPolicy["verify"];
      readonly match: string;
      readonly error_page: string;
      readonly pass: boolean;
    }
  /** The requests of a session go to one peer, by a cookie. */
  | ({ readonly kind: "affinity" } & Affinity)
  /** 401 for whoever is none of these users. */
  | { readonly kind: "basic_auth"; readonly realm: string; readonly users: UsersKey }
  /** `status` for a client beyond one of the limits. */
  | {
      readonly kind: "limit";
      /** Whose requests are counted together: "<namespace>/<ingress>". */
      readonly key: string;
      /** Canonical CIDRs that have no limit. */
      readonly exempt: readonly string[];
      /** Requests at a time; 0: no limit. */
      readonly connections: number;
      /** `burst`: requests that may be ahead of the rate. */
      readonly rates: readonly { readonly requests: number; readonly periodS: number; readonly burst: number }[];
      /** null: as the configuration has it. */
      readonly status: 429 | 503 | null;
    }
  /** Answers are written so fast, after their first bytes. */
  | { readonly kind: "bandwidth"; readonly bytesPerS: number; readonly afterBytes: number }
  /** 302 from exactly "/" to this path. */
  | { readonly kind: "app_root"; readonly path: string }
  /** Pages of these origins may read answers; a "*" in one stands for a label, alone for all. */
  | {
      readonly kind: "cors";
      readonly origins: readonly string[];
      /** Values of the headers of a preflight's answer; "" for none. */
      readonly methods: string;
      readonly headers: string;
      readonly expose: string;
      readonly credentials: boolean;
      readonly maxAgeS: number;
    }
  /**
   * The default backend answers these errors: those of nginx, and with `intercept` those of the backend; and requests
   * for a Service without peers. `port`: of the route's own Service, for the default backend to know.
   */
  | {
      readonly kind: "errors";
      readonly codes: readonly number[];
      readonly intercept: boolean;
      readonly backend: BackendKey;
      readonly port: string;
    }
  /** Where a backend redirects to, and a cookie's domain or the start of its path: `from` becomes `to`. */
  | { readonly kind: "location"; readonly from: string; readonly to: readonly string[] }
  | { readonly kind: "cookie_domain"; readonly from: string; readonly to: string }
  | { readonly kind: "cookie_path"; readonly from: string; readonly to: string }
  /** Backends are told of the part of the path that the rewrite took away: text, with $1 to $9 from its match. */
  | { readonly kind: "forwarded_prefix"; readonly value: string }
  /** Headers that requests are sent with, or answers go out with. */
  | { readonly kind: "request_headers"; readonly set: readonly HeaderValue[]; readonly remove: readonly string[] }
  | { readonly kind: "response_headers"; readonly set: readonly HeaderValue[]; readonly remove: readonly string[] }
  /** The Host that backends are asked for. */
  | { readonly kind: "upstream_host"; readonly name: string }
  /** How bodies go through; null: as the configuration has it. `bodyBytesMax` 0: no limit. */
  | {
      readonly kind: "transfer";
      readonly bodyBytesMax: number | null;
      readonly buffering: boolean | null;
      readonly requestBuffering: boolean | null;
      readonly bufferKb: number | null;
    }
  | ExternalAuth
  /** Every request is sent to `location`: text and "$variable" in turn. */
  | { readonly kind: "redirect"; readonly code: 301 | 302 | 303 | 307 | 308; readonly location: readonly string[] }
  /** Others that share the requests, the oldest first; see Alternative. */
  | { readonly kind: "split"; readonly alternatives: readonly Alternative[] }
  /** The path becomes `target`, with $1 to $9 from the match of `pattern`. */
  | { readonly kind: "rewrite"; readonly pattern: string; readonly target: string }
  /** Of lists of addresses and guards that ask for credentials, one that is passed is enough. */
  | { readonly kind: "satisfy_any" }
  /** `prefix` at the start of the path becomes `target`, the rest stays. */
  | { readonly kind: "strip"; readonly prefix: string; readonly target: string };

export interface HeaderValue {
  readonly name: string;
  /** Text and "$variable" in turn. */
  readonly value: readonly string[];
}

export interface Route {
  readonly key: RouteKey;
  readonly ingress: ObjectRef;
  /** "_" for a rule without a host. */
  readonly host: string;
  readonly path: string;
  readonly matchType: MatchType;
  readonly backend: BackendKey | null;
  /** A route is closed rather than open where a guard is asked for that cannot be kept. */
  readonly closed: Closed | null;
  /** `certificate`: redirect http to https where the request's host has a certificate; `always`: on every host. */
  readonly sslRedirect: "certificate" | "always" | "never";
  readonly filters: readonly Filter[];
  readonly protocol: Protocol;
  /** What the handshake with a backend says and asks for; null: nothing, as without TLS. */
  readonly upstreamTls: UpstreamTls | null;
  readonly times: RouteTimes;
  /** null: as the configuration has it. */
  readonly balance: RouteBalance | null;
}

/** How a route picks its peers. */
export type RouteBalance =
  | { readonly by: "round_robin" }
  /** The peer that answers sooner and has less to do (peak EWMA). */
  | { readonly by: "ewma" }
  /** The peer with the fewest requests in flight, of all workers. */
  | { readonly by: "least_conn" }
  /**
   * One peer for each value of `key`: text and "$variable" in turn. `bound`: the percentage of its share of requests
   * in flight that a peer may have before the next one is asked, 0 for no limit.
   */
  | { readonly by: "hash"; readonly key: readonly string[]; readonly bound: number };

/** What a route says of its requests' times and tries; null: as the configuration has it. */
export interface RouteTimes {
  readonly connectMs: number | null;
  /** Between two writes to a peer, and between two reads from it. */
  readonly sendMs: number | null;
  readonly readMs: number | null;
  /** Peers that are asked for one request. */
  readonly retryTries: number | null;
  /** No new try after it; 0: no limit. */
  readonly retryTimeoutMs: number | null;
}

/** How the certificates of a host's clients are verified in the handshake: a server block of nginx. */
export interface ClientPolicy {
  /** Made of all that follows; no text of a tenant is in it. */
  readonly name: string;
  /** What nginx's ssl_verify_client says. */
  readonly verify: "on" | "optional" | "optional_no_ca";
  readonly depth: number;
  /** PEM. */
  readonly authorities: string;
  /** PEM of revocation lists; null: there are none. */
  readonly revocations: string | null;
}

export interface UpstreamTls {
  /** The server name that is asked for (SNI), and that a certificate must be for where it is verified. */
  readonly name: string;
  /** null: any certificate is taken. */
  readonly verify: {
    readonly authorities: string;
    readonly depth: number;
    /** Of the authorities, by which nobody else's can be taken for them. Absent: in an older agent's snapshot. */
    readonly digest?: string;
  } | null;
}

/** One entry of a host's table of regular expressions. */
export interface Expression {
  /** What the path in lower case must start with: a literal the expression begins with, at least "/". */
  readonly prefix: string;
  /** A PCRE with its "^", or "" where `prefix` is all there is to match. */
  readonly pattern: string;
  readonly route: RouteKey;
}

/** The match table of one host. Keys of `exact` are paths; keys of `prefixes` paths without trailing slash, "/" for all. */
export interface Host {
  /** A host name in lower case, "*.example.org", or "_". */
  readonly name: string;
  /** The host whose table decides instead of this one (server-alias); null: this one's. */
  readonly aliasOf: string | null;
  /** In the order in which they are tried. Where there are any, `exact` and `prefixes` are empty. */
  readonly expressions: readonly Expression[];
  readonly exact: ReadonlyMap<string, RouteKey>;
  readonly prefixes: ReadonlyMap<string, RouteKey>;
  /** The default backend of an Ingress of this host, taken when no path matches; null: the edge's default. */
  readonly fallback: RouteKey | null;
  /** Some route here is guarded or closed: paths that a backend could read otherwise than the router get 400. */
  readonly strictPaths: boolean;
}

/** A name in TLS handshakes (SNI) and the certificate it gets; null: the default certificate. */
export interface ServerName {
  /** A host name, "*.example.org", or "_" for the default. */
  readonly name: string;
  readonly certificate: CertificateKey | null;
  /** A certificate of another key type, for clients that cannot take the first. */
  readonly second?: CertificateKey;
}

export interface Certificate {
  readonly key: CertificateKey;
  readonly certificate: string;
  readonly privateKey: string;
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly fingerprint: string;
}

/** Users of a Secret: name → password hash, of a form that the data plane takes. Sorted by name. */
export interface Users {
  readonly key: UsersKey;
  readonly users: ReadonlyMap<string, string>;
}

export type Severity = "error" | "warning";

/** Something that an object's owner should mend. Names object, field and fix; `code` is stable. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly object: ObjectRef | null;
  /** Where it stands, for objects from files: "shop.yaml:12"; "" from a cluster. */
  readonly where: string;
  readonly field: string;
  readonly message: string;
  readonly fix: string;
  /** The hosts whose traffic it touches; empty for none. */
  readonly hosts: readonly string[];
}

/** What one host gives: its documents-to-be and what is wrong with the Ingresses about it. `host` null: nothing names it any more. */
export interface BuiltHost {
  readonly host: Host | null;
  readonly routes: readonly Route[];
  /** SNI names that are this host's: at most one, with the host's own name. */
  readonly serverName: ServerName | null;
  /** How certificates of its clients are verified; absent: they are not asked for. */
  readonly clientPolicy?: ClientPolicy;
  readonly problems: readonly Problem[];
  /** Paths that an older Ingress has already. They get no requests; `explain` names them. */
  readonly shadowed: readonly Shadowed[];
}
export interface Shadowed {
  readonly ingress: ObjectRef;
  readonly path: string;
  readonly matchType: MatchType;
  readonly winner: ObjectRef;
}
export interface BuiltBackends {
  /** One for each used port; empty when no route uses the Service. */
  readonly backends: readonly Backend[];
  readonly problems: readonly Problem[];
  /** The DNS name whose addresses they are; null: of none. */
  readonly externalName: ExternalName | null;
  /** Absent: its peers are not checked. */
  readonly check?: PeerCheck;
}
export interface ExternalName {
  /** In lower case, without the dot at its end. */
  readonly name: string;
  /** False: nobody has asked for it yet, so that these backends say nothing about what it is. */
  readonly resolved: boolean;
}
/** What a Secret gives. */
export interface BuiltCertificate {
  readonly certificate: Certificate | null;
  /** One for each layout that routes ask for. */
  readonly users: readonly Users[];
  readonly problems: readonly Problem[];
}

/** The values of all keys, as the loop keeps them. */
export interface EdgeModel {
  readonly hosts: ReadonlyMap<string, BuiltHost>;
  /** By "<namespace>/<service>". */
  readonly backends: ReadonlyMap<string, BuiltBackends>;
  readonly certificates: ReadonlyMap<CertificateKey, BuiltCertificate>;
}
