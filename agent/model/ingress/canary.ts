// canary and canary-*: whether an Ingress is an alternative to another one, and which requests go to it.

import type { AlternativeRule } from "../alternative.ts";
import { headerPatternFault } from "../expressions.ts";
import { type Draft, type Entry, first, readFlag, shown } from "./annotation-values.ts";

const NAME_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 1024;
/** Of canary-weight-total: ingress-nginx takes none below 100. */
const TOTAL = { min: 100, max: 1_000_000 };

/** null: an Ingress of its own. */
export function readCanary(draft: Draft): AlternativeRule | null {
  // Whatever it is that was written, it was not written to take requests from the Ingress that serves them.
  if (readFlag(draft, "canary", true) !== true) return null;
  const header = readName(draft, "canary-by-header", /^[\w-]+$/);
  const total = readWhole(draft, "canary-weight-total", TOTAL, "100 is taken") ?? 100;
  const value = header === null ? "" : readValue(draft);
  const rule: AlternativeRule = {
    header,
    value,
    pattern: header === null || value !== "" ? "" : readPattern(draft),
    cookie: readName(draft, "canary-by-cookie", /^[\w.-]+$/),
    weight: readWhole(draft, "canary-weight", { min: 0, max: total }, "it gets no share") ?? 0,
    total,
  };
  if (header === null) tellUnused(draft);
  return rule;
}

function readName(draft: Draft, name: string, pattern: RegExp): string | null {
  const entry = first(draft, name);
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return null;
  if (value.length <= NAME_LENGTH_MAX && pattern.test(value)) return value;
  const message = `${shown(entry.value)} is no name that can be asked for: it is not used`;
  draft.invalid.push({ key: entry.key, message, fix: "write a name of letters, digits, - and _" });
  return null;
}

function readValue(draft: Draft): string {
  const entry = first(draft, "canary-by-header-value");
  const value = entry?.value.trim() ?? "";
  if (entry === null || (value.length <= VALUE_LENGTH_MAX && /^[ -~]*$/.test(value))) return value;
  // Without it "always" would do, which is not what was asked for.
  return refuse(draft, entry, `${shown(entry.value)} is no value of a header`, "write it in printable ASCII");
}

function readPattern(draft: Draft): string {
  const entry = first(draft, "canary-by-header-pattern");
  const pattern = entry?.value.trim() ?? "";
  if (entry === null || pattern === "") return "";
  const fault = headerPatternFault(pattern);
  return fault === null ? pattern : refuse(draft, entry, fault.message, fault.fix);
}

function refuse(draft: Draft, { key }: Entry, message: string, fix: string): string {
  draft.closing.push({ key, message: `${message}: it gets no traffic`, fix });
  return "";
}

function readWhole(
  draft: Draft,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
  instead: string,
): number | null {
  const entry = first(draft, name);
  if (entry === null) return null;
  const value = entry.value.trim();
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is no number from ${min} to ${max}: ${instead}`,
    fix: `write a whole number from ${min} to ${max}`,
  });
  return null;
}

function tellUnused(draft: Draft): void {
  for (const name of ["canary-by-header-value", "canary-by-header-pattern"]) {
    const entry = first(draft, name);
    if (entry === null) continue;
    const message = "is not used without canary-by-header";
    draft.invalid.push({ key: entry.key, message, fix: "name the header, or remove it" });
  }
}
