// Any document that the data plane takes, and any request: at most one request leaves, of clean bytes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { FilterValue } from "../../../../agent/render/documents.ts";
import { type Exchange, exchange } from "../../support/raw-http1.ts";
import { FULL_SET, Site } from "./site.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? (FULL_SET ? 400 : 100));

let site: Site;
before(async () => {
  site = await Site.start();
});
after(async () => {
  await site[Symbol.asyncDispose]();
});

const PIECES = [
  "a", "b", "/", "//", ".", "..", "%2f", "%61", "%25", "%250a", "%0d%0a", "%20", "%00", "%", "%4", "%zz", "%c0%af", "%e2%82%ac",
  " ", "\t", "\r\n", "\n", "\0", "\u007f", "\u0080", "\u00ff", "?", "#", ";", "&", "=", "+", "\\", '"', "'", "<", "$1", "$0", "$uri",
  " HTTP/1.1\r\nX-A: b\r\n\r\nGET /smuggled", "%20HTTP/1.1%0d%0aX-A:%20b%0d%0a%0d%0aGET%20/smuggled", "http://x/", "*", "@",
]; // prettier-ignore
/** Most of it is such that something comes of it. */
const words = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constantFrom("a", "b", "/") }, fc.constantFrom(...PIECES)), {
  maxLength: 8,
});
const text = words.map((pieces) => `/${pieces.join("")}`);
/** What can stand in a request line at all: the rest gets 400 from nginx, as the tables say. */
const target = text.map((path) => path.replaceAll(/[\u0000-\u0020\u007f]/g, ""));

const LAST = "GET /last HTTP/1.1\r\nHost: wire.test\r\nConnection: close\r\n\r\n";

/** Sends the target as a GET to a host, and /last after it. Fails unless all that left is clean. */
async function send(host: string, uri: string): Promise<Exchange> {
  site.recorder.requests.length = 0;
  site.recorder.faults.length = 0;
  const answer = await exchange(
    site.plain,
    `GET ${Buffer.from(uri, "utf8").toString("latin1")} HTTP/1.1\r\nHost: ${host}\r\n\r\n${LAST}`,
  );
  assert.deepEqual(site.recorder.faults, [], uri);
  assert.equal(site.recorder.rest, "", uri);
  const uris = site.recorder.requests.map((seen) => seen.uri).filter((seen) => seen !== "/last");
  const served = answer.answers.filter(({ body, status }) => status === 200 && body !== "GET /last").length;
  assert.equal(uris.length, served, `${JSON.stringify(uris)} of ${uri}`);
  assert.ok(uris.length <= 1, JSON.stringify(uris));
  assert.equal(answer.rest, "", uri);
  for (const { headers } of answer.answers) {
    const location = headers["location"] ?? "";
    assert.match(location, /^[\u0021-\u007e]*$/, uri);
    assert.doesNotMatch(location, /%(?![0-9a-f]{2})/i, uri);
  }
  return answer;
}

describe("any document and any request", () => {
  test("paths of rules and of requests", async () => {
    let served = 0;
    await fc.assert(
      fc.asyncProperty(text, target, fc.boolean(), async (rule, uri, strict) => {
        const { lines } = site;
        const prefix = rule.length > 1 && rule.endsWith("/") ? rule.slice(0, -1) : rule;
        const value = { strict_paths: strict, exact: { [rule]: "test/wire-test/all" } };
        await site.nginx.push.put(
          lines.host("fuzz.test", { [prefix]: "test/wire-test/all", "/a": "test/wire-test/all" }, value),
        );
        served += (await send("fuzz.test", uri)).answers.length;
        served += (await send("wire.test", uri)).answers.length;
      }),
      { numRuns: RUNS },
    );
    assert.ok(served > RUNS);
  });

  const patterns = fc.constantFrom("^/(.*)", "^/a/?(.*)", "^(.*)$", "^/(a|b)(/(.*))?", "^/([^/]*)/?(.*)$");
  const filters: fc.Arbitrary<FilterValue> = fc.oneof(
    fc.record({
      kind: fc.constant("rewrite" as const),
      pattern: patterns,
      target: text.map((path) => `${path}$1$2$9`),
    }),
    fc.record({ kind: fc.constant("strip" as const), prefix: fc.constantFrom("/", "/a", "/a/b"), target: text }),
    fc.record({ kind: fc.constant("app_root" as const), path: text }),
  );
  test("targets of rewrites and redirects", async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(filters, target, async (filter, uri) => {
        const { lines } = site;
        const results = await site.nginx.push.put(
          lines.route("test/wire-test/fuzz", "test/wire-test/80", { filters: [filter] }),
          lines.host("fuzz.test", { "/": "test/wire-test/fuzz" }),
        );
        taken += results[0]?.result === "applied" ? 1 : 0;
        await send("fuzz.test", filter.kind === "app_root" ? "/" : uri);
      }),
      { numRuns: RUNS },
    );
    assert.ok(taken > RUNS / 5, `${taken} documents were taken`);
  });
});
