// A host with a guarded route: no spelling of a path gets past the guard, whatever the backend makes of what it is sent.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { exchange } from "../../support/raw-http1.ts";
import { RawHttp2 } from "../../support/raw-http2.ts";
import { ATOMS, GUARDED, PLACES } from "./path-cases.ts";
import { readings, readsInto } from "./readings.ts";
import { FULL_SET, Site } from "./site.ts";

const GUARD = "/admin";

let site: Site;
before(async () => {
  site = await Site.start();
});
after(async () => {
  await site[Symbol.asyncDispose]();
});

function spellings(): readonly string[] {
  const placed = PLACES.flatMap((place) => ATOMS.map((atom) => place.replaceAll("*", () => atom)));
  const all = [...new Set([...placed, ...GUARDED])].filter((path) => path.startsWith("/"));
  return FULL_SET ? all : all.filter((_, index) => index % 8 === 0);
}

test("the oracle sees what it should", () => {
  for (const path of [
    "/x/..%2fadmin",
    "/x/..;/admin",
    "/%2561dmin",
    "/x\\..\\admin/y",
    "/admin%00x",
    "/%c1%a1dmin",
    "/admin%3fx",
  ]) {
    assert.notEqual(readsInto(path, GUARD), null, path);
  }
  for (const path of ["/x", "/administrator", "/x/admin", "/x;admin", "/x/../administrator"]) {
    assert.equal(readsInto(path, GUARD), null, [...readings(path)].join(" "));
  }
});

test("no spelling gets past the guard, and what is served arrives as it was judged: HTTP/1.1", async () => {
  const paths = spellings();
  const served = await askAll(paths);
  assert.ok(served > paths.length / 20, `${served} of ${paths.length} are served: the guard is not all there is`);
});

/** Asks for all of them on kept connections, each judged by what arrived meanwhile. Gives the number of those served. */
async function askAll(paths: readonly string[]): Promise<number> {
  let served = 0;
  for (const path of paths) {
    site.recorder.requests.length = 0;
    const { answers } = await exchange(
      site.plain,
      `GET ${path} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`,
    );
    judge(path, answers[0]?.status ?? 0);
    if (site.recorder.requests.length > 0) served += 1;
  }
  return served;
}

function judge(path: string, status: number): void {
  assert.deepEqual(site.recorder.faults, [], path);
  const [seen, ...more] = site.recorder.requests;
  assert.deepEqual(more, [], path);
  if (seen === undefined) {
    assert.ok(status === 400 || status === 503, `${path} gets ${status}`);
    return;
  }
  assert.equal(status, 200, path);
  const sent = seen.uri.split("?")[0] ?? "";
  assert.equal(readsInto(sent, GUARD), null, `${path} arrives as ${seen.uri}`);
}

test("no spelling gets past the guard: HTTP/2", async () => {
  for (const door of site.http2Doors) {
    let connection = await RawHttp2.dial(door);
    for (const path of spellings().filter((_, index) => index % 5 === 0)) {
      site.recorder.requests.length = 0;
      const pseudo = [":method", "GET", ":scheme", "http", ":authority", "strict.test", ":path", path];
      const fields = [0, 2, 4, 6].map((at) => [pseudo[at] ?? "", pseudo[at + 1] ?? ""] as const);
      const outcome = await connection.ask({ fields });
      if (outcome.kind === "closed") {
        assert.deepEqual(site.recorder.requests, [], path);
        connection = await RawHttp2.dial(door);
      } else judge(path, outcome.kind === "answer" ? outcome.status : 400);
    }
    connection[Symbol.dispose]();
  }
});
