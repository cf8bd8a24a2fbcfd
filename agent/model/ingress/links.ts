// proxy-redirect-from and -to, proxy-cookie-domain and proxy-cookie-path: what a backend says of its own address, in
// words of the client's.

import type { Filter } from "../edge-model.ts";
import { type Draft, type Entry, first, shown } from "./annotation-values.ts";
import { textAndVariables } from "./text-and-variables.ts";

type Link = Extract<Filter, { kind: "location" | "cookie_domain" | "cookie_path" }>;

const LENGTH_MAX = 2048;
const PARTS_MAX = 32;
const VARIABLES: ReadonlySet<string> = new Set(["$host", "$scheme"]);

/** The filters that they are; none where nothing is asked for. */
export function readLinks(draft: Draft): readonly Link[] {
  return [
    readLocation(draft),
    readCookie(draft, "proxy-cookie-domain", "cookie_domain"),
    readCookie(draft, "proxy-cookie-path", "cookie_path"),
  ].filter((link) => link !== null);
}

function readLocation(draft: Draft): Link | null {
  const entry = first(draft, "proxy-redirect-from");
  const from = entry?.value.trim() ?? "";
  const to = first(draft, "proxy-redirect-to");
  const target = to?.value.trim() ?? "";
  // As in ingress-nginx: one without the other is nothing, and "default" is what is not needed here, for backends are
  // asked for the client's host.
  if (entry === null || to === null || isOff(from) || isOff(target)) return null;
  const parts = textAndVariables(target);
  const unknown = parts.find((part) => part.startsWith("$") && !VARIABLES.has(part));
  if (!isText(from) || /^~|\$/.test(from)) tell(draft, entry, "is no beginning of a URL: redirects stay as they are");
  else if (!isText(target) || unknown !== undefined || parts.length > PARTS_MAX) {
    tell(draft, to, "is no beginning of a URL with $host and $scheme: redirects stay as they are");
  } else return { kind: "location", from, to: parts };
  return null;
}

function readCookie(draft: Draft, name: string, kind: "cookie_domain" | "cookie_path"): Link | null {
  const entry = first(draft, name);
  const written = entry?.value.trim() ?? "";
  if (entry === null || isOff(written)) return null;
  const [from = "", to = "", ...more] = written.split(/\s+/);
  if (more.length === 0 && [from, to].every((text) => isText(text) && !/^~|[$;]/.test(text))) return { kind, from, to };
  tell(draft, entry, "is no text and its replacement: cookies stay as they are");
  return null;
}

function isOff(value: string): boolean {
  return value === "" || value === "off" || value === "default";
}

function isText(value: string): boolean {
  return value.length <= LENGTH_MAX && /^[!-~]+$/.test(value) && !/["\\]/.test(value);
}

function tell(draft: Draft, { key, value }: Entry, fault: string): void {
  const fix = "write plain text; regular expressions and other variables are not served";
  draft.invalid.push({ key, message: `${shown(value)} ${fault}`, fix });
}
