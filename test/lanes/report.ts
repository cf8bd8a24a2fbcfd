// What a run of node:test files said, line by line: count-reporter.ts writes it, node-tests.ts reads it.
//
// node itself takes a file for passed when its process ends with 0, also before its tests have run. So a file counts
// only when its process came to its own summary; the lines before that one cannot be lost, as they took the same way.

import { NOTHING, type Tally } from "./tally.ts";

export type Result = keyof Tally;

export interface Line {
  /** Absolute. */
  readonly file: string;
  /** Of one test; or `ended`: the file's own summary, its last line but for a failure of the process. */
  readonly said: Result | "ended";
}

export interface Report {
  readonly tally: Tally;
  /** Failures that no test is to blame for. */
  readonly problems: readonly string[];
}

/** `ok`: the run ended with 0. `text` may be cut off anywhere, when the run was killed. */
export function readReport(text: string, files: readonly string[], ok: boolean): Report {
  const tally = { ...NOTHING };
  const said = new Map(files.map((file) => [file, new Set<Line["said"]>()]));
  for (const line of text.split("\n").slice(0, -1)) {
    const { file, said: word } = JSON.parse(line) as Line; // written by count-reporter.ts
    said.get(file)?.add(word);
    if (word !== "ended") tally[word] += 1;
  }
  const problems: string[] = [];
  for (const [file, words] of said) {
    if (!words.has("ended")) problems.push(`${file}: did not come to its end`);
    else if (words.size === 1) problems.push(`${file}: ran no test`);
    else continue;
    if (!words.has("failed")) tally.failed += 1;
  }
  if (!ok && tally.failed === 0) {
    problems.push("the run failed, though none of its tests did");
    tally.failed = 1;
  }
  return { tally, problems };
}
