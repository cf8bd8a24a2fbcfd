// What there is to complete, the same for every shell.

import type { CommandOption } from "./command.ts";

/** What a shell completes after `headgate NAME`. */
export interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CommandOption[];
  /** Words for positionals, or the names of files. */
  readonly positionals: readonly string[] | "files";
}

/** Values of options that are paths. */
const PATH_WORDS: ReadonlySet<string> = new Set(["PATH", "DIR", "FILE"]);

/** What the value of an option can be: words, files, or ("none") anything. */
export function valuesOf({ value, choices }: CommandOption): readonly string[] | "files" | "none" {
  if (choices !== undefined) return choices;
  return value !== null && PATH_WORDS.has(value) ? "files" : "none";
}

/** "-o" and "--output" */
export function spellings({ name, short }: CommandOption): readonly string[] {
  return short === null ? [`--${name}`] : [`-${short}`, `--${name}`];
}
