// auth-proxy-set-headers: a ConfigMap of headers that the service that is asked gets.

import { compareText, type ConfigMap } from "../../objects/objects.ts";
import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import type { ExternalAuth } from "../external-auth.ts";
import type { Closed, Filter } from "../edge-model.ts";
import { problemOf } from "../problems.ts";
import { type Draft, first, shown } from "./annotation-values.ts";
import { authVariableFault } from "./auth-url.ts";
import type { Claims } from "./claims.ts";
import type { Policy } from "./policy.ts";
import type { Place } from "./route-backend.ts";
import { textAndVariables } from "./text-and-variables.ts";

type Headers = ExternalAuth["requestHeaders"];

const HEADERS_MAX = 64;
const VALUE_LENGTH_MAX = 4096;
const PARTS_MAX = 32;
const NAME = /^[\w!#$%&'*+.^`|~-]{1,256}$/;
/** Of the connection or the message, or said by us about the request that waits. */
const NOT_ONES_OWN =
  /^(connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;

/** Whether its routes are made of a ConfigMap too. */
export function needsHeaders({ externalAuth }: Policy): boolean {
  return (externalAuth?.headersFrom ?? null) !== null;
}

/** "<namespace>/<name>" of the ConfigMap; null: none. Another namespace's closes: its owner did not give it. */
export function readHeadersFrom(draft: Draft, ownNamespace: string): string | null {
  const entry = first(draft, "auth-proxy-set-headers");
  if (entry === null) return null;
  const [, namespace = ownNamespace, name] =
    /^(?:([-a-z0-9]{1,63})\/)?([-a-z0-9.]{1,253})$/.exec(entry.value.trim()) ?? [];
  if (name !== undefined && namespace === ownNamespace) return `${namespace}/${name}`;
  const message = `${shown(entry.value)} is no ConfigMap of namespace ${ownNamespace}: its routes answer 503`;
  draft.closing.push({ key: entry.key, message, fix: "name a ConfigMap beside the Ingress" });
  return null;
}

/**
 * Puts the headers of its ConfigMap into the guard of a route. Without them the service may take somebody for another:
 * one that is not there, or cannot be used, closes.
 */
export function withAuthHeaders(
  { input, name: host, problems }: Place,
  { ingress, policy }: Pick<Claims, "ingress" | "policy">,
  filters: readonly Filter[],
): { readonly filters: readonly Filter[]; readonly closed: Closed | null } {
  const key = policy.externalAuth?.headersFrom ?? null;
  if (key === null) return { filters, closed: null };
  const configMap = input.configMap(key);
  const headers = configMap === undefined ? "is not there" : headersOf(configMap);
  if (typeof headers !== "string") {
    const given = filters.map((filter) =>
      filter.kind === "external_auth" ? { ...filter, requestHeaders: headers } : filter,
    );
    return { filters: given, closed: null };
  }
  const field = `metadata.annotations["${NGINX_PREFIX}/auth-proxy-set-headers"]`;
  const text = `ConfigMap ${key} ${headers}`;
  const told = problems.some((problem) => problem.field === field && problem.message.startsWith(text));
  if (!told) {
    problems.push(
      problemOf(ingress, {
        code: "annotation-closes-route",
        severity: "error",
        field,
        message: `${text}: its routes answer 503`,
        fix: "create it, with names and values of headers as its data",
        hosts: [host],
      }),
    );
  }
  return { filters, closed: { reason: text } };
}

// Asked for by each route of the Ingress; objects never change.
const remembered = new WeakMap<ConfigMap, Headers | string>();

/** The headers, sorted, or what is wrong with them. */
function headersOf(configMap: ConfigMap): Headers | string {
  const known = remembered.get(configMap);
  if (known !== undefined) return known;
  const read = readHeaders(configMap);
  remembered.set(configMap, read);
  return read;
}

function readHeaders({ data }: ConfigMap): Headers | string {
  const names = Object.keys(data).sort(compareText);
  if (names.length > HEADERS_MAX) return `has more than ${HEADERS_MAX} headers`;
  const headers: Headers[number][] = [];
  for (const name of names) {
    const value = data[name] ?? "";
    if (!NAME.test(name) || NOT_ONES_OWN.test(name)) return `has ${shown(name)}, which is no header that can be sent`;
    const parts = textAndVariables(value);
    const fault = valueFault(value, parts);
    if (fault !== null) return `has a value of ${name} that ${fault}`;
    headers.push({ name, value: parts });
  }
  return headers;
}

function valueFault(value: string, parts: readonly string[]): string | null {
  if (value.length > VALUE_LENGTH_MAX) return `is longer than ${VALUE_LENGTH_MAX} characters`;
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (/[^ -~]/.test(value)) return "has a character that is not sent in a header";
  return authVariableFault(parts);
}
