// Headers: what is of one connection alone, what a client says of itself, and how much of it all there may be.

import { type Http1Case, refused, request, served } from "./http1-case.ts";

function sent(name: string, headers: readonly string[], more: Partial<Http1Case>): Http1Case {
  return { ...served(name, request({ headers }), "GET /x"), ...more };
}

const TWO_MB = 2 * 1024 * 1024;

const OF_THE_CONNECTION = [
  "Connection",
  "Keep-Alive",
  "Proxy-Connection",
  "TE",
  "Trailer",
  "Transfer_Encoding",
  "Upgrade",
];

/** Believed by some backends: nobody but a proxy may say them. */
const OF_PROXIES = [
  "Forwarded",
  "Front-End-Https",
  "Proxy",
  "X-Forwarded-Prefix",
  "X-Forwarded-Server",
  "X-Forwarded-Ssl",
  "X-Original-Forwarded-For",
  "X-Original-Host",
  "X-Original-Method",
  "X-Original-URI",
  "X-Original-URL",
  "X-Rewrite-URL",
  "ssl-client-cert",
  "ssl-client-issuer-dn",
  "ssl-client-subject-dn",
  "ssl-client-verify",
];

const OURS = [
  ["X-Real-IP", "127.0.0.1"],
  ["X-Forwarded-For", "127.0.0.1"],
  ["X-Forwarded-Host", "wire.test"],
] as const;

const OF_ONE_CONNECTION: readonly Http1Case[] = [
  ...OF_THE_CONNECTION.map((name) =>
    sent(`${name} does not arrive`, [`${name}: x`], { hasNot: [name.toLowerCase(), "connection"] }),
  ),
  // A proxy that removes what Connection names can be told to remove what it set itself.
  ...OURS.map(([name, value]) =>
    sent(`Connection cannot remove our ${name}`, [`Connection: close, ${name}`, `${name}: 1.2.3.4`], {
      has: [`${name.toLowerCase()}: ${value}`],
      goesOn: false,
    }),
  ),
  sent(
    "Connection cannot remove what a guard of the backend reads",
    ["Connection: X-Secret-Guard", "X-Secret-Guard: on"],
    {
      has: ["x-secret-guard: on"],
      hasNot: ["connection"],
    },
  ),
  sent("Connection cannot remove the host", ["Connection: Host, X-Request-ID"], { has: ["host: wire.test"] }),
];

const FORGED: readonly Http1Case[] = [
  ...OF_PROXIES.map((name) => sent(`a client's ${name} is removed`, [`${name}: x`], { hasNot: [name.toLowerCase()] })),
  ...OURS.map(([name, value]) => {
    const headers = [`${name}: 1.2.3.4`, `${name.toUpperCase()}: 5.6.7.8`];
    return sent(`a client's ${name} is replaced, however often it says so`, headers, {
      has: [`${name.toLowerCase()}: ${value}`],
    });
  }),
  ...["X_Forwarded_For", "X-Real_IP", "X.Real.IP", "ssl_client_verify"].map((name) =>
    sent(`${name}, which some backends read as the true one`, [`${name}: x`], { hasNot: [name.toLowerCase()] }),
  ),
];

const FORM: readonly Http1Case[] = [
  refused("a NUL in a value", request({ headers: ["X-A: a\0b"] })),
  refused("a NUL in a name", request({ headers: ["X\0A: b"] })),
  refused("a CR in a value", request({ headers: ["X-A: a\rb"] })),
  refused("a control byte in a name", request({ headers: ["X\u0001A: b"] })),
  refused("a space in a name", request({ headers: ["X A: b"] })),
  refused("a line that goes on", request({ headers: ["X-A: a", " b"] })),
  refused("a name that is empty", request({ headers: [": b"] })),
  sent("a value of high bytes passes", ["X-A: \u00ff\u0080"], { has: ["x-a: \u00ff\u0080"] }),
  sent("an empty value passes", ["X-A:"], { has: ["x-a: "] }),
];

const SIZES: readonly Http1Case[] = [
  refused("a header of 9 kB", request({ headers: [`X-A: ${"a".repeat(9_000)}`] })),
  refused("a name of 9 kB", request({ headers: [`${"a".repeat(9_000)}: b`] })),
  refused(
    "40 headers of 1 kB",
    request({ headers: Array.from({ length: 40 }, (_, at) => `X-${at}: ${"a".repeat(1_000)}`) }),
  ),
  refused("20,000 headers", request({ headers: Array.from({ length: 20_000 }, () => "X: y") })),
  refused("a request line of 9 kB", request({ line: `GET /${"a".repeat(9_000)} HTTP/1.1` }), 414),
  refused("a method of 9 kB", request({ line: `${"A".repeat(9_000)} / HTTP/1.1` }), 414),
  sent("7 kB pass", [`X-A: ${"a".repeat(7_000)}`], { has: [`x-a: ${"a".repeat(7_000)}`] }),
  refused(
    "a body of 2 MB",
    request({ line: "POST /x HTTP/1.1", headers: [`Content-Length: ${TWO_MB}`], body: "a".repeat(TWO_MB) }),
    413,
  ),
];

export const HEADER_CASES: readonly Http1Case[] = [...OF_ONE_CONNECTION, ...FORGED, ...FORM, ...SIZES];
