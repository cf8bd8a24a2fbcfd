// How a route picks its peers: load-balance, upstream-hash-by, headgate.dev/hash-balance-factor, and affinity that
// needs no cookie.

import { LOAD_BALANCE_ANNOTATION } from "../../objects/annotation-keys.ts";
import type { Service } from "../../objects/objects.ts";
import type { Problem, RouteBalance } from "../edge-model.ts";
import { problemOf } from "../problems.ts";
import { readHashAffinity } from "./affinity.ts";
import { type Draft, first, readNumber, shown } from "./annotation-values.ts";
import { textAndVariables } from "./text-and-variables.ts";

const ALGORITHMS = ["round_robin", "ewma", "least_conn"] as const;
const KEY_LENGTH_MAX = 1024;
const PARTS_MAX = 32;
const KEY_FIX = 'write nginx variables and text, like "$remote_addr" or "$host-$cookie_user"';

/** What is said of it; null: nothing. Affinity wins over a hash, a hash over an algorithm, as in ingress-nginx. */
export function readBalance(draft: Draft): RouteBalance | null {
  const by = readAlgorithm(draft);
  const key = readHashKey(draft);
  const factor = readNumber(draft, "hash-balance-factor", { min: 101, max: 10_000, unit: "percent" });
  const byAffinity = readHashAffinity(draft);
  if (byAffinity !== null) return byAffinity;
  return key === null ? by : { by: "hash", key, bound: factor ?? 0 };
}

function algorithm(value: string): RouteBalance | null {
  const by = ALGORITHMS.find((name) => name === value);
  return by === undefined ? null : { by };
}

/** What a Service says of itself, for the routes whose Ingress says nothing; null: nothing that can be used. */
export function balanceOfService(service: Service | undefined): RouteBalance | null {
  return algorithm(service?.meta.annotations[LOAD_BALANCE_ANNOTATION]?.trim().toLowerCase() ?? "");
}

/** The problem of a Service whose annotation names no way to balance; null: there is none. */
export function badServiceBalance(service: Service, hosts: readonly string[]): Problem | null {
  const said = service.meta.annotations[LOAD_BALANCE_ANNOTATION]?.trim() ?? "";
  if (said === "" || balanceOfService(service) !== null) return null;
  return problemOf(service, {
    code: "annotation-invalid",
    severity: "error",
    field: `metadata.annotations["${LOAD_BALANCE_ANNOTATION}"]`,
    message: `${shown(said)} is no way to balance here: the configuration's holds`,
    fix: `use one of ${ALGORITHMS.join(", ")}, or remove it`,
    hosts,
  });
}

function readAlgorithm(draft: Draft): RouteBalance | null {
  const entry = first(draft, "load-balance");
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null || value === "") return null;
  const known = algorithm(value);
  if (known !== null) return known;
  const fix =
    value === "ip_hash"
      ? 'remove it, and write upstream-hash-by: "$remote_addr"'
      : `use one of ${ALGORITHMS.join(", ")}, or remove it`;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is no way to balance here: the configuration's holds`,
    fix,
  });
  return null;
}

/** Text and "$variable" in turn. */
function readHashKey(draft: Draft): readonly string[] | null {
  const entry = first(draft, "upstream-hash-by");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return null;
  const parts = textAndVariables(value);
  const fault = keyFault(value, parts);
  if (fault !== null) {
    draft.invalid.push({ key: entry.key, message: `${shown(value)} ${fault}: it is not used`, fix: KEY_FIX });
    return null;
  }
  return parts;
}

function keyFault(value: string, parts: readonly string[]): string | null {
  if (value.length > KEY_LENGTH_MAX) return `is longer than ${KEY_LENGTH_MAX} characters`;
  if (parts.length > PARTS_MAX) return `has more than ${PARTS_MAX} parts`;
  if (/[^ -~]/.test(value)) return "has a character that is not ASCII";
  const variables = parts.filter((part) => part.startsWith("$"));
  if (variables.length === 0) return "names no variable, and all requests would go to one peer";
  const bad = variables.find((part) => !/^\$[a-z]\w*$/.test(part));
  return bad === undefined ? null : `has a "$" that begins no variable`;
}
