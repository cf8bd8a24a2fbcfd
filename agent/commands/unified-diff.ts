// Two texts → a unified diff, as diff -u has it (POSIX.1-2017, "diff -u output format").

import { differing } from "../lib/differing.ts";

const CONTEXT_LINES = 3;
/** Texts that differ in more lines than this are shown as taken out and put in whole: the search costs its square. */
const EDITS_MAX = 2000;

export interface DiffText {
  /** "/dev/null" where there is none. */
  readonly name: string;
  readonly lines: readonly string[];
}

interface Edit {
  readonly sign: " " | "-" | "+";
  readonly line: string;
}

/** The lines of the diff; empty where both are equal. */
export function unifiedDiff(before: DiffText, after: DiffText): readonly string[] {
  const edits = editsOf(before.lines, after.lines);
  const hunks = hunksOf(edits);
  return hunks.length === 0 ? [] : [`--- ${before.name}`, `+++ ${after.name}`, ...hunks];
}

function editsOf(before: readonly string[], after: readonly string[]): readonly Edit[] {
  const changed = differing(before, after);
  const same = (line: string): Edit => ({ sign: " ", line });
  return [
    ...before.slice(0, changed.from).map(same),
    ...shortestEdits(changed.before, changed.after),
    ...before.slice(changed.from + changed.before.length).map(same),
  ];
}

/**
 * The greedy algorithm of E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): `reach[k]` is the
 * furthest line of `a` on the diagonal k = x - y after d edits, and `trace` keeps it for the way back.
 */
function shortestEdits(a: readonly string[], b: readonly string[]): readonly Edit[] {
  const trace: Map<number, number>[] = [];
  let reach = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, EDITS_MAX); d++) {
    trace.push(reach);
    reach = new Map(reach);
    for (let k = -d; k <= d; k += 2) {
      let x = cameDown(reach, k, d) ? at(reach, k + 1) : at(reach, k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return wayBack(a, b, trace);
    }
  }
  return [...a.map((line): Edit => ({ sign: "-", line })), ...b.map((line): Edit => ({ sign: "+", line }))];
}

function wayBack(a: readonly string[], b: readonly string[], trace: readonly Map<number, number>[]): readonly Edit[] {
  const edits: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = trace.length - 1; d >= 0; d--) {
    const reach = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const down = cameDown(reach, k, d);
    const previousX = at(reach, down ? k + 1 : k - 1);
    const previousY = previousX - (down ? k + 1 : k - 1);
    while (x > Math.max(previousX, 0) && y > Math.max(previousY, 0)) {
      edits.push({ sign: " ", line: a[x - 1] ?? "" });
      x--;
      y--;
    }
    if (d > 0) edits.push(down ? { sign: "+", line: b[y - 1] ?? "" } : { sign: "-", line: a[x - 1] ?? "" });
    x = previousX;
    y = previousY;
  }
  return edits.toReversed();
}

/** Whether diagonal k is reached by an insertion rather than by a deletion. */
function cameDown(reach: ReadonlyMap<number, number>, k: number, d: number): boolean {
  return k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
}

function at(reach: ReadonlyMap<number, number>, k: number): number {
  return reach.get(k) ?? 0;
}

function hunksOf(edits: readonly Edit[]): readonly string[] {
  const changed = edits.flatMap(({ sign }, index) => (sign === " " ? [] : [index]));
  const lines: string[] = [];
  let first = 0;
  while (first < changed.length) {
    let last = first;
    // Changes whose context touches are one hunk.
    while ((changed[last + 1] ?? Infinity) - (changed[last] ?? 0) <= 2 * CONTEXT_LINES) last++;
    const start = Math.max(0, (changed[first] ?? 0) - CONTEXT_LINES);
    const hunk = edits.slice(start, (changed[last] ?? 0) + CONTEXT_LINES + 1);
    lines.push(hunkHead(edits.slice(0, start), hunk), ...hunk.map(({ sign, line }) => `${sign}${line}`));
    first = last + 1;
  }
  return lines;
}

function hunkHead(above: readonly Edit[], hunk: readonly Edit[]): string {
  const range = (without: "-" | "+"): string => {
    const count = (edits: readonly Edit[]): number => edits.filter(({ sign }) => sign !== without).length;
    const length = count(hunk);
    // An empty range names the line before it.
    return `${count(above) + (length === 0 ? 0 : 1)}${length === 1 ? "" : `,${length}`}`;
  };
  return `@@ -${range("+")} +${range("-")} @@`;
}
