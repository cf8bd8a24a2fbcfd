// Where one request ends and the next begins: two readings of one stream would let a request hide in another.

import { type Http1Case, refused, request, served, SMUGGLED } from "./http1-case.ts";

const POST = "POST /x HTTP/1.1";

function post(headers: readonly string[], body: string): string {
  return request({ line: POST, headers, body });
}

const LENGTH_CASES: readonly Http1Case[] = [
  ...["+5", "-5", "0x5", "5a", "5, 5", "5,6", "5 5", "", "5;", "1e1", "99999999999999999999"].map((value) =>
    refused(`Content-Length "${value}"`, post([`Content-Length: ${value}`], `hello${SMUGGLED}`)),
  ),
  refused("Content-Length with a vertical tab", post(["Content-Length: \u000b5"], `hello${SMUGGLED}`)),
  refused("two equal lengths", post(["Content-Length: 5", "Content-Length: 5"], "hello")),
  refused("two lengths", post(["Content-Length: 5", `Content-Length: ${5 + SMUGGLED.length}`], `hello${SMUGGLED}`)),
  served("a length with spaces around it", post(["Content-Length:   5  "], "hello"), "POST /x hello"),
  served("a length with zeros before it", post(["Content-Length: 0005"], "hello"), "POST /x hello"),
  served("a length on a GET", request({ headers: ["Content-Length: 5"], body: "hello" }), "GET /x hello"),
  served(
    "a length under a name with an underscore is none",
    post([`Content_Length: ${SMUGGLED.length}`], SMUGGLED.replace("smuggled", "second")),
    "POST /x",
    "GET /second",
  ),
];

const BOTH_CASES: readonly Http1Case[] = [
  {
    ...refused("CL.TE", post(["Content-Length: 6", "Transfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`)),
    debian12: true,
  },
  {
    ...refused("TE.CL", post(["Transfer-Encoding: chunked", "Content-Length: 4"], `2f\r\n${SMUGGLED}\r\n0\r\n\r\n`)),
    debian12: true,
  },
  refused("CL.TE in upper case", post(["CONTENT-LENGTH: 6", "TRANSFER-ENCODING: CHUNKED"], `0\r\n\r\n${SMUGGLED}`)),
  refused(
    "CL.TE with a length of 0",
    post(["Content-Length: 0", "Transfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`),
  ),
];

const ENCODING_CASES: readonly Http1Case[] = [
  ...["xchunked", "chunked, chunked", "identity", "chunked, identity", "identity, chunked", '"chunked"', "x"].map(
    (value): Http1Case => ({
      ...refused(`Transfer-Encoding "${value}"`, post([`Transfer-Encoding: ${value}`], `0\r\n\r\n${SMUGGLED}`), 501),
      debian12: true,
    }),
  ),
  refused(
    "Transfer-Encoding with a vertical tab",
    post(["Transfer-Encoding: \u000bchunked"], `0\r\n\r\n${SMUGGLED}`),
    501,
  ),
  refused("two encodings", post(["Transfer-Encoding: chunked", "Transfer-Encoding: x"], `0\r\n\r\n${SMUGGLED}`)),
  refused("two equal encodings", post(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n")),
  refused("a space before the colon", post(["Transfer-Encoding : chunked"], `0\r\n\r\n${SMUGGLED}`)),
  refused("a tab before the colon", post(["Transfer-Encoding\t: chunked"], `0\r\n\r\n${SMUGGLED}`)),
  {
    name: "a name in two lines is two names",
    send: post(["Transfer-", "Encoding: chunked"], "0\r\n\r\n"),
    statuses: [200, 400],
    arrives: ["POST /x"],
    has: ["transfer-: ", "encoding: chunked"],
    goesOn: false,
  },
  refused("a value in a second line", post(["Transfer-Encoding:", " chunked"], `0\r\n\r\n${SMUGGLED}`)),
  refused("a line that begins with a tab", post(["X-A: b", "\tTransfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`)),
  refused("a first header line that begins with a space", `${POST}\r\n Host: wire.test\r\n\r\n`),
  refused("a bare CR before the name", post(["X-A: b\rTransfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`)),
  refused("a NUL in the value", post(["Transfer-Encoding: chunked\0"], `0\r\n\r\n${SMUGGLED}`)),
  refused("a NUL in the name", post(["Transfer-Encoding\0: chunked"], `0\r\n\r\n${SMUGGLED}`)),
  refused("chunks in HTTP/1.0", request({ line: "POST /x HTTP/1.0", headers: ["Transfer-Encoding: chunked"] })),
  served("chunks", post(["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"), "POST /x hello"),
  served("chunks in upper case", post(["TRANSFER-ENCODING: CHUNKED"], "5\r\nhello\r\n0\r\n\r\n"), "POST /x hello"),
  served("a space after the word", post(["Transfer-Encoding: chunked "], "5\r\nhello\r\n0\r\n\r\n"), "POST /x hello"),
  served("chunks on a GET", request({ headers: ["Transfer-Encoding: chunked"], body: "0\r\n\r\n" }), "GET /x"),
  served(
    "an encoding under a name with an underscore is none",
    post(["Content-Length: 5", "Transfer_Encoding: chunked"], "0\r\n\r\n"),
    "POST /x 0\r\n\r\n",
  ),
];

const CHUNK_CASES: readonly Http1Case[] = [
  ...["+5", "-5", "0x5", " 5", "g", "", "ffffffffffffffff1", "7fffffffffffffff1", "5,"].map((size) =>
    refused(`chunk size "${size}"`, post(["Transfer-Encoding: chunked"], `${size}\r\nhello\r\n0\r\n\r\n${SMUGGLED}`)),
  ),
  refused("a chunk that is longer than it says", post(["Transfer-Encoding: chunked"], "4\r\nhello\r\n0\r\n\r\n")),
  refused("a last chunk without its end", post(["Transfer-Encoding: chunked"], `5\r\nhello0\r\n\r\n${SMUGGLED}`)),
  served(
    "chunk extensions do not arrive",
    post(["Transfer-Encoding: chunked"], '5;a=b;c="d\r\nhello\r\n0;x\r\n\r\n'),
    "POST /x hello",
  ),
  {
    ...served(
      "trailers do not arrive",
      post(
        ["Transfer-Encoding: chunked", "Trailer: X-Real-IP"],
        "5\r\nhello\r\n0\r\nX-Real-IP: 1.2.3.4\r\nContent-Length: 9\r\n\r\n",
      ),
      "POST /x hello",
    ),
    hasNot: ["trailer"],
    has: ["x-real-ip: 127.0.0.1"],
  },
  served(
    "a chunk in bytes of its own kind of line ends",
    post(["Transfer-Encoding: chunked"], "5\nhello\r\n0\r\n\r\n"),
    "POST /x hello",
  ),
];

const PIPELINE_CASES: readonly Http1Case[] = [
  served("three requests at once", `${request({})}${request({})}${request({})}`, "GET /x", "GET /x", "GET /x"),
  {
    name: "a bad second request costs the first nothing",
    send: `${request({})}${request({ headers: ["Transfer-Encoding : chunked"] })}`,
    statuses: [200, 400],
    arrives: ["GET /x"],
    goesOn: false,
  },
  {
    name: "what follows a refused length is nobody's request",
    send: `${request({})}${post(["Content-Length: 5, 5"], `hello${SMUGGLED}`)}`,
    statuses: [200, 400],
    arrives: ["GET /x"],
    goesOn: false,
  },
  {
    name: "the body of a request to nobody is not the next request",
    send: request({ line: POST, host: "nobody.test", headers: [`Content-Length: ${SMUGGLED.length}`], body: SMUGGLED }),
    statuses: [404],
    arrives: [],
    goesOn: true,
  },
  {
    name: "nor the body of a request to a closed route",
    send: request({
      line: "POST /admin HTTP/1.1",
      host: "strict.test",
      headers: [`Content-Length: ${SMUGGLED.length}`],
      body: SMUGGLED,
    }),
    statuses: [503],
    arrives: [],
    goesOn: true,
  },
  {
    name: "nor chunks of such a one",
    send: request({
      line: "POST /admin HTTP/1.1",
      host: "strict.test",
      headers: ["Transfer-Encoding: chunked"],
      body: `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    }),
    statuses: [503],
    arrives: [],
    goesOn: true,
  },
  served("empty lines before a request", `\r\n\r\n${request({})}`, "GET /x"),
];

const LINE_CASES: readonly Http1Case[] = [
  served("bare LF ends lines", request({}).replaceAll("\r\n", "\n"), "GET /x"),
  served(
    "a length behind a bare LF counts",
    `POST /x HTTP/1.1\nHost: wire.test\nX-A: b\nContent-Length: 5\n\nhello`,
    "POST /x hello",
  ),
  ...[
    "GET /x y HTTP/1.1",
    "GET /x\tHTTP/1.1",
    "GET /x\u000b HTTP/1.1",
    "GET  HTTP/1.1",
    "GET HTTP/1.1",
    " GET /x HTTP/1.1",
  ].map((line): Http1Case => ({
    ...refused(`request line ${JSON.stringify(line)}`, request({ line })),
    debian12: true,
  })),
  { name: "HTTP/0.9", send: "GET /x\r\n", statuses: [], arrives: [], goesOn: false, rest: /400 Bad Request/ },
  {
    name: "HTTP/0.9 with a host in its URI",
    send: "GET http://wire.test/x\r\n",
    statuses: [],
    arrives: [],
    goesOn: false,
    rest: /400 Bad Request/,
  },
  refused("HTTP/2.0 as a line", request({ line: "GET /x HTTP/2.0" }), 505),
  refused("HTTP/1.x", request({ line: "GET /x HTTP/1.x" })),
  refused("another protocol", request({ line: "GET /x ICAP/1.1" })),
  refused("an escape of a line break in the URI's place", request({ line: "GET /x%0d%0aHost:%20y HTTP/1.1\rX: y" })),
];

/** All cases of this file. */
export const SMUGGLING_CASES: readonly Http1Case[] = [
  ...LENGTH_CASES,
  ...BOTH_CASES,
  ...ENCODING_CASES,
  ...CHUNK_CASES,
  ...PIPELINE_CASES,
  ...LINE_CASES,
];
