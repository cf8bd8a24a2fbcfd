// What is measured of filters: a row for each route that does more with a request than send it on. A new filter is one
// row. A row whose filter the schema of documents does not know yet is left out, and said.

import { ingress, NAMESPACE, type PathSpec, service, slice } from "../../e2e/support/objects.ts";
import type { KubeObject } from "../../kube/paths.ts";
import { PEER_PORT } from "./many-hosts.ts";

export interface FilterRow {
  readonly name: string;
  /** The `kind` that the route's document must have among its filters; null: it has none, and the row is about matching. */
  readonly kind: string | null;
  readonly annotations: Readonly<Record<string, string>>;
  /** "/" of the one Service unless told. */
  readonly paths?: readonly PathSpec[];
  /** Beside the Ingress, which is called `name`. */
  readonly objects?: (name: string, host: string) => readonly KubeObject[];
  /** What is asked; "/some/path?x=1" unless told. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** 200 unless told. */
  readonly status?: number;
}

export const PLAIN_HOST = "plain.example.test";
export const ASKED_PATH = "/some/path?x=1";
const SERVICE = "web";
const OTHER_SERVICE = "other";
const ROOT: PathSpec = { path: "/", service: SERVICE };

function theirs(name: string, value: string): Readonly<Record<string, string>> {
  return { [`nginx.ingress.kubernetes.io/${name}`]: value };
}

function ours(name: string, value: string): Readonly<Record<string, string>> {
  return { [`headgate.dev/${name}`]: value };
}

/** So many networks that the client is in none of, and the client's at last. */
function networks(others: number): string {
  const list = Array.from({ length: others }, (_, at) => `10.${Math.floor(at / 250)}.${at % 250}.0/24`);
  return [...list, "127.0.0.0/8"].join(",");
}

function secret(name: string, data: Readonly<Record<string, string>>): KubeObject {
  const entries = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NAMESPACE },
    type: "Opaque",
    data: Object.fromEntries(entries),
  };
}

export const ROWS: readonly FilterRow[] = [
  {
    name: "expression instead of a prefix",
    kind: null,
    annotations: theirs("use-regex", "true"),
    paths: [{ path: "/so(me|on)/[a-z]+$", service: SERVICE, pathType: "ImplementationSpecific" }],
  },
  { name: "access list of 1 network", kind: "access", annotations: theirs("allowlist-source-range", networks(0)) },
  {
    name: "access list of 1000 networks",
    kind: "access",
    annotations: theirs("allowlist-source-range", networks(999)),
  },
  {
    name: "rewrite with a capture",
    kind: "rewrite",
    annotations: theirs("rewrite-target", "/other/$1"),
    paths: [{ path: "/some/(.*)", service: SERVICE, pathType: "ImplementationSpecific" }],
  },
  {
    name: "prefix stripped",
    kind: "strip",
    annotations: { "ingress.kubernetes.io/rewrite-target": "/" },
    paths: [{ path: "/some", service: SERVICE }],
  },
  {
    name: "two headers of requests",
    kind: "request_headers",
    annotations: ours("request-headers", "X-One: first\nX-Client: $remote_addr"),
  },
  {
    name: "two headers of answers",
    kind: "response_headers",
    annotations: ours("response-headers", "X-One: first\nX-Frame-Options: DENY"),
  },
  { name: "Host for backends", kind: "upstream_host", annotations: theirs("upstream-vhost", "inner.example.test") },
  {
    name: "prefix forwarded, with a rewrite",
    kind: "forwarded_prefix",
    annotations: { ...theirs("rewrite-target", "/other/$1"), ...theirs("x-forwarded-prefix", "/some") },
    paths: [{ path: "/some/(.*)", service: SERVICE, pathType: "ImplementationSpecific" }],
  },
  { name: "limit of bodies", kind: "body_limit", annotations: theirs("proxy-body-size", "2m") },
  { name: "another profile, with buffers", kind: "variant", annotations: theirs("proxy-buffering", "on") },
  {
    name: "CORS",
    kind: "cors",
    annotations: { ...theirs("enable-cors", "true"), ...theirs("cors-allow-origin", "https://shop.example.test") },
    headers: { Origin: "https://shop.example.test" },
  },
  { name: "root of the application, not asked for", kind: "app_root", annotations: theirs("app-root", "/app") },
  {
    name: "redirect, instead of a backend's answer",
    kind: "redirect",
    annotations: theirs("permanent-redirect", "https://new.example.test$request_uri"),
    status: 301,
  },
  {
    name: "redirects of backends changed, none comes",
    kind: "location",
    annotations: {
      ...theirs("proxy-redirect-from", "http://inner.example.test/"),
      ...theirs("proxy-redirect-to", "http://outer.example.test/"),
    },
  },
  {
    name: "cookies of backends changed, none comes",
    kind: "cookie_path",
    annotations: theirs("proxy-cookie-path", "/ /shop/"),
  },
  {
    name: "errors answered by another Service, none comes",
    kind: "errors",
    annotations: { ...theirs("custom-http-errors", "503"), ...theirs("default-backend", OTHER_SERVICE) },
  },
  { name: "peak EWMA", kind: "balance", annotations: theirs("load-balance", "ewma") },
  { name: "fewest requests in flight", kind: "balance", annotations: ours("load-balance", "least_conn") },
  { name: "hash of the URI", kind: "balance", annotations: theirs("upstream-hash-by", "$request_uri") },
  {
    name: "basic auth, password known",
    kind: "basic_auth",
    annotations: { ...theirs("auth-type", "basic"), ...theirs("auth-secret", "passwords") },
    // "measure", as `openssl passwd -apr1` writes it.
    objects: () => [secret("passwords", { auth: "bench:$apr1$headgate$1UPbIcHaxANQpI81ged5I1\n" })],
    headers: { Authorization: `Basic ${Buffer.from("bench:measure").toString("base64")}` },
  },
  { name: "rate of requests, below its limit", kind: "limit", annotations: theirs("limit-rps", "1000000") },
  {
    name: "session by a cookie, a new one for each request",
    kind: "affinity",
    annotations: theirs("affinity", "cookie"),
  },
  {
    name: "split between two Services",
    kind: "split",
    annotations: {},
    objects: (name, host) => [
      ingress({
        name: `${name}-canary`,
        host,
        className: null,
        annotations: { ...theirs("canary", "true"), ...theirs("canary-weight", "20") },
        paths: [{ ...ROOT, service: OTHER_SERVICE }],
      }),
    ],
  },
  {
    name: "external auth, answer kept",
    kind: "external_auth",
    annotations: {
      ...theirs("auth-url", `http://${SERVICE}.${NAMESPACE}.svc.cluster.local/`),
      ...theirs("auth-cache-key", "$remote_addr"),
    },
  },
];

/** The host of a row. */
export function hostOf(row: FilterRow): string {
  return `row-${ROWS.indexOf(row)}.example.test`;
}

/** Services, the plain route, and the routes of these rows. */
export function rowObjects(rows: readonly FilterRow[]): readonly KubeObject[] {
  const peers = Array.from({ length: 5 }, (_, at) => ({ address: `127.1.0.${1 + at}`, port: PEER_PORT }));
  const own = rows.flatMap((row) => {
    const name = `row-${ROWS.indexOf(row)}`;
    const host = hostOf(row);
    const { annotations, paths = [ROOT] } = row;
    return [ingress({ name, host, className: null, annotations, paths }), ...(row.objects?.(name, host) ?? [])];
  });
  return [
    ...[SERVICE, OTHER_SERVICE].flatMap((name) => [service(name), slice(name, peers)]),
    ingress({ name: "plain", host: PLAIN_HOST, className: null, paths: [ROOT] }),
    ...own,
  ];
}
