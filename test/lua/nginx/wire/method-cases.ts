// Methods, expectations and upgrades.

import { type Http1Case, refused, request, served } from "./http1-case.ts";

function line(method: string, target = "/x"): string {
  return request({ line: `${method} ${target} HTTP/1.1` });
}

const NO_UPGRADE = [
  "h2c",
  "TLS/1.0",
  "websocket, h2c",
  "h2c, websocket",
  "websockets",
  "websocket/13",
  "foo",
  "HTTP/2.0",
];

export const METHOD_CASES: readonly Http1Case[] = [
  ...["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "LOCK", "FOO", "M-SEARCH", "A_B"].map(
    (method) => served(`method ${method}`, line(method), `${method} /x`),
  ),
  refused("method TRACE", line("TRACE"), 405),
  refused("method CONNECT to a host", line("CONNECT", "wire.test:80")),
  refused("method CONNECT to a path", line("CONNECT"), 405),
  ...["get", "Get", "GET:", "G\u0001T", "", "GE%54", "\u00a7ET", "GET,POST"].map((method) =>
    refused(`method ${JSON.stringify(method)}`, line(method)),
  ),
  refused("OPTIONS *", line("OPTIONS", "*")),
  {
    ...served(
      "an expectation that nginx meets itself",
      request({ line: "POST /x HTTP/1.1", headers: ["Expect: 100-continue", "Content-Length: 5"], body: "hello" }),
      "POST /x hello",
    ),
    statuses: [100, 200],
    hasNot: ["expect"],
  },
  {
    ...served("an expectation that nobody knows", request({ headers: ["Expect: magic"] }), "GET /x"),
    hasNot: ["expect"],
  },
  ...NO_UPGRADE.map((protocol): Http1Case => {
    const headers = [`Upgrade: ${protocol}`, "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    return {
      ...served(`no upgrade to ${protocol}`, request({ headers }), "GET /x"),
      hasNot: ["upgrade", "connection"],
      debian12: true,
    };
  }),
  {
    ...served("two upgrades", request({ headers: ["Upgrade: h2c", "Upgrade: websocket"] }), "GET /x"),
    hasNot: ["upgrade", "connection"],
  },
  {
    ...served("an upgrade to websocket is asked for", request({ headers: ["Upgrade: WebSocket"] }), "GET /x"),
    has: ["upgrade: websocket", "connection: upgrade"],
  },
];
