// Reporter for `node --test`: one line of JSON at the end, a Tally. A test that is marked todo counts as skipped.

import type { TestEvent } from "node:test/reporters";
import type { Tally } from "./tally.ts";

async function* count(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== "test:summary" || event.data.file !== undefined) continue;
    const { tests, passed, skipped, todo } = event.data.counts;
    const tally: Tally = { passed, failed: tests - passed - skipped - todo, skipped: skipped + todo };
    yield `${JSON.stringify(tally)}\n`;
  }
}

// oxlint-disable-next-line import/no-default-export -- node:test takes a reporter module's default export
export default count;
