// Tables of raw HTTP/2, each row at every listener that takes it. To add a case, add a row.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { buildTraffic } from "../../../../agent/config/build-traffic.ts";
import type { Door } from "../../support/raw-http1.ts";
import { type Outcome, RawHttp2 } from "../../support/raw-http2.ts";
import { HTTP2_CASES, type Http2Case } from "./http2-cases.ts";
import { FULL_SET, Site } from "./site.ts";

let buffered: Site;
/** Bodies go on while they come. */
let unbuffered: Site;
before(async () => {
  buffered = await Site.start();
  const traffic = buildTraffic(() => undefined);
  unbuffered = await Site.start({
    view: { traffic: { ...traffic, proxy: { ...traffic.proxy, requestBuffering: false } } },
  });
});
after(async () => {
  await buffered[Symbol.asyncDispose]();
  await unbuffered[Symbol.asyncDispose]();
});

describe("HTTP/2", () => {
  for (const row of HTTP2_CASES.filter(({ debian12 }) => FULL_SET || debian12 !== undefined)) {
    test(row.name, async () => {
      for (const door of buffered.http2Doors) await run(row, buffered, door);
      if (row.data !== undefined && row.outcome === 200) await run(row, unbuffered, unbuffered.secure);
    });
  }
});

async function run(row: Http2Case, site: Site, door: Door): Promise<void> {
  await site.recorder.reset();
  using connection = await RawHttp2.dial(door);
  const outcome = await connection.ask(row);
  assert.equal(shortOf(outcome), FULL_SET ? row.outcome : row.debian12, JSON.stringify(outcome));
  site.arrived(row.arrives);
  if (outcome.kind === "answer" && outcome.status === 200) assert.deepEqual([outcome.body], site.recorder.lines);
  site.recorderHas(row);
  // Nothing of it waits for the next request of the backend's connection.
  using other = await RawHttp2.dial(door);
  const last = await other.ask({ fields: LAST });
  assert.deepEqual(last, { kind: "answer", status: 200, body: "GET /last" });
  site.arrived([...row.arrives, "GET /last"]);
}

const LAST = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "wire.test"],
  [":path", "/last"],
] as const;

function shortOf(outcome: Outcome): Http2Case["outcome"] {
  return outcome.kind === "answer" ? outcome.status : outcome.kind;
}
