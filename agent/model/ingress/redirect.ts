// permanent-redirect and temporal-redirect: all requests of a route are sent elsewhere.

import type { Filter } from "../edge-model.ts";
import { type Draft, type Entry, first, shown } from "./annotation-values.ts";
import { textAndVariables } from "./text-and-variables.ts";

type Redirect = Extract<Filter, { kind: "redirect" }>;

const URL_LENGTH_MAX = 2048;
const PARTS_MAX = 32;
/** What lua/headgate/filters/redirect.lua can fill in. */
const REDIRECT_VARIABLES = ["scheme", "host", "request_uri", "uri", "args", "query_string", "is_args"] as const;
/**
 * A path alone would be one of the same host, and the same route would answer it again. Right behind the host only what
 * ends it may stand: a query there could go on as "@evil.example".
 */
const TARGET =
  /^(https?|\$scheme|\$\{scheme\}):\/\/(\$host|\$\{host\}|[a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?($|[/?#]|\$\{?(request_uri|uri|is_args)\b)/i;
const CODES = [301, 302, 303, 307, 308] as const;

/** Where requests are sent; null: nowhere. A temporal one wins, as in ingress-nginx. */
export function readRedirect(draft: Draft): Redirect | null {
  const temporal = read(draft, "temporal-redirect", 302);
  const permanent = read(draft, "permanent-redirect", 301);
  return temporal ?? permanent;
}

function read(draft: Draft, name: string, usual: Redirect["code"]): Redirect | null {
  const code = readCode(draft, `${name}-code`) ?? usual;
  const entry = first(draft, name);
  const url = entry?.value.trim() ?? "";
  if (entry === null || url === "") return null;
  const parts = textAndVariables(url);
  const fault = urlFault(url, parts);
  if (fault === null) return { kind: "redirect", code, location: parts };
  tell(draft, entry, fault);
  return null;
}

function readCode(draft: Draft, name: string): Redirect["code"] | null {
  const entry = first(draft, name);
  if (entry === null) return null;
  const code = CODES.find((known) => String(known) === entry.value.trim());
  if (code !== undefined) return code;
  const message = `${shown(entry.value)} is no status of a redirect: the usual one is used`;
  draft.invalid.push({ key: entry.key, message, fix: `write one of ${CODES.join(", ")}` });
  return null;
}

function tell(draft: Draft, entry: Entry, fault: string): void {
  const names = REDIRECT_VARIABLES.map((name) => `$${name}`).join(", ");
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} ${fault}: nothing is redirected`,
    fix: `write a URL like "https://www.example.org$request_uri", with no other variables than ${names}`,
  });
}

function urlFault(url: string, parts: readonly string[]): string | null {
  if (url.length > URL_LENGTH_MAX) return `is longer than ${URL_LENGTH_MAX} characters`;
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (!TARGET.test(url)) return "is no http or https URL with a host";
  if (/[^!-~]|["<>\\^`|]/.test(url)) return "has a character that no URL may hold";
  const known = new Set<string>(REDIRECT_VARIABLES.map((name) => `$${name}`));
  const unknown = parts.find((part) => part.startsWith("$") && !known.has(part));
  return unknown === undefined ? null : `names ${unknown}, which is not filled in`;
}
