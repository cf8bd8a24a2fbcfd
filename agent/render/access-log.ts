// What nginx writes of each request: a log_format and what it needs.

import type { AccessLogTraffic } from "./traffic.ts";

const LINES =
  '$remote_addr - [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ' +
  "$request_time $host $hg_route $upstream_addr $upstream_status $upstream_response_time $hg_request_id " +
  "$hg_log_traceparent";

/** In the order of the log. Of several tries nginx writes all, with commas between them: text. */
const FIELDS: readonly (readonly [name: string, variable: string, kind: "text" | "number"])[] = [
  ["time", "time_iso8601", "text"],
  ["remote_addr", "remote_addr", "text"],
  ["request_id", "hg_request_id", "text"],
  ["traceparent", "hg_log_traceparent", "text"],
  ["method", "request_method", "text"],
  ["scheme", "scheme", "text"],
  ["host", "host", "text"],
  ["uri", "request_uri", "text"],
  ["protocol", "server_protocol", "text"],
  ["status", "hg_log_status", "number"],
  ["request_bytes", "request_length", "number"],
  ["response_bytes", "bytes_sent", "number"],
  ["duration", "request_time", "number"],
  ["referer", "http_referer", "text"],
  ["user_agent", "http_user_agent", "text"],
  ["namespace", "hg_namespace", "text"],
  ["ingress", "hg_ingress", "text"],
  ["service", "hg_service", "text"],
  ["service_port", "hg_service_port", "text"],
  ["upstream_addr", "upstream_addr", "text"],
  ["upstream_status", "upstream_status", "text"],
  ["upstream_header_time", "upstream_header_time", "text"],
  ["upstream_response_time", "upstream_response_time", "text"],
  ["tls", "ssl_protocol", "text"],
];

/** Variables that Lua sets only where the log has them. */
const NAMES = /\$\{?hg_(?:namespace|ingress|service|service_port)\b/;

/** For the templates: the format, how nginx escapes values in it, and whether it names the route's objects. */
export function accessLogContext({ format, style, escape }: AccessLogTraffic): {
  readonly logFormat: string;
  readonly logEscape: "default" | "json";
  readonly logNames: boolean;
} {
  const isJson = format === null && style === "json";
  const logFormat = format ?? (isJson ? jsonFormat() : LINES);
  return { logFormat, logEscape: isJson ? "json" : escape, logNames: NAMES.test(logFormat) };
}

function jsonFormat(): string {
  const fields = FIELDS.map(([name, variable, kind]) => {
    return kind === "text" ? `"${name}":"$${variable}"` : `"${name}":$${variable}`;
  });
  return `{${fields.join(",")}}`;
}
