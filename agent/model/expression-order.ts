// The order in which the regular expressions of a host are tried.

import { compareText } from "../objects/objects.ts";
import type { Expression } from "./edge-model.ts";
import type { WrittenExpression } from "./route-memory.ts";

interface Ordered {
  readonly of: readonly WrittenExpression[];
  readonly result: readonly Expression[];
}

// Ordering thousands costs more than the rest of a build: the last order of a host stands beside its first expression.
const ordered = new WeakMap<WrittenExpression, Ordered>();

/** Longest first, equal ones in reverse order of their text (ingress-nginx's order of locations). */
export function inOrder(expressions: readonly WrittenExpression[]): readonly Expression[] {
  const [first] = expressions;
  if (first === undefined) return [];
  const known = ordered.get(first);
  if (known !== undefined && isSameOrder(known.of, expressions)) return known.result;
  const result = expressions
    .toSorted((a, b) => b.written.length - a.written.length || compareText(b.written, a.written))
    .map(({ prefix, pattern, route }) => ({ prefix, pattern, route }));
  ordered.set(first, { of: expressions, result });
  return result;
}

function isSameOrder(a: readonly WrittenExpression[], b: readonly WrittenExpression[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at] || isSameExpression(one, b[at]));
}

function isSameExpression(a: WrittenExpression, b: WrittenExpression | undefined): boolean {
  return a.route === b?.route && a.written === b.written && a.prefix === b.prefix && a.pattern === b.pattern;
}
