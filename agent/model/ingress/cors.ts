// enable-cors and cors-*: which pages of other origins may read answers.

import type { Filter } from "../edge-model.ts";
import { type Draft, first, readFlag, readNumber, shown } from "./annotation-values.ts";

type Cors = Extract<Filter, { kind: "cors" }>;

const ORIGINS_MAX = 100;
const LIST_LENGTH_MAX = 1024;
/** ingress-nginx's defaults. */
const METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS =
  "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";
const MAX_AGE_S = 1_728_000;
const MAX_AGE_S_MAX = 100_000_000;

/** null: the application answers for itself, also where no origin that was named can be used. */
export function readCors(draft: Draft): Cors | null {
  if (readFlag(draft, "enable-cors", null) !== true) return null;
  const origins = readOrigins(draft);
  const cors: Cors = {
    kind: "cors",
    origins,
    methods: readList(draft, "cors-allow-methods", /^[A-Za-z*]+(, ?[A-Za-z]+)*$/) ?? METHODS,
    headers: readList(draft, "cors-allow-headers", /^[\w*-]+(, ?[\w*-]+)*$/) ?? HEADERS,
    expose: readList(draft, "cors-expose-headers", /^[\w*-]+(, ?[\w*-]+)*$/) ?? "",
    credentials: readFlag(draft, "cors-allow-credentials", false) ?? true,
    maxAgeS: readNumber(draft, "cors-max-age", { min: 0, max: MAX_AGE_S_MAX, unit: "seconds" }) ?? MAX_AGE_S,
  };
  return origins.length === 0 ? null : cors;
}

// A wildcard stands for one label.
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/((\*\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?$/;

function readOrigins(draft: Draft): readonly string[] {
  const entry = first(draft, "cors-allow-origin");
  if (entry === null || entry.value.trim() === "") return ["*"];
  const origins = new Set<string>();
  const words = entry.value.split(",").map((word) => word.trim().toLowerCase());
  for (const word of words.slice(0, ORIGINS_MAX)) {
    if (word === "*" || ORIGIN.test(word)) origins.add(word);
    // ingress-nginx takes "*" for an origin that it cannot read; here nobody is let in by a typing error.
    else if (word !== "") tell(draft, entry.key, `${shown(word)} is no origin: it may not read answers`);
  }
  if (words.length > ORIGINS_MAX)
    tell(draft, entry.key, `has more than ${ORIGINS_MAX} origins: the others are left out`);
  return origins.has("*") ? ["*"] : [...origins].sort();
}

function tell(draft: Draft, key: string, message: string): void {
  draft.invalid.push({ key, message, fix: 'write origins like "https://www.example.org, https://*.example.org:8443"' });
}

function readList(draft: Draft, name: string, pattern: RegExp): string | null {
  const entry = first(draft, name);
  const value = entry?.value.trim().replaceAll(/\s*,\s*/g, ", ") ?? "";
  if (entry === null || value === "") return null;
  if (value.length <= LIST_LENGTH_MAX && pattern.test(value)) return value;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is no list of names: the usual ones are used`,
    fix: "write names separated by commas",
  });
  return null;
}
