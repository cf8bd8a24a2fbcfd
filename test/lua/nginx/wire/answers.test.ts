// Tables of raw answers, and that the next client of the same connection gets its own. To add a case, add a row.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { exchange } from "../../support/raw-http1.ts";
import { RawHttp2 } from "../../support/raw-http2.ts";
import { ANSWER_CASES, type AnswerCase, SWITCH } from "./answer-cases.ts";
import { request } from "./http1-case.ts";
import { FULL_SET, Site } from "./site.ts";

let site: Site;
before(async () => {
  // One worker: the next request takes the connection that the one before left.
  site = await Site.start({ workers: 1 });
});
after(async () => {
  await site[Symbol.asyncDispose]();
});

describe("answers", () => {
  const echo = (line: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`;
  for (const row of ANSWER_CASES.filter(({ debian12 }) => FULL_SET || debian12 === true)) {
    test(row.name, async () => {
      await site.recorder.reset();
      site.recorder.answer = ({ uri }) => (uri === "/evil" ? row.answer : echo(`GET ${uri}`));
      await ask("/evil", row);
      for (const uri of ["/next", "/after"]) {
        await ask(uri, { status: 200, body: `GET ${uri}` });
      }
      assert.deepEqual(site.recorder.lines, ["GET /evil", "GET /next", "GET /after"]);
    });
  }
});

// nginx would take the client's whole connection for the tunnel.
const FOR_HTTP2 = { "a switch to websocket": SWITCH, "no HTTP": "hello\r\n\r\n" };
for (const [name, text] of Object.entries(FOR_HTTP2)) {
  test(`${name} for a client of HTTP/2`, () => isBadGateway(text));
}

async function isBadGateway(text: string): Promise<void> {
  for (const door of site.http2Doors) {
    await site.recorder.reset();
    site.recorder.answer = () => text;
    using connection = await RawHttp2.dial(door);
    const pseudo = { ":method": "GET", ":scheme": "http", ":authority": "wire.test", ":path": "/x" };
    const fields = Object.entries({ ...pseudo, upgrade: "websocket" });
    assert.deepEqual(await connection.ask({ fields }), { kind: "answer", status: 502, body: "502 bad gateway\n" });
  }
  assert.doesNotMatch(site.nginx.errorLog(), /\[alert\]|exited on signal/);
}

type Expected = Pick<AnswerCase, "status" | "body" | "asks" | "has" | "hasNot">;

async function ask(uri: string, { status, body, asks = [], has = [], hasNot = [] }: Expected): Promise<void> {
  const headersAsked = ["Connection: close", ...asks];
  const { answers, rest } = await exchange(site.plain, request({ line: `GET ${uri} HTTP/1.1`, headers: headersAsked }));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    status === null ? [] : [status],
  );
  assert.equal(rest, "");
  const [answer] = answers;
  if (answer === undefined) return;
  const { headers, body: seen } = answer;
  if (body !== undefined) assert.equal(seen, body);
  for (const line of has) {
    const [name = "", value] = line.split(": ");
    assert.equal(headers[name], value);
  }
  for (const name of hasNot) assert.equal(headers[name], undefined, `${name} reaches the client`);
  assert.equal(headers["server"], "nginx");
}
