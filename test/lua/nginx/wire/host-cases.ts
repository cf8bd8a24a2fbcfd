// Spellings of hosts: the host that routes is the host that is sent, whatever the client wrote.

import { type Http1Case, refused, request } from "./http1-case.ts";

/** Served as wire.test, which is what arrives. */
function same(host: string, line = "GET /x HTTP/1.1"): Http1Case {
  return {
    name: `${line.split(" ")[1] ?? ""} for ${JSON.stringify(host)} is wire.test`,
    send: request({ line, host }),
    statuses: [200],
    arrives: ["GET /x"],
    has: ["host: wire.test", "x-forwarded-host: wire.test"],
    goesOn: true,
  };
}

function none(host: string): Http1Case {
  return refused(`the host ${JSON.stringify(host).slice(0, 60)}`, request({ host }));
}

/** A host that is a name, and nobody's. */
function nobody(host: string): Http1Case {
  return {
    name: `${JSON.stringify(host)} is nobody's`,
    send: request({ host }),
    statuses: [404],
    arrives: [],
    goesOn: true,
  };
}

/** Request line and Host header name no host together, or no path. */
function disagree(target: string, host: string | null): Http1Case {
  return refused(`${target} with Host ${String(host)}`, request({ line: `GET ${target} HTTP/1.1`, host }));
}

const UTF8 = Buffer.from("wıre.test").toString("latin1");

export const HOST_CASES: readonly Http1Case[] = [
  ...["wire.test", "WIRE.test", "wire.test:80", "wire.test:99999", "wire.test:", "wire.test.", "Wire.Test.:8080"].map(
    (host) => same(host),
  ),
  same("wire.test ", "GET /x HTTP/1.1"),
  same("wire.test", "GET http://wire.test/x HTTP/1.1"),
  same("wire.test", "GET HTTP://WIRE.TEST/x HTTP/1.1"),
  same("WIRE.test.", "GET http://wire.test:8080/x HTTP/1.1"),
  ...[
    "wire.test..",
    ".wire.test",
    "wire..test",
    "wire.test.nobody",
    "-wire.test",
    "wire_.test",
    "127.0.0.1",
    "[::1]",
    "%77ire.test",
    "_",
  ].map((host): Http1Case => (/\.\.|%/.test(host) ? none(host) : nobody(host))),
  ...[
    "wire.test/x",
    "wire.test\\x",
    "wire.test#",
    "wire.test?",
    "u@wire.test",
    "u:p@wire.test",
    "wire.test@nobody.test",
    "wire.test:80@nobody.test",
    "wire.test:@nobody.test",
  ].map(none),
  ...[
    "a b",
    "wire.test\tx",
    "wire.test\u0001",
    "wire.test\u007f",
    "wire.test\0",
    UTF8,
    "\u00e9.test",
    "",
    "<wire>.test",
    '"',
  ].map(none),
  ...[
    "[",
    "]",
    "[x",
    "[::1",
    "[::1]x",
    "[::1]:80:80",
    "wire.test:80:80",
    "wire.test:8x",
    "wire.test,nobody.test",
    "a".repeat(300),
  ].map(none),
  refused("no host", request({ host: null })),
  refused("no host in HTTP/1.0", request({ line: "GET /x HTTP/1.0", host: null })),
  refused("two hosts", request({ headers: ["Host: nobody.test"] })),
  refused("two equal hosts", request({ headers: ["Host: wire.test"] })),
  refused("two hosts in two cases", request({ headers: ["HOST: wire.test"] })),
  refused("a host in two lines", "GET /x HTTP/1.1\r\nHost:\r\n wire.test\r\n\r\n"),
  refused("a space after the name", "GET /x HTTP/1.1\r\nHost : wire.test\r\n\r\n"),
  disagree("http://nobody.test/x", "wire.test"),
  disagree("http://wire.test/x", "nobody.test"),
  disagree("http://wire.test/admin", "strict.test"),
  disagree("http://strict.test/admin", "wire.test"),
  disagree("http://wire.test/x", null),
  disagree("http://wire.test/x", ""),
  disagree("http://u@wire.test/x", "wire.test"),
  disagree("http://wire.test@nobody.test/x", "wire.test"),
  disagree("http:///x", "wire.test"),
  disagree("http:/x", "wire.test"),
  disagree("//wire.test/x/../../..", "wire.test"),
  disagree("wire.test/x", "wire.test"),
  disagree("*", "wire.test"),
  disagree("", "wire.test"),
  {
    name: "two slashes are a path, not a host",
    send: request({ line: "GET //nobody.test/x HTTP/1.1" }),
    statuses: [200],
    arrives: ["GET //nobody.test/x"],
    has: ["host: wire.test"],
    goesOn: true,
  },
  disagree("http://wire.test?q=1", "wire.test"),
  {
    name: "an absolute URI without a path",
    send: request({ line: "GET http://wire.test HTTP/1.1" }),
    statuses: [200],
    arrives: ["GET /"],
    goesOn: true,
  },
  {
    name: "an absolute URI of https on any listener",
    send: request({ line: "GET https://wire.test/x HTTP/1.1" }),
    statuses: [200],
    arrives: ["GET /x"],
    has: ["host: wire.test"],
    goesOn: true,
  },
];
