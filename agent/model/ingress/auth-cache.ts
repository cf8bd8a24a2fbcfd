// auth-cache-key and auth-cache-duration: how long the word of a service is remembered, and for whom.
// A value that cannot be used costs a question more, and never an answer that is somebody else's.

import type { ExternalAuth } from "../external-auth.ts";
import { type Draft, first, shown } from "./annotation-values.ts";
import { textAndVariables } from "./text-and-variables.ts";

type Valid = ExternalAuth["cache"]["valid"];

const KEY_LENGTH_MAX = 1024;
const PARTS_MAX = 32;
const SECONDS_MAX = 86_400;
const CODES_MAX = 64;
/** As in ingress-nginx: 200 202 401 5m. */
const USUAL: Valid = [200, 202, 401].map((status) => ({ status, seconds: 300 }));
const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
/** What a duration without codes is for, in nginx. */
const WITHOUT_CODES = ["200"];

/** An empty key: nothing is remembered. */
export function readAuthCache(draft: Draft): ExternalAuth["cache"] {
  const valid = readDuration(draft);
  const key = readKey(draft);
  return key.length === 0 ? { key, valid: [] } : { key, valid };
}

function readKey(draft: Draft): readonly string[] {
  const entry = first(draft, "auth-cache-key");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return [];
  const parts = textAndVariables(value);
  const fault = keyFault(value, parts);
  if (fault === null) return parts;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(value)} ${fault}: every request is asked about`,
    fix: 'write what tells users apart, like "$http_authorization$cookie_session"',
  });
  return [];
}

function keyFault(value: string, parts: readonly string[]): string | null {
  if (value.length > KEY_LENGTH_MAX) return `is longer than ${KEY_LENGTH_MAX} characters`;
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (/[^ -~]/.test(value)) return "has a character that is not ASCII";
  const variables = parts.filter((part) => part.startsWith("$"));
  if (variables.length === 0) return "names no variable, and what is said of one user would count for all";
  return variables.every((part) => /^\$[a-z]\w*$/.test(part)) ? null : 'has a "$" that begins no variable';
}

function readDuration(draft: Draft): Valid {
  const entry = first(draft, "auth-cache-duration");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return USUAL;
  const found = new Map<number, number>();
  for (const part of value.split(",")) {
    const words = part.trim().split(/\s+/);
    const seconds = secondsOf(words.pop() ?? "");
    const codes = (words.length === 0 ? WITHOUT_CODES : words).map((code) => (/^\d{3}$/.test(code) ? Number(code) : 0));
    if (seconds === null || !codes.every(isRemembered)) {
      const message = `${shown(value)} is not understood: 200, 202 and 401 are remembered for 5 minutes`;
      const fix = 'write codes (2xx, 401, 403) and a time, like "200 202 10m, 401 1m"';
      draft.invalid.push({ key: entry.key, message, fix });
      return USUAL;
    }
    for (const code of codes) found.set(code, seconds);
  }
  // A time of 0 remembers nothing.
  return [...found]
    .filter(([, seconds]) => seconds > 0)
    .slice(0, CODES_MAX)
    .map(([status, seconds]) => ({ status, seconds }));
}

/** Nothing else is a word of the service. */
function isRemembered(code: number): boolean {
  return (code >= 200 && code < 300) || code === 401 || code === 403;
}

function secondsOf(text: string): number | null {
  const [, number, unit = ""] = /^(\d{1,8})([smhd]?)$/.exec(text) ?? [];
  if (number === undefined) return null;
  return Math.min(SECONDS_MAX, Number(number) * (UNITS[unit] ?? 1));
}
