// Small readers from untrusted values to typed ones. A reader never throws: what is wrong becomes a fault with the
// field's path, and the reader answers a value of its type, so that all faults of an object are found in one go.

import type { Fault } from "./objects.ts";
import { didYouMean } from "../lib/spelling.ts";

/** One object being read. `strict`: a field that is not known is a fault (manifests); else it is dropped. */
export interface Reading {
  readonly strict: boolean;
  readonly faults: Fault[];
}
/** `value` undefined or null: the field is not there. `field` is its path, "spec.rules[0].host". */
export type Reader<T> = (value: unknown, field: string, reading: Reading) => T;
type Fields = Readonly<Record<string, Reader<unknown>>>;
type ReadFields<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

const FAULTS_MAX = 20;
const VALUE_SHOWN_MAX = 40;

/** Notes a fault; after the first twenty the rest would only bury them. */
export function fault(reading: Reading, field: string, message: string, fix: string): void {
  if (reading.faults.length < FAULTS_MAX) reading.faults.push({ field, message, fix });
}

/** A known field that nobody reads. */
export const unread: Reader<undefined> = () => undefined;

/** A string, or `fallback` where there is none. */
export function text<F extends string | null>(fallback: F, lengthMax = 262_144): Reader<string | F> {
  return (value, field, reading) => {
    if (value === undefined || value === null) return fallback;
    if (typeof value !== "string") {
      fault(reading, field, `is ${shown(value)}, not a string`, `write it in quotes: "${plain(value)}"`);
      return fallback;
    }
    if (value.length > lengthMax) {
      fault(reading, field, `has ${value.length} characters, more than ${lengthMax}`, "make it shorter");
      return fallback;
    }
    return value;
  };
}

/** A string that must be there, not empty, and match `pattern` (said in words by `meaning`). */
export function name(pattern: RegExp, meaning: string, lengthMax = 253): Reader<string> {
  const read = text(null, lengthMax);
  return (value, field, reading) => {
    const before = reading.faults.length;
    const found = read(value, field, reading);
    if (reading.faults.length > before) return "";
    if (found === null || found === "") {
      fault(reading, field, "is missing", `add it: ${meaning}`);
      return "";
    }
    if (!pattern.test(found)) {
      fault(reading, field, `${shown(found)} is no valid name`, `use ${meaning}`);
      return "";
    }
    return found;
  };
}

/** One of a few words, or `fallback` where there is none (null: it must be there). */
export function word<W extends string>(words: readonly W[], fallback: W | null): Reader<W> {
  const first = words[0] as W; // every caller gives at least one word
  return (value, field, reading) => {
    if (value === undefined || value === null) {
      if (fallback === null) fault(reading, field, "is missing", `add it: one of ${words.join(", ")}`);
      return fallback ?? first;
    }
    const found = words.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const near = typeof value === "string" ? didYouMean(value, words) : null;
    const fix = near === null ? `use one of ${words.join(", ")}` : `write ${near}`;
    fault(reading, field, `${shown(value)} is none of ${words.join(", ")}`, fix);
    return fallback ?? first;
  };
}

/** A whole number from `min` to `max`, or null where there is none. */
export function wholeNumber(min: number, max: number): Reader<number | null> {
  return (value, field, reading) => {
    if (value === undefined || value === null) return null;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    const fix = `write a whole number from ${min} to ${max}, without quotes`;
    fault(reading, field, `is ${shown(value)}, not a whole number from ${min} to ${max}`, fix);
    return null;
  };
}

/** true or false, or `fallback` where there is none. */
export function flag(fallback: boolean): Reader<boolean> {
  return (value, field, reading) => {
    if (value === undefined || value === null) return fallback;
    if (typeof value === "boolean") return value;
    fault(reading, field, `is ${shown(value)}, not true or false`, "write true or false, without quotes");
    return fallback;
  };
}

/** A list; empty where there is none. */
export function list<T>(item: Reader<T>, itemsMax: number): Reader<readonly T[]> {
  return (value, field, reading) => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      fault(reading, field, `is ${shown(value)}, not a list`, 'write each entry on its own line after "- "');
      return [];
    }
    if (value.length > itemsMax) {
      fault(reading, field, `has ${value.length} entries, more than ${itemsMax}`, "split the object into several");
      return [];
    }
    return value.map((entry: unknown, index) => item(entry, `${field}[${index}]`, reading));
  };
}

/** A map from strings to strings; empty where there is none. */
export const textMap: Reader<Readonly<Record<string, string>>> = (value, field, reading) => {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) {
    fault(reading, field, `is ${shown(value)}, not a map of strings`, "write key: value lines");
    return {};
  }
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== "string") {
      const fix = `write it in quotes: ${key}: "${plain(entry)}"`;
      fault(reading, `${field}["${key}"]`, `is ${shown(entry)}, not a string`, fix);
      return {};
    }
  }
  return value as Record<string, string>; // every value was just seen to be a string
};

/** A map with known fields; a missing one is read as an empty one, so that its required fields are named. */
export function record<F extends Fields>(fields: F): Reader<ReadFields<F>> {
  const entries = Object.entries(fields);
  return (value, field, reading) => {
    const source = value === undefined || value === null ? {} : value;
    const usable = isRecord(source) ? source : {};
    if (usable !== source) {
      const fix = `write it as a map with the fields ${Object.keys(fields).join(", ")}`;
      fault(reading, field === "" ? "(document)" : field, `is ${shown(value)}, not a map`, fix);
      return emptyOf(entries) as ReadFields<F>; // the readers' own fallbacks; the fault refuses the object
    }
    if (reading.strict) refuseUnknown(usable, fields, field, reading);
    const result: Record<string, unknown> = {};
    for (const [key, read] of entries) {
      result[key] = read(usable[key], field === "" ? key : `${field}.${key}`, reading);
    }
    return result as ReadFields<F>; // exactly the keys of `fields`, each by its own reader
  };
}

/** `reader`, or null where the field is not there. */
export function optional<T>(reader: Reader<T>): Reader<T | null> {
  return (value, field, reading) => (value === undefined || value === null ? null : reader(value, field, reading));
}

/** `reader`, and a fault where the field is not there. */
export function required<T>(reader: Reader<T>, meaning: string): Reader<T> {
  return (value, field, reading) => {
    if (value !== undefined && value !== null) return reader(value, field, reading);
    fault(reading, field, "is missing", `add it: ${meaning}`);
    return reader(value, field, { strict: false, faults: [] });
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value for a message: short, on one line, without control characters. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const flat = plain(value);
  return typeof value === "string" ? `"${flat}"` : flat;
}

/** Text of a stranger for a message: no control characters, no lone surrogates, at most `lengthMax` characters. */
export function printable(value: string, lengthMax: number): string {
  const flat = value.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/g, "\ufffd");
  return flat.length > lengthMax ? `${flat.slice(0, lengthMax).toWellFormed()}…` : flat;
}

function plain(value: unknown): string {
  return typeof value === "object" ? "…" : printable(String(value), VALUE_SHOWN_MAX);
}

function refuseUnknown(value: Record<string, unknown>, fields: Fields, field: string, reading: Reading): void {
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(fields, key)) continue;
    const near = didYouMean(key, Object.keys(fields));
    const path = field === "" ? key : `${field}.${key}`;
    fault(reading, path, "is not a known field", near === null ? "remove it" : `did you mean ${near}?`);
  }
}

function emptyOf(entries: readonly (readonly [string, Reader<unknown>])[]): Record<string, unknown> {
  const nothing: Reading = { strict: false, faults: [] };
  return Object.fromEntries(entries.map(([key, read]) => [key, read(undefined, key, nothing)]));
}
