// Checked values → Traffic. Defaults are those of the table.

import type { SettingValue } from "./check-value.ts";
import type { IngressConfig } from "./config.ts";
import { headerSetting } from "./header-settings.ts";
import type { Setting } from "./setting.ts";
import type {
  AccessLogTraffic,
  ClientsTraffic,
  Compression,
  ExternalAuthTraffic,
  HealthTraffic,
  HttpTraffic,
  ProxyTraffic,
  TlsTraffic,
  Traffic,
} from "../render/traffic.ts";
import { TRAFFIC_SETTINGS } from "./traffic-settings.ts";

const DEFAULTS: ReadonlyMap<string, Setting["default"]> = new Map(
  TRAFFIC_SETTINGS.map(({ key, default: value }) => [key, value]),
);

/** Gives what was set for a key, undefined where nothing was. */
export type Held = (key: string) => SettingValue | undefined;

type Access = ReturnType<typeof access>;

/** Typed access to values of the table; one of another type than asked for is a fault of ours. */
function access(held: Held) {
  const value = (key: string): SettingValue => held(key) ?? DEFAULTS.get(key) ?? null;
  const typed = <T>(key: string, is: (found: SettingValue) => found is T & SettingValue): T => {
    const found = value(key);
    if (!is(found)) throw new TypeError(`${key} is ${JSON.stringify(found)}`);
    return found;
  };
  return {
    value,
    flag: (key: string): boolean => typed(key, (found): found is boolean => typeof found === "boolean"),
    number: (key: string): number => typed(key, (found): found is number => typeof found === "number"),
    text: (key: string): string => typed(key, (found): found is string => typeof found === "string"),
    list: (key: string): readonly string[] =>
      typed(key, (found): found is readonly string[] => typeof found === "object" && found !== null),
  };
}

/** Defaults of the annotations ssl-redirect and force-ssl-redirect, and which headers of answers Ingresses may set. */
export function buildIngressDefaults(
  held: Held,
): Pick<IngressConfig, "sslRedirect" | "forceSslRedirect" | "allowedResponseHeaders"> {
  const { flag, list, value } = access(held);
  const allowed = "ingress.allowedResponseHeaders";
  return {
    sslRedirect: flag("ingress.sslRedirect"),
    forceSslRedirect: flag("ingress.forceSslRedirect"),
    allowedResponseHeaders: value(allowed) === null ? null : list(allowed),
  };
}

/** The settings of all hosts' traffic. */
export function buildTraffic(held: Held): Traffic {
  const get = access(held);
  return {
    http: buildHttp(get),
    proxy: buildProxy(get),
    health: buildHealth(get),
    externalAuth: buildExternalAuth(get),
    tls: buildTls(get),
    clients: buildClients(get),
    accessLog: buildAccessLog(get),
  };
}

function buildHttp({ flag, number, text, list }: Access): HttpTraffic {
  const compression = (section: string): Compression | null =>
    flag(`${section}.enabled`)
      ? {
          level: number(`${section}.level`),
          minLengthBytes: number(`${section}.minLengthBytes`),
          types: list(`${section}.types`),
        }
      : null;
  return {
    headerTimeoutS: number("http.headerTimeoutS"),
    bodyTimeoutS: number("http.bodyTimeoutS"),
    keepaliveTimeoutS: number("http.keepaliveTimeoutS"),
    keepaliveRequests: number("http.keepaliveRequests"),
    headerBufferKb: number("http.headerBufferKb"),
    largeHeaderBuffers: number("http.largeHeaderBuffers"),
    largeHeaderBufferKb: number("http.largeHeaderBufferKb"),
    bodyBufferKb: number("http.bodyBufferKb"),
    underscoresInHeaders: flag("http.underscoresInHeaders"),
    serverTokens: flag("http.serverTokens"),
    traces: text("http.traceContext") === "create" ? { sampled: flag("http.traceSampled") } : null,
    http2: flag("http.http2"),
    http2Streams: number("http.http2Streams"),
    redirectCode: Number(text("http.redirectCode")) as HttpTraffic["redirectCode"], // the setting has these four
    noRedirectPaths: list("http.noRedirectPaths"),
    addHeaders: list("http.addHeaders").map(headerSetting),
    hideHeaders: list("http.hideHeaders"),
    limitStatus: Number(text("http.limitStatus")) as HttpTraffic["limitStatus"], // the setting has these two
    limitMemoryMb: number("http.limitMemoryMb"),
    hsts: flag("http.hsts.enabled") ? hstsValue(number, flag) : null,
    gzip: compression("http.gzip"),
    brotli: compression("http.brotli"),
  };
}

function buildProxy({ value, flag, number, text, list }: Access): ProxyTraffic {
  const keepalive = value("proxy.keepaliveConnections");
  return {
    connectTimeoutMs: number("proxy.connectTimeoutMs"),
    sendTimeoutS: number("proxy.sendTimeoutS"),
    readTimeoutS: number("proxy.readTimeoutS"),
    buffering: flag("proxy.buffering"),
    bufferKb: number("proxy.bufferKb"),
    buffers: number("proxy.buffers"),
    requestBuffering: flag("proxy.requestBuffering"),
    retryOn: list("proxy.retryOn"),
    retryTries: number("proxy.retryTries"),
    retryTimeoutMs: number("proxy.retryTimeoutMs"),
    slowStartS: number("proxy.slowStartS"),
    retryBudgetPercent: number("proxy.retryBudgetPercent"),
    retryBudgetMinPerS: number("proxy.retryBudgetMinPerS"),
    loadBalance: text("proxy.loadBalance") as ProxyTraffic["loadBalance"], // the setting has these three
    keepaliveConnections: typeof keepalive === "number" ? keepalive : null,
    keepaliveTimeoutS: number("proxy.keepaliveTimeoutS"),
    keepaliveRequests: number("proxy.keepaliveRequests"),
    setHeaders: list("proxy.setHeaders").map(headerSetting),
  };
}

function buildHealth({ flag, number }: Access): HealthTraffic {
  return {
    enabled: flag("health.enabled"),
    failures: number("health.failures"),
    errorPercent: number("health.errorPercent"),
    windowS: number("health.windowS"),
    backOffS: number("health.backOffS"),
    backOffMaxS: number("health.backOffMaxS"),
    ejectedPercentMax: number("health.ejectedPercentMax"),
    panicPercent: number("health.panicPercent"),
  };
}

function buildExternalAuth({ value, number }: Access): ExternalAuthTraffic {
  const authorities = value("externalAuth.authorities");
  return {
    connectTimeoutMs: number("externalAuth.connectTimeoutMs"),
    timeoutMs: number("externalAuth.timeoutMs"),
    authorities: typeof authorities === "string" ? authorities : null,
  };
}

function buildTls({ flag, number, text, list }: Access): TlsTraffic {
  return {
    protocols: list("tls.protocols"),
    ciphers: text("tls.ciphers"),
    preferServerCiphers: flag("tls.preferServerCiphers"),
    sessionCacheMb: number("tls.sessionCacheMb"),
    sessionTimeoutS: number("tls.sessionTimeoutS"),
    sessionTickets: flag("tls.sessionTickets"),
    rejectUnknownNames: flag("tls.rejectUnknownNames"),
  };
}

function buildClients({ flag, text, list }: Access): ClientsTraffic {
  return {
    trustedProxies: list("clients.trustedProxies"),
    forwardedHeaders: flag("clients.forwardedHeaders"),
    forwardedForHeader: text("clients.forwardedForHeader"),
    appendForwardedFor: flag("clients.appendForwardedFor"),
    proxyProtocol: flag("clients.proxyProtocol"),
  };
}

function buildAccessLog({ value, text, list }: Access): AccessLogTraffic {
  const format = value("accessLog.format");
  return {
    format: typeof format === "string" ? format : null,
    style: text("accessLog.style") === "json" ? "json" : "lines",
    escape: text("accessLog.escape") === "json" ? "json" : "default",
    skipPaths: list("accessLog.skipPaths"),
  };
}

/** RFC 6797, section 6.1. */
function hstsValue(number: (key: string) => number, flag: (key: string) => boolean): string {
  return [
    `max-age=${number("http.hsts.maxAgeS")}`,
    ...(flag("http.hsts.includeSubdomains") ? ["includeSubDomains"] : []),
    ...(flag("http.hsts.preload") ? ["preload"] : []),
  ].join("; ");
}
