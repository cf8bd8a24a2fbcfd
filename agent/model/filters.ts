// What filters do to a request, for `headgate explain`. The data plane has its own: lua/headgate/filters.

import { isWithin, parseAddress } from "./addresses.ts";
import type { Filter } from "./edge-model.ts";

type Access = Extract<Filter, { kind: "access" }>;

/** Whether an address is in no list of denied ones and in every list of allowed ones. No address is let through by none. */
export function isAllowed({ allow, deny }: Access, client: string): boolean {
  const address = parseAddress(client);
  if (address === null) return false;
  const within = (cidrs: readonly string[]): boolean => cidrs.some((cidr) => isWithin(cidr, address));
  return !within(deny) && allow.every((cidrs) => cidrs.length === 0 || within(cidrs));
}

/** Whether an address passes all lists of a route, and one of them names it: then it needs no credentials. */
export function isListed(filters: readonly Filter[], client: string | null): boolean {
  const lists = filters.filter((filter) => filter.kind === "access");
  return (
    client !== null &&
    lists.some(({ allow }) => allow.some((cidrs) => cidrs.length > 0)) &&
    lists.every((list) => isAllowed(list, client))
  );
}

/** The path that the backend is asked for, without its query and decoded; null: as the client wrote it. */
export function rewrittenPath(filters: readonly Filter[], path: string): string | null {
  for (const filter of filters) {
    if (filter.kind === "strip") return stripped(path, filter.prefix, filter.target);
    if (filter.kind !== "rewrite") continue;
    const match = new RegExp(filter.pattern, "i").exec(path);
    if (match === null) return null;
    const [target = ""] = filter.target.split("?");
    const result = target.replace(/\$([1-9])/g, (_whole, group: string) => match[Number(group)] ?? "");
    return result.startsWith("/") ? result : `/${result}`;
  }
  return null;
}

function stripped(path: string, prefix: string, target: string): string {
  const rest = prefix === "/" ? path : path.slice(prefix.length);
  const base = target.endsWith("/") ? target.slice(0, -1) : target;
  return rest === "" ? target : `${base}${rest}`;
}

/** Where a request is sent; the same text as lua/headgate/filters/redirect.lua gives. */
export function redirectLocation(
  { location }: Extract<Filter, { kind: "redirect" }>,
  { secure, target }: { readonly secure: boolean; readonly target: string },
  { host, path }: { readonly host: string; readonly path: string },
): string {
  const question = target.indexOf("?");
  const query = question < 0 ? "" : target.slice(question + 1);
  const values: Readonly<Record<string, string>> = {
    $scheme: secure ? "https" : "http",
    $host: host,
    $request_uri: target,
    $uri: encodeURI(path).replaceAll(/[?#[\]]/g, encodeURIComponent),
    $args: query,
    $query_string: query,
    $is_args: query === "" ? "" : "?",
  };
  const url = location.map((part) => (part.startsWith("$") ? (values[part] ?? "") : part)).join("");
  // What is no part of a URI is escaped, what is an escape stays.
  return url.replaceAll(/%(?![0-9a-f]{2})|[^\w\-.~:/?#%[\]@!$&'()*+,;=]/giu, (text) => encodeURIComponent(text));
}
