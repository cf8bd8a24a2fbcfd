// Settings of the traffic of all hosts, as ingress-nginx's users know them from its ConfigMap: each with its default,
// the name it has there, and the reason where the default differs. docs/settings.md is made of this table.

import { EXTERNAL_AUTH_SETTINGS } from "./external-auth-settings.ts";
import { HEALTH_SETTINGS } from "./health-settings.ts";
import { HTTP_HEADER_SETTINGS, INGRESS_HEADER_SETTINGS, PROXY_HEADER_SETTINGS } from "./header-settings.ts";
import { PROXY_SETTINGS } from "./proxy-settings.ts";
import { type Setting, setting } from "./setting.ts";
import { count, flag, kilobytes, other, same, seconds, words } from "./setting-kinds.ts";

const MIME = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9*][a-z0-9!#$&^_.+-]*$/;
const PATH = /^\/[!-~]{0,255}$/;
const HEADER = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
/** Debian's nginx log syntax is the operator's own text; what would end the quoted string is not. */
const LOG_FORMAT = /^[^'\\\p{Cc}]{1,4000}$/u;
const CIPHERS = /^[A-Za-z0-9_+:!@=.-]{1,2000}$/;

const COMPRESSED_TYPES = [
  "application/atom+xml",
  "application/javascript",
  "application/json",
  "application/ld+json",
  "application/manifest+json",
  "application/rss+xml",
  "application/vnd.ms-fontobject",
  "application/wasm",
  "application/xhtml+xml",
  "application/xml",
  "font/opentype",
  "font/otf",
  "font/ttf",
  "image/bmp",
  "image/svg+xml",
  "image/x-icon",
  "text/css",
  "text/javascript",
  "text/plain",
  "text/x-component",
] as const;

/** Mozilla's "intermediate" list (https://wiki.mozilla.org/Security/Server_Side_TLS), for TLS 1.2. */
const MODERN_CIPHERS =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" +
  "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

const HTTP: readonly Setting[] = [
  setting("http.headerTimeoutS", seconds(1, 3600), "all headers of a request must have come within it", {
    default: 60,
    counterparts: same("client-header-timeout", "60"),
  }),
  setting("http.bodyTimeoutS", seconds(1, 3600), "between two reads of a request's body", {
    default: 60,
    counterparts: same("client-body-timeout", "60"),
  }),
  setting("http.keepaliveTimeoutS", seconds(0, 3600), "how long an idle connection of a client stays; 0: never", {
    default: 75,
    counterparts: same("keep-alive", "75"),
  }),
  setting("http.keepaliveRequests", count(1, 1_000_000), "requests on one connection of a client", {
    default: 10_000,
    counterparts: other(
      "keep-alive-requests",
      "1000",
      "closing a connection costs a client with many requests one of them",
    ),
  }),
  setting("http.headerBufferKb", kilobytes, "first buffer for the headers of a request", {
    default: 1,
    counterparts: same("client-header-buffer-size", "1k"),
  }),
  setting("http.largeHeaderBuffers", count(1, 64), "further buffers for long headers", {
    default: 4,
    counterparts: same("large-client-header-buffers", "4 8k"),
  }),
  setting("http.largeHeaderBufferKb", kilobytes, "size of one of them: the longest header or request line", {
    default: 8,
    counterparts: same("large-client-header-buffers", "4 8k"),
  }),
  setting("http.bodyBufferKb", kilobytes, "a longer request body goes through a file", {
    default: 16,
    counterparts: other("client-body-buffer-size", "8k", "nginx's own default on 64 bits: fewer temporary files"),
  }),
  setting("http.underscoresInHeaders", flag, "take headers with `_` in their names; off: they are dropped", {
    default: false,
    counterparts: same("enable-underscores-in-headers", "false"),
  }),
  setting("http.serverTokens", flag, "tell nginx's version in answers", {
    default: false,
    counterparts: same("server-tokens", "false"),
  }),
  setting("http.http2", flag, "HTTP/2 for clients", { default: true, counterparts: same("use-http2", "true") }),
  setting("http.http2Streams", count(1, 1024), "HTTP/2 requests at a time on one connection", {
    default: 128,
    counterparts: same("http2-max-concurrent-streams", "128"),
  }),
  setting(
    "http.redirectCode",
    { kind: "choice", values: ["301", "302", "307", "308"] },
    "status of the redirect to https",
    {
      default: "308",
      counterparts: same("http-redirect-code", "308"),
    },
  ),
  setting(
    "http.noRedirectPaths",
    words(PATH, "/.well-known/acme-challenge/"),
    "paths that begin so are not redirected",
    {
      default: ["/.well-known/acme-challenge/"],
      counterparts: same("no-tls-redirect-locations", "/.well-known/acme-challenge"),
    },
  ),
  setting("http.limitStatus", { kind: "choice", values: ["503", "429"] }, "status beyond a limit of an Ingress", {
    default: "503",
    counterparts: [...same("limit-req-status-code", "503"), ...same("limit-conn-status-code", "503")],
  }),
  setting("http.limitMemoryMb", count(1, 4096), "shared memory for clients of routes with limits, twice", {
    default: 16,
    counterparts: other(
      "lua-shared-dicts",
      "5 MB for each limit, fixed",
      "all limits share it, and the oldest counts go first",
    ),
  }),
  setting(
    "http.hsts.enabled",
    flag,
    "Strict-Transport-Security on https answers of hosts with a certificate of their own",
    {
      default: true,
      counterparts: same("hsts", "true"),
    },
  ),
  setting("http.hsts.maxAgeS", count(0, 100_000_000), "how long browsers remember it", {
    default: 31_536_000,
    counterparts: same("hsts-max-age", "31536000"),
  }),
  setting("http.hsts.includeSubdomains", flag, "for all names below the host too", {
    default: true,
    counterparts: same("hsts-include-subdomains", "true"),
  }),
  setting("http.hsts.preload", flag, "ask browsers' makers to build it in", {
    default: false,
    counterparts: same("hsts-preload", "false"),
  }),
  setting("http.gzip.enabled", flag, "compress answers with gzip", {
    default: false,
    counterparts: same("use-gzip", "false"),
  }),
  setting("http.gzip.level", count(1, 9), "1: fast, 9: small", { default: 1, counterparts: same("gzip-level", "1") }),
  setting("http.gzip.minLengthBytes", count(0, 1_048_576), "shorter answers stay as they are", {
    default: 256,
    counterparts: same("gzip-min-length", "256"),
  }),
  setting("http.gzip.types", words(MIME, "text/css"), "what is compressed, beside text/html", {
    default: COMPRESSED_TYPES,
    counterparts: same("gzip-types", "application/atom+xml …"),
  }),
  setting("http.brotli.enabled", flag, "compress answers with brotli, where nginx has the module", {
    default: false,
    counterparts: same("enable-brotli", "false"),
  }),
  setting("http.brotli.level", count(0, 11), "0: fast, 11: small", {
    default: 4,
    counterparts: same("brotli-level", "4"),
  }),
  setting("http.brotli.minLengthBytes", count(0, 1_048_576), "shorter answers stay as they are", {
    default: 20,
    counterparts: same("brotli-min-length", "20"),
  }),
  setting("http.brotli.types", words(MIME, "text/css"), "what is compressed, beside text/html", {
    default: COMPRESSED_TYPES,
    counterparts: same("brotli-types", "application/xml+rss …"),
  }),
];

const TLS: readonly Setting[] = [
  setting("tls.protocols", words(/^TLSv1(\.[123])?$/, "TLSv1.2", 4), "versions for clients; below 1.2 `status` warns", {
    default: ["TLSv1.2", "TLSv1.3"],
    counterparts: same("ssl-protocols", "TLSv1.2 TLSv1.3"),
  }),
  setting(
    "tls.ciphers",
    { kind: "text", pattern: CIPHERS, example: "ECDHE-RSA-AES128-GCM-SHA256" },
    "OpenSSL's list, for TLS 1.2 and below",
    {
      default: MODERN_CIPHERS,
      counterparts: same("ssl-ciphers", "Mozilla's intermediate list"),
    },
  ),
  setting("tls.preferServerCiphers", flag, "our order of ciphers counts", {
    default: true,
    counterparts: same("ssl-prefer-server-ciphers", "true"),
  }),
  setting("tls.sessionCacheMb", count(1, 1024), "memory for sessions that can be taken up again", {
    default: 10,
    counterparts: same("ssl-session-cache-size", "10m"),
  }),
  setting("tls.sessionTimeoutS", seconds(1), "how long they can be", {
    default: 3600,
    counterparts: other("ssl-session-timeout", "10m", "a returning client saves its handshake; tickets stay off"),
  }),
  setting("tls.sessionTickets", flag, "sessions kept by the client; their key lives as long as nginx", {
    default: false,
    counterparts: same("ssl-session-tickets", "false"),
  }),
  setting(
    "tls.rejectUnknownNames",
    flag,
    "end handshakes for names without a certificate, instead of using the default one",
    {
      default: false,
      counterparts: same("ssl-reject-handshake", "false"),
    },
  ),
];

const CLIENTS: readonly Setting[] = [
  setting(
    "clients.trustedProxies",
    { kind: "list", of: "network", min: 0, max: 1000 },
    "proxies whose word about the client counts",
    {
      default: [],
      counterparts: other(
        "proxy-real-ip-cidr",
        "0.0.0.0/0",
        "anybody could say to be anybody: they are named or there are none",
      ),
    },
  ),
  setting("clients.forwardedHeaders", flag, "believe X-Forwarded-* of trusted proxies", {
    default: false,
    counterparts: [...same("use-forwarded-headers", "false"), ...same("enable-real-ip", "false")],
  }),
  setting(
    "clients.forwardedForHeader",
    { kind: "text", pattern: HEADER, example: "X-Forwarded-For" },
    "the header with the client's address",
    {
      default: "X-Forwarded-For",
      counterparts: same("forwarded-for-header", "X-Forwarded-For"),
    },
  ),
  setting(
    "clients.appendForwardedFor",
    flag,
    "hand backends the whole chain in X-Forwarded-For, not the client alone",
    {
      default: false,
      counterparts: same("compute-full-forwarded-for", "false"),
    },
  ),
  setting(
    "clients.proxyProtocol",
    flag,
    "listeners expect the PROXY protocol; its address counts from trusted proxies",
    {
      default: false,
      counterparts: same("use-proxy-protocol", "false"),
    },
  ),
];

const TRACE: readonly Setting[] = [
  setting(
    "http.traceContext",
    { kind: "choice", values: ["pass", "create"] },
    "traceparent of W3C Trace Context: pass on what clients say, or begin a trace where there is none that can be read",
    { default: "pass" },
  ),
  setting("http.traceSampled", flag, "traces that begin here say that they are recorded", { default: true }),
];

const LOG: readonly Setting[] = [
  setting(
    "accessLog.style",
    { kind: "choice", values: ["lines", "json"] },
    "one line of text or one object of JSON for each request, where accessLog.format says nothing",
    { default: "lines" },
  ),
  setting(
    "accessLog.format",
    { kind: "text", pattern: LOG_FORMAT, example: "$remote_addr $request $status" },
    "an nginx log_format of your own",
    {
      nullable: true,
      counterparts: other(
        "log-format-upstream",
        "combined and upstream's part",
        "the default has the route and the request id too",
      ),
    },
  ),
  setting(
    "accessLog.escape",
    { kind: "choice", values: ["default", "json"] },
    "how values are escaped; json for formats that are JSON",
    {
      default: "default",
      counterparts: same("log-format-escape-json", "false"),
    },
  ),
  setting("accessLog.skipPaths", words(PATH, "/healthz"), "requests for exactly these paths are not logged", {
    default: [],
    counterparts: same("skip-access-log-urls", ""),
  }),
];

const REDIRECTS: readonly Setting[] = [
  setting(
    "ingress.sslRedirect",
    flag,
    "redirect http to https on hosts with a certificate, where the Ingress says nothing",
    {
      default: true,
      counterparts: same("ssl-redirect", "true"),
    },
  ),
  setting("ingress.forceSslRedirect", flag, "redirect on all hosts, where the Ingress says nothing", {
    default: false,
    counterparts: same("force-ssl-redirect", "false"),
  }),
];

/** All of them, in the order of the documentation. */
export const TRAFFIC_SETTINGS: readonly Setting[] = [
  ...REDIRECTS,
  ...INGRESS_HEADER_SETTINGS,
  ...HTTP,
  ...TRACE,
  ...HTTP_HEADER_SETTINGS,
  ...PROXY_SETTINGS,
  ...HEALTH_SETTINGS,
  ...PROXY_HEADER_SETTINGS,
  ...EXTERNAL_AUTH_SETTINGS,
  ...TLS,
  ...CLIENTS,
  ...LOG,
];
