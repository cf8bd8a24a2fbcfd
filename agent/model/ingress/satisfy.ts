// satisfy: whether a request must pass all of its guards by address and by credentials, or one of them.

import type { Filter } from "../edge-model.ts";
import { type Draft, first, shown } from "./annotation-values.ts";

/** True for "any". What is neither any nor all is all, as in ingress-nginx. */
export function readSatisfy(draft: Draft): boolean {
  const entry = first(draft, "satisfy");
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null || value === "" || value === "all") return false;
  if (value === "any") return true;
  const message = `${shown(entry.value)} is neither any nor all: every guard must be passed`;
  draft.invalid.push({ key: entry.key, message, fix: 'write "any" or "all"' });
  return false;
}

const ASKING: ReadonlySet<string> = new Set(["basic_auth", "external_auth"]);

/** The word for it, where there is something to choose from. */
export function satisfyFilters(any: boolean, guards: readonly Filter[]): readonly Filter[] {
  const asks = guards.some(({ kind }) => ASKING.has(kind));
  return any && asks ? [{ kind: "satisfy_any" }] : [];
}
