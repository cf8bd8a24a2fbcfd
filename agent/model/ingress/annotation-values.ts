// The values of one Ingress's annotations, by name, and what is wrong with them.

import { parseAnnotationKey, type Prefix, PREFIXES } from "../../objects/annotation-keys.ts";
import { printable } from "../../objects/readers.ts";
import type { AnnotationRemark } from "./guards.ts";

/** One annotation as written. */
export interface Entry {
  readonly key: string;
  readonly prefix: Prefix;
  readonly value: string;
}

/** What is read from; remarks are added while reading. */
export interface Draft {
  /** By the name after the prefix; the prefix that decides comes first. */
  readonly found: ReadonlyMap<string, readonly Entry[]>;
  /** Values that close the routes. */
  readonly closing: AnnotationRemark[];
  /** Values that cannot be used; served as if they were not there. */
  readonly invalid: AnnotationRemark[];
  /** Good values that are not served. */
  readonly unsupported: AnnotationRemark[];
  readonly badAliases: AnnotationRemark[];
}

const VALUE_SHOWN_MAX = 60;

export function draftOf(annotations: Readonly<Record<string, string>>): Draft {
  return { found: gather(annotations), closing: [], invalid: [], unsupported: [], badAliases: [] };
}

function gather(annotations: Readonly<Record<string, string>>): ReadonlyMap<string, readonly Entry[]> {
  const found = new Map<string, Entry[]>();
  for (const [key, value] of Object.entries(annotations)) {
    const parsed = parseAnnotationKey(key);
    if (parsed === null || !parsed.exact) continue;
    const entries = found.get(parsed.name) ?? [];
    found.set(parsed.name, [...entries, { key, prefix: parsed.prefix, value }]);
  }
  const rank = ({ prefix }: Entry): number => PREFIXES.indexOf(prefix);
  for (const entries of found.values()) entries.sort((a, b) => rank(a) - rank(b));
  return found;
}

/** The entry of a name that counts, or null. */
export function first(draft: Draft, name: string): Entry | null {
  return draft.found.get(name)?.[0] ?? null;
}

/** A value as it may stand in a message. */
export function shown(value: string): string {
  return `"${printable(value, VALUE_SHOWN_MAX)}"`;
}

/** True or false, as Go's strconv.ParseBool reads it, which ingress-nginx uses; null where nothing is written. */
export function readFlag(draft: Draft, name: string, instead: boolean | null): boolean | null {
  const entry = first(draft, name);
  if (entry === null) return null;
  const value = entry.value.trim();
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  const taken = instead === null ? "it counts as not there" : `it counts as ${instead}`;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is neither true nor false: ${taken}`,
    fix: 'write "true" or "false"',
  });
  return instead;
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** A whole number in a range; null where nothing is written, and, with a remark, where it cannot be used. */
export function readNumber(draft: Draft, name: string, { min, max, unit }: Range): number | null {
  const entry = first(draft, name);
  if (entry === null) return null;
  const value = entry.value.trim();
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is no number from ${min} to ${max}: the configuration's value is used`,
    fix: `write a whole number of ${unit} without a unit, like "${Math.min(max, 30)}"`,
  });
  return null;
}
