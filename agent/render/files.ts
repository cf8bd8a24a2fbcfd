// nginx configuration files, from a view that has everything ready.

import { hostPort } from "../lib/host-port.ts";
import { accessLogContext } from "./access-log.ts";
import { type MutualTls, policyContexts, policyFiles, serverNamesHashSize } from "./mutual-tls.ts";
import type { ClientsTraffic, ProxyTraffic, Traffic } from "./traffic.ts";
import { sizeText, type VariantProfile } from "./variants.ts";

/** A file under the nginx directory. `path` is relative to it. */
export interface RenderedFile {
  readonly path: string;
  readonly text: string;
}

/** A socket nginx listens on. */
export interface ListenerView {
  /** "0.0.0.0" or "::" or an address, without brackets. */
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

/** A profile that verifies the certificates of backends: one for each set of authorities and depth. */
export interface VerifiedProfile {
  /** "https-<hash>" or "grpcs-<hash>", see `profileOf` in documents.ts. */
  readonly name: string;
  readonly protocol: "https" | "grpcs";
  /** PEM. */
  readonly authorities: string;
  readonly verifyDepth: number;
}

/** Everything nginx.conf needs. No optional fields: null and empty lists instead. */
export interface NginxView {
  readonly generation: number;
  /** Absolute paths. */
  readonly stateDir: string;
  readonly runDir: string;
  readonly pushSocket: string;
  readonly luaDir: string;
  /** As `luaDigest` gives it: other code is a reload. */
  readonly luaDigest: string;
  readonly snapshotDir: string;
  readonly defaultCertificate: string;
  readonly defaultCertificateKey: string;
  /** "load_module" paths; empty where the modules are built in. */
  readonly modules: readonly string[];
  /** Directories for lua_package_path beside luaDir ("/usr/share/lua/5.1"). */
  readonly luaPackagePath: readonly string[];
  /** 0: as many as cores. */
  readonly workerProcesses: number;
  readonly workerConnections: number;
  /** Of one worker; null: as many as the connections want. */
  readonly openFiles: number | null;
  readonly traffic: Traffic;
  /** Module of brotli to load; null: there is none, and answers are not compressed with it. */
  readonly brotliModule: string | null;
  readonly workerShutdownTimeoutS: number;
  readonly documentsDictMb: number;
  readonly versionsDictMb: number;
  /** Upstream blocks that backends are spread over: nginx searches the idle connections of a block one by one. */
  readonly upstreamBlocks: number;
  /** Sorted by name. */
  readonly verified: readonly VerifiedProfile[];
  /** Sorted by name. One whose profile is not there is left out. */
  readonly variants: readonly VariantProfile[];
  readonly mutualTls: MutualTls;
  readonly listeners: readonly ListenerView[];
  /** Port that http requests are redirected to; 443 is left out of the URL. */
  readonly httpsPort: number;
  /** `http2 on` (nginx ≥ 1.25.1) or the old `listen … http2`, on TLS listeners. */
  readonly http2: "directive" | "listen";
  readonly accessLog: { readonly kind: "off" } | { readonly kind: "file"; readonly path: string };
  readonly errorLog: string;
  readonly clientMaxBodyMb: number;
  /** null when nginx runs under the user of the agent. */
  readonly user: string | null;
}

/** nunjucks, made outside of this room (it reads templates from disk). Throws on undefined and on unquoted output. */
export interface TemplateEngine {
  render(name: string, context: object): string;
}

/** A set of directives that nginx cannot take from a variable; one `location` each. */
interface ProfileContext {
  readonly name: string;
  /** Which module of nginx speaks to the backend, as its directives are called. */
  readonly kind: "proxy" | "grpc";
  readonly tls: boolean;
  /** The server name in the handshake is the route's. */
  readonly named: boolean;
  /** File of the authorities that the backend's certificate must come from; null: it is not verified. */
  readonly trusted: string | null;
  readonly verifyDepth: number;
  /** The upstream block; null: one of those that plain HTTP is spread over. */
  readonly upstream: string | null;
  /** Of default backends: for a request whose backend is not there, or for an error; null: of all others. */
  readonly fallback: "request" | "error" | null;
  /** What a variant has otherwise; null: nothing. */
  readonly variant: VariantProfile | null;
}

/** Profiles that are always there, see `profileOf` in documents.ts. */
const STATIC_PROFILES: readonly ProfileContext[] = [
  profile("http", { upstream: null }),
  profile("https", { tls: true }),
  profile("https-named", { tls: true, named: true }),
  // gRPC and HTTP/2 in cleartext alike.
  profile("grpc", { kind: "grpc" }),
  profile("grpcs", { kind: "grpc", tls: true }),
  profile("grpcs-named", { kind: "grpc", tls: true, named: true }),
];

/** Not for routes to name. */
const FALLBACK_PROFILES: readonly ProfileContext[] = [
  profile("default-backend", { upstream: null, fallback: "request" }),
  profile("errors", { upstream: null, fallback: "error" }),
];

/** Errors that nginx makes itself in a profile, and has words for. */
const OWN_ERRORS: readonly number[] = [403, 404, 413, 500, 502, 503, 504];

function profile(name: string, more: Partial<ProfileContext>): ProfileContext {
  return {
    name,
    kind: "proxy",
    tls: false,
    named: false,
    trusted: null,
    verifyDepth: 1,
    upstream: `${name}-headgate`,
    fallback: null,
    variant: null,
    ...more,
  };
}

/** More idle connections in one block than that cost more to search than a new connection. */
const UPSTREAM_KEEPALIVE_CONNECTIONS_MAX = 1024;
/** Connections that may wait to be taken, of each listening socket. */
export const LISTEN_BACKLOG = 4096;
/**
 * Counters: about 100 bytes a number, three or four for a route and up to 30 for a Service. As large as the documents,
 * of which each Service has some too; memory that is not used is not taken.
 */
const METRICS_DICT_MB_MIN = 32;
/** Peers that are ejected, or were of late: about 200 bytes each. */
const HEALTH_DICT_MB = 4;
/** Requests in flight where connections are balanced: about 130 bytes a peer. */
const LOAD_DICT_MB = 8;
/** The longest body of the push API, as lua/headgate/limits.lua has it. */
export const PUSH_BODY_BYTES_MAX = 1_048_576;

/**
 * The files of nginx: `nginx.conf`, one file for each server policy and each profile. Includes are relative to the
 * directory of nginx.conf, so the same bytes serve as candidate and in their place.
 */
export function renderNginxFiles(view: NginxView, templates: TemplateEngine): readonly RenderedFile[] {
  const bases = [...STATIC_PROFILES, ...view.verified.map(verifiedProfile)];
  const profiles = [...bases, ...view.variants.flatMap((variant) => variantProfile(variant, bases))];
  const context = {
    ...view,
    listeners: view.listeners.map(listenerContext),
    accessLogFile: view.accessLog.kind === "file" ? view.accessLog.path : null,
    backlog: LISTEN_BACKLOG,
    profiles,
    upstreams: [
      ...Array.from({ length: view.upstreamBlocks }, (_, index) => ({ name: `${index}-headgate`, kept: true })),
      ...bases.flatMap(({ upstream, named }) => (upstream === null ? [] : [{ name: upstream, kept: !named }])),
    ],
    upstreamKeepaliveConnections: keepaliveConnections(view),
    metricsDictMb: Math.max(METRICS_DICT_MB_MIN, view.documentsDictMb),
    healthDictMb: HEALTH_DICT_MB,
    loadDictMb: LOAD_DICT_MB,
    pushBodyBytesMax: PUSH_BODY_BYTES_MAX,
    luaPath: [view.luaDir, ...view.luaPackagePath].map((directory) => `${directory}/?.lua;`).join("") + ";",
    openFiles: view.openFiles ?? openFilesOf(view.workerConnections),
    http2Directive: view.http2 === "directive",
    brotli: view.brotliModule === null ? null : view.traffic.http.brotli,
    retryOn: view.traffic.proxy.retryOn.length === 0 ? ["off"] : view.traffic.proxy.retryOn,
    realIpHeader: realIpHeader(view.traffic.clients),
    believesForwarded: view.traffic.clients.forwardedHeaders,
    forwardedForVariable: `$http_${view.traffic.clients.forwardedForHeader.toLowerCase().replaceAll("-", "_")}`,
    policies: policyContexts(view.mutualTls),
    plainHosts: view.mutualTls.plainHosts,
    serverNamesHashSize: serverNamesHashSize(view.mutualTls),
    ...accessLogContext(view.traffic.accessLog),
  };
  const render = (template: string, more: object = {}): string => templates.render(template, { ...context, ...more });
  const profileFiles = (certified: boolean): readonly RenderedFile[] =>
    [...profiles, ...(certified ? [] : FALLBACK_PROFILES)].map((each) => ({
      path: `profiles/${each.name}${certified ? ".certified" : ""}.conf`,
      text: render("profile.conf.njk", {
        profile: { ...plainUpstream(each, view), ...transferOf(each, view.traffic.proxy) },
        certified,
      }),
    }));
  return [
    { path: "nginx.conf", text: render("nginx.conf.njk") },
    ...profileFiles(false),
    ...(context.policies.length === 0 ? [] : profileFiles(true)),
    ...view.verified.map(({ name, authorities }) => ({ path: authoritiesFile(name), text: authorities })),
    { path: "servers/default.conf", text: render("server.conf.njk", { policy: null }) },
    ...context.policies.map((policy) => ({
      path: `servers/${policy.name}.conf`,
      text: render("server.conf.njk", { policy }),
    })),
    ...policyFiles(view.mutualTls),
  ];
}

function verifiedProfile({ name, protocol, verifyDepth }: VerifiedProfile): ProfileContext {
  const kind = protocol === "grpcs" ? "grpc" : "proxy";
  return profile(name, { kind, tls: true, named: true, trusted: authoritiesFile(name), verifyDepth });
}

/** The profile of its name with sizes of its own: by the same upstream block, so connections to peers are shared. */
function variantProfile(variant: VariantProfile, bases: readonly ProfileContext[]): readonly ProfileContext[] {
  const base = bases.find(({ name }) => name === variant.base);
  return base === undefined ? [] : [{ ...base, name: variant.name, variant }];
}

/** What stands in the file of a profile about bodies and errors; null: nothing, nginx's own or the server's holds. */
function transferOf(
  { kind, variant }: ProfileContext,
  { buffering, bufferKb, requestBuffering }: ProxyTraffic,
): object {
  const kb = variant?.bufferKb ?? (kind === "proxy" ? bufferKb : null);
  return {
    bodyMax: variant === null || variant.bodyKbMax === null ? null : sizeText(variant.bodyKbMax),
    buffering: variant?.buffering ?? buffering,
    requestBuffering: variant?.requestBuffering ?? requestBuffering,
    bufferKb: kb,
    busyBuffersKb: kb === null ? null : kb * 2,
    // A page for an error intercepts it: there is none for those that are the backend's to say.
    intercepts: (variant?.intercept ?? null) !== null,
    errorCodes: variant?.intercept ?? OWN_ERRORS,
  };
}

function authoritiesFile(name: string): string {
  return `profiles/${name}.pem`;
}

// One block of plain HTTP alone stands in the configuration by its name.
function plainUpstream(each: ProfileContext, { upstreamBlocks }: NginxView): ProfileContext {
  return each.upstream === null && upstreamBlocks === 1 ? { ...each, upstream: "0-headgate" } : each;
}

/** Half of a worker's connections may be idle ones to peers. */
function keepaliveConnections({ workerConnections, upstreamBlocks, traffic }: NginxView): number {
  if (traffic.proxy.keepaliveConnections !== null) return traffic.proxy.keepaliveConnections;
  const share = Math.floor(workerConnections / 2 / upstreamBlocks);
  return Math.min(UPSTREAM_KEEPALIVE_CONNECTIONS_MAX, Math.max(1, share));
}

/** A connection of a client, one to a peer, and some files beside. */
export function openFilesOf(workerConnections: number): number {
  return workerConnections * 2 + 256;
}

function realIpHeader(clients: ClientsTraffic): string | null {
  if (clients.trustedProxies.length === 0) return null;
  if (clients.proxyProtocol) return "proxy_protocol";
  return clients.forwardedHeaders ? clients.forwardedForHeader : null;
}

function listenerContext({ address, port, tls }: ListenerView): object {
  return { endpoint: hostPort(address, port), tls };
}
