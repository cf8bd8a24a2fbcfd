// How the traffic of all hosts is served: what the configuration file says and what nginx's files are made of.
// Units are in the names.

import type { HttpsRedirects } from "../model/match.ts";

export interface HeaderSetting {
  readonly name: string;
  /** May hold variables. */
  readonly value: string;
}

export interface HttpTraffic extends HttpsRedirects {
  readonly headerTimeoutS: number;
  readonly bodyTimeoutS: number;
  readonly keepaliveTimeoutS: number;
  readonly keepaliveRequests: number;
  readonly headerBufferKb: number;
  readonly largeHeaderBuffers: number;
  readonly largeHeaderBufferKb: number;
  readonly bodyBufferKb: number;
  readonly underscoresInHeaders: boolean;
  readonly serverTokens: boolean;
  /** Traces that begin here (W3C Trace Context), where a client says none; null: none do. */
  readonly traces: { readonly sampled: boolean } | null;
  readonly http2: boolean;
  readonly http2Streams: number;
  readonly addHeaders: readonly HeaderSetting[];
  /** Of backends' answers. */
  readonly hideHeaders: readonly string[];
  /** What a client gets beyond a limit by number. */
  readonly limitStatus: 429 | 503;
  readonly limitMemoryMb: number;
  /** The value of Strict-Transport-Security; null: none is sent. */
  readonly hsts: string | null;
  /** null: off. */
  readonly gzip: Compression | null;
  readonly brotli: Compression | null;
}

export interface Compression {
  readonly level: number;
  readonly minLengthBytes: number;
  readonly types: readonly string[];
}

export interface ProxyTraffic {
  readonly connectTimeoutMs: number;
  readonly sendTimeoutS: number;
  readonly readTimeoutS: number;
  readonly buffering: boolean;
  readonly bufferKb: number;
  readonly buffers: number;
  readonly requestBuffering: boolean;
  /** Conditions of proxy_next_upstream; empty: off. */
  readonly retryOn: readonly string[];
  readonly retryTries: number;
  readonly retryTimeoutMs: number;
  /** 0: off. */
  readonly slowStartS: number;
  readonly retryBudgetPercent: number;
  readonly retryBudgetMinPerS: number;
  readonly loadBalance: "round_robin" | "ewma" | "least_conn";
  /** null: half of a worker's connections. */
  readonly keepaliveConnections: number | null;
  readonly keepaliveTimeoutS: number;
  readonly keepaliveRequests: number;
  readonly setHeaders: readonly HeaderSetting[];
}

export interface TlsTraffic {
  readonly protocols: readonly string[];
  readonly ciphers: string;
  readonly preferServerCiphers: boolean;
  readonly sessionCacheMb: number;
  readonly sessionTimeoutS: number;
  readonly sessionTickets: boolean;
  readonly rejectUnknownNames: boolean;
}

export interface ClientsTraffic {
  readonly trustedProxies: readonly string[];
  readonly forwardedHeaders: boolean;
  readonly forwardedForHeader: string;
  readonly appendForwardedFor: boolean;
  readonly proxyProtocol: boolean;
}

export interface AccessLogTraffic {
  /** An nginx log_format; null: ours. */
  readonly format: string | null;
  /** Ours. */
  readonly style: "lines" | "json";
  readonly escape: "default" | "json";
  readonly skipPaths: readonly string[];
}

/** When peers that fail are ejected, and for how long. */
export interface HealthTraffic {
  readonly enabled: boolean;
  /** In a row. */
  readonly failures: number;
  /** Of the requests of a window; 0: never. */
  readonly errorPercent: number;
  readonly windowS: number;
  readonly backOffS: number;
  readonly backOffMaxS: number;
  readonly ejectedPercentMax: number;
  readonly panicPercent: number;
}

/** How services are asked whether a request may pass. */
export interface ExternalAuthTraffic {
  readonly connectTimeoutMs: number;
  /** For the whole answer. */
  readonly timeoutMs: number;
  /** Absolute path of a PEM file; null: certificates are not looked at. */
  readonly authorities: string | null;
}

export interface Traffic {
  readonly http: HttpTraffic;
  readonly proxy: ProxyTraffic;
  readonly health: HealthTraffic;
  readonly externalAuth: ExternalAuthTraffic;
  readonly tls: TlsTraffic;
  readonly clients: ClientsTraffic;
  readonly accessLog: AccessLogTraffic;
}
