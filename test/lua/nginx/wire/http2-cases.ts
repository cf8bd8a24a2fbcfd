// HTTP/2: lengths are not told by text there, but what a field holds becomes text on the way to the backend.

import type { Fields, Http2Request } from "../../support/raw-http2.ts";
import { SMUGGLED } from "./http1-case.ts";

export interface Http2Case extends Http2Request {
  readonly name: string;
  /** The status, or how nginx ends it instead. */
  readonly outcome: number | "reset" | "closed";
  readonly arrives: readonly string[];
  readonly has?: readonly string[];
  readonly hasNot?: readonly string[];
  /** Debian 12 runs it too, and ends it so. */
  readonly debian12?: Http2Case["outcome"];
}

type Pseudo = Partial<Record<":method" | ":scheme" | ":authority" | ":path", string | null>>;

/** The fields of a plain GET /x for wire.test, with others in their place; null leaves one out. */
function fields(pseudo: Pseudo, ...more: Fields): Fields {
  const all = { ":method": "GET", ":scheme": "http", ":authority": "wire.test", ":path": "/x", ...pseudo };
  return [...Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])), ...more];
}

function refused(name: string, wish: Fields, outcome: Http2Case["outcome"] = 400): Http2Case {
  return { name, fields: wish, outcome, arrives: [] };
}

function served(name: string, wish: Fields, more: Partial<Http2Case> = {}): Http2Case {
  return { name, fields: wish, outcome: 200, arrives: ["GET /x"], ...more };
}

const SPLIT = "/x HTTP/1.1\r\nHost: wire.test\r\n\r\nGET /smuggled";

const PSEUDO_CASES: readonly Http2Case[] = [
  { ...refused("a request in the path", fields({ ":path": SPLIT })), debian12: "reset" },
  ...["/x\r\nA: b", "/x\n", "/x\r", "/x\0", "/x\u0001", "/x y", "/x\ty", "/x\u007f"].map((path) =>
    refused(`path ${JSON.stringify(path)}`, fields({ ":path": path })),
  ),
  ...["", "x", "*", "?q", "http://wire.test/x", "/../x", "/%zz", "/%00"].map((path) =>
    refused(`path ${JSON.stringify(path)}`, fields({ ":path": path })),
  ),
  { ...refused("a request in the method", fields({ ":method": `GET ${SPLIT} HTTP/1.1\r\nA` })), debian12: "reset" },
  ...["GE T", "GET\r\n", "GET\0", "get", "", "GET:"].map((method) =>
    refused(`method ${JSON.stringify(method)}`, fields({ ":method": method })),
  ),
  refused("method TRACE", fields({ ":method": "TRACE" }), 405),
  refused("method CONNECT", fields({ ":method": "CONNECT" }), 405),
  ...["", "ht tp", "http\r\nA: b", "http://x/?", "h\0"].map((scheme) =>
    refused(`scheme ${JSON.stringify(scheme)}`, fields({ ":scheme": scheme })),
  ),
  served("the scheme that counts is the listener's", fields({ ":scheme": "https" })),
  refused("no method", fields({ ":method": null })),
  refused("no path", fields({ ":path": null })),
  refused("no scheme", fields({ ":scheme": null })),
  refused("two paths", fields({}, [":path", "/y"])),
  refused("two methods", fields({}, [":method", "POST"])),
  refused("a pseudo field that nobody knows", fields({}, [":foo", "x"])),
  served("a pseudo field after the others, with which nginx bears", [["x-a", "b"], ...fields({})]),
];

const HOST_CASES: readonly Http2Case[] = [
  refused("one host twice", fields({}, ["host", "wire.test"])),
  served("no authority, but a host", fields({ ":authority": null }, ["host", "wire.test"])),
  ...["WIRE.test", "wire.test:80", "wire.test."].map((host) =>
    served(`authority ${host}`, fields({ ":authority": host }), { has: ["host: wire.test"] }),
  ),
  { ...refused("an authority and another host", fields({}, ["host", "strict.test"])), debian12: 400 },
  { ...refused("the other way round", fields({ ":authority": "strict.test" }, ["host", "wire.test"])), debian12: 400 },
  refused("a host before the authority", [["host", "strict.test"], ...fields({})]),
  refused("two hosts", fields({ ":authority": null }, ["host", "wire.test"], ["host", "strict.test"])),
  refused("two authorities", fields({}, [":authority", "strict.test"])),
  refused("neither", fields({ ":authority": null })),
  ...["", "u@wire.test", "wire.test/x", "wire test", "wire.test\r\nA: b", "wire.test:8x", "w\0", "\u00e9.test"].map(
    (host) => refused(`authority ${JSON.stringify(host)}`, fields({ ":authority": host })),
  ),
];

const FIELD_CASES: readonly Http2Case[] = [
  ...["connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer"].map((name) =>
    served(`${name} goes no further`, fields({}, [name, "x"]), { hasNot: [name] }),
  ),
  served("an upgrade, which HTTP/2 has not", fields({}, ["upgrade", "websocket"], ["connection", "upgrade"]), {
    hasNot: ["upgrade", "connection"],
    debian12: 200,
  }),
  served("Connection cannot remove our fields", fields({}, ["connection", "x-real-ip"], ["x-real-ip", "1.2.3.4"]), {
    has: ["x-real-ip: 127.0.0.1"],
  }),
  ...["X-A", "x a", "x:a", "x\r\na", "x\0a", "x\u0001"].map((name) =>
    refused(`field name ${JSON.stringify(name)}`, fields({}, [name, "b"])),
  ),
  refused("a field without a name", fields({}, ["", "b"]), "closed"),
  ...["a\r\nX-B: c", "a\nb", "a\rb", "a\0b"].map((value) =>
    refused(`field value ${JSON.stringify(value)}`, fields({}, ["x-a", value])),
  ),
  served("forged fields", fields({}, ["x-forwarded-for", "1.2.3.4"], ["ssl-client-verify", "SUCCESS"]), {
    has: ["x-forwarded-for: 127.0.0.1"],
    hasNot: ["ssl-client-verify"],
  }),
  served("crumbs of a cookie arrive as one", fields({}, ["cookie", "a=b"], ["cookie", "c=d"]), {
    has: ["cookie: a=b; c=d"],
  }),
  refused("a field of 40 kB", fields({}, ["x-a", "a".repeat(40_000)]), "closed"),
  refused("5,000 fields", fields({}, ...Array.from({ length: 5_000 }, () => ["x", "yyyyyyyy"] as const)), 400),
];

const POST = { ":method": "POST" };

const BODY_CASES: readonly Http2Case[] = [
  served("a body without a length", fields(POST), { data: ["hello"], arrives: ["POST /x hello"] }),
  served("a body in pieces", fields(POST, ["content-length", "5"]), {
    data: ["he", "llo"],
    arrives: ["POST /x hello"],
  }),
  { ...refused("a length that is longer", fields(POST, ["content-length", "6"])), data: ["hello"], debian12: 400 },
  { ...refused("a length that is shorter", fields(POST, ["content-length", "4"])), data: ["hello"], debian12: 400 },
  refused("a length without a body", fields(POST, ["content-length", "5"])),
  { ...refused("a length of 0 with a body", fields(POST, ["content-length", "0"])), data: ["hello"], debian12: 400 },
  { ...refused("two lengths", fields(POST, ["content-length", "5"], ["content-length", "5"])), data: ["hello"] },
  ...["+5", "5,5", " 5", "0x5", ""].map((length) => ({
    ...refused(`length "${length}"`, fields(POST, ["content-length", length])),
    data: ["hello"],
  })),
  served(
    "an encoding, which HTTP/2 has not: the body is what its frames say",
    fields(POST, ["transfer-encoding", "chunked"]),
    {
      data: [`0\r\n\r\n${SMUGGLED}`],
      arrives: [`POST /x 0\r\n\r\n${SMUGGLED}`],
      debian12: 200,
    },
  ),
  { ...refused("an encoding that nobody knows", fields(POST, ["transfer-encoding", "x"]), 501), data: ["hello"] },
  {
    ...refused("trailers, which nginx takes for a second stream of that number", fields(POST), "closed"),
    data: ["hello"],
    trailers: [["x-real-ip", "1.2.3.4"]],
  },
];

export const HTTP2_CASES: readonly Http2Case[] = [...PSEUDO_CASES, ...HOST_CASES, ...FIELD_CASES, ...BODY_CASES];
