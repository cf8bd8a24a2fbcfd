// Reporter for `node --test`: one Line of JSON for each test, as it ends, and for each file that came to its end.
// A test that is marked todo counts as skipped.

import type { TestEvent } from "node:test/reporters";
import type { Line, Result } from "./report.ts";

async function* count(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const line = lineOf(event);
    if (line !== null) yield `${JSON.stringify(line)}\n`;
  }
}

function lineOf(event: TestEvent): Line | null {
  if (event.type !== "test:pass" && event.type !== "test:fail" && event.type !== "test:summary") return null;
  // What a file's process said bears its file; what node says of the file as a whole, which it also calls a test, not.
  const { entryFile } = event.data as { entryFile?: string }; // @types/node does not have it
  if (event.type === "test:summary") return entryFile === undefined ? null : { file: entryFile, said: "ended" };
  const { details, file, skip, todo } = event.data;
  if (details.type === "suite") return null;
  if (entryFile !== undefined) return { file: entryFile, said: resultOf(event.type, skip ?? todo) };
  return event.type === "test:fail" && file !== undefined ? { file, said: "failed" } : null;
}

function resultOf(type: "test:pass" | "test:fail", excused: string | boolean | undefined): Result {
  if (excused !== undefined) return "skipped";
  return type === "test:pass" ? "passed" : "failed";
}

// oxlint-disable-next-line import/no-default-export -- node:test takes a reporter module's default export
export default count;
