// What rewrite-target comes to for one path.

import type { Filter } from "../edge-model.ts";
import type { ParsedExpression } from "../expressions.ts";
import type { Rewrite } from "./policy.ts";

/** At most one filter; `expression` is null on hosts without regular expressions. */
export function rewriteFilters(
  rewrite: Rewrite | null,
  { path }: { readonly path: string },
  expression: ParsedExpression | null,
): readonly Filter[] {
  if (rewrite === null) return [];
  const { kind, target } = rewrite;
  if (kind === "captures") {
    if (target === path || expression === null) return [];
    return [{ kind: "rewrite", pattern: expression.source, target }];
  }
  if (expression === null) return [{ kind: "strip", prefix: path, target }];
  // Without segments there is no telling where the prefix ends but by the expression itself.
  return [{ kind: "rewrite", pattern: `${expression.source}/?(.*)`, target: `${target.replace(/\/$/, "")}/$1` }];
}
