// Tables of raw HTTP/1.1, each row over a plain connection and over TLS. To add a case, add a row.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Door, exchange } from "../../support/raw-http1.ts";
import type { Http1Case } from "./http1-case.ts";
import { HEADER_CASES } from "./header-cases.ts";
import { HOST_CASES } from "./host-cases.ts";
import { METHOD_CASES } from "./method-cases.ts";
import { FULL_SET, Site } from "./site.ts";
import { SMUGGLING_CASES } from "./smuggling-cases.ts";

const LAST = "GET /last HTTP/1.1\r\nHost: wire.test\r\nConnection: close\r\n\r\n";

const TABLES: Readonly<Record<string, readonly Http1Case[]>> = {
  smuggling: SMUGGLING_CASES,
  hosts: HOST_CASES,
  methods: METHOD_CASES,
  headers: HEADER_CASES,
};

let site: Site;
before(async () => {
  site = await Site.start();
});
after(async () => {
  await site[Symbol.asyncDispose]();
});

for (const [table, cases] of Object.entries(TABLES)) {
  describe(table, () => {
    for (const row of cases.filter(({ debian12 }) => FULL_SET || debian12 === true)) {
      test(row.name, async () => {
        await run(row, site.plain);
        await run(row, site.secure);
      });
    }
  });
}

async function run(row: Http1Case, door: Door): Promise<void> {
  await site.recorder.reset();
  const { answers, rest } = await exchange(door, `${row.send}${LAST}`);
  const last = row.goesOn ? [200] : [];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [...row.statuses, ...last],
  );
  assert.match(rest, row.rest ?? /^$/);
  const expected = [...row.arrives, ...last.map(() => "GET /last")];
  site.arrived(expected);
  // Whose answer is whose: the backend echoes what it was asked.
  const echoes = answers.filter(({ status }) => status === 200).map(({ body }) => body);
  assert.deepEqual(echoes, site.recorder.lines);
  site.recorderHas(row);
  for (const { headers: told } of answers) assert.doesNotMatch(told["server"] ?? "", /\d/);
}
