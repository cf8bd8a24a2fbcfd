// Where two lists differ, in one walk: what they have in common at both ends is left out.

/** The part of each list that is not the same: `from` is where it begins in both. */
export interface Differing<T> {
  readonly from: number;
  readonly before: readonly T[];
  readonly after: readonly T[];
}

/** Costs a walk over what is the same, and nothing else: a list in which one entry changed gives that entry. */
export function differing<T>(
  before: readonly T[],
  after: readonly T[],
  same: (a: T | undefined, b: T | undefined) => boolean = Object.is,
): Differing<T> {
  const shorter = Math.min(before.length, after.length);
  let from = 0;
  while (from < shorter && same(before[from], after[from])) from += 1;
  let tail = 0;
  while (tail < shorter - from && same(before[before.length - 1 - tail], after[after.length - 1 - tail])) tail += 1;
  return { from, before: before.slice(from, before.length - tail), after: after.slice(from, after.length - tail) };
}
