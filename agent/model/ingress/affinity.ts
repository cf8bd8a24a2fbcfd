// affinity, affinity-* and session-cookie-*: the requests of a session go to one peer.

import type { Meta } from "../../objects/objects.ts";
import type { Affinity } from "../affinity.ts";
import type { Filter, RouteBalance } from "../edge-model.ts";
import { parseExpression } from "../expressions.ts";
import { type Draft, first, readFlag, shown } from "./annotation-values.ts";
import type { Claim } from "./claims.ts";
import type { AnnotationRemark } from "./guards.ts";

/** What annotations say; null in `path`: that of the rule. */
export type AffinityWish = Omit<Affinity, "salt" | "path"> & { readonly path: string | null };

const NAME_LENGTH_MAX = 128;
const AGE_S_MAX = 100_000_000;
/** What a cookie's path may have: printable, and no ";", which ends it. */
const COOKIE_PATH = /^\/[!-:<-~]{0,4095}$/;
const AFFINITY_FIX = "write cookie, header:<name> or source-address";

/** By a cookie; null: not. */
export function readAffinity(draft: Draft): AffinityWish | null {
  const entry = first(draft, "affinity");
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null || value === "" || readHeader(value) !== null) return null;
  if (value !== "cookie") {
    const message = `${shown(entry.value)} is no affinity: sessions are not led to one peer`;
    draft.invalid.push({ key: entry.key, message, fix: AFFINITY_FIX });
    return null;
  }
  return {
    name: readText(draft, "session-cookie-name", /^[\w.-]{1,128}$/, "INGRESSCOOKIE is used") ?? "INGRESSCOOKIE",
    mode: readWord(draft, "affinity-mode", ["balanced", "persistent"]) ?? "balanced",
    path: readText(draft, "session-cookie-path", COOKIE_PATH, "that of the rule is used"),
    domain: readText(draft, "session-cookie-domain", /^\.?[\w-]+(\.[\w-]+){0,126}$/, "none is said") ?? "",
    maxAgeS: readAge(draft, "session-cookie-max-age"),
    expiresS: readAge(draft, "session-cookie-expires"),
    sameSite: readWord(draft, "session-cookie-samesite", ["None", "Lax", "Strict"]) ?? "",
    sameSiteConditional: readFlag(draft, "session-cookie-conditional-samesite-none", null) ?? false,
    secure: readSecure(draft),
    changeOnFailure: readFlag(draft, "session-cookie-change-on-failure", null) ?? false,
    canaries: readWord(draft, "affinity-canary-behavior", ["sticky", "legacy"]) ?? "sticky",
  };
}

/** By a header or the client's address: a consistent hash of it; null: not. */
export function readHashAffinity(draft: Draft): RouteBalance | null {
  const variable = readHeader(first(draft, "affinity")?.value.trim().toLowerCase() ?? "");
  return variable === null ? null : { by: "hash", key: [variable], bound: 0 };
}

function readHeader(value: string): string | null {
  if (value === "source-address") return "$remote_addr";
  const [, name] = /^header:\s*([a-z0-9][a-z0-9_-]*)$/.exec(value) ?? [];
  return name === undefined || name.length > NAME_LENGTH_MAX ? null : `$http_${name.replaceAll("-", "_")}`;
}

function readSecure(draft: Draft): Affinity["secure"] {
  const flag = readFlag(draft, "session-cookie-secure", null);
  return flag === null ? "https" : flag ? "always" : "never";
}

function readText(draft: Draft, name: string, pattern: RegExp, instead: string): string | null {
  const entry = first(draft, name);
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return null;
  if (value.length <= 4096 && pattern.test(value)) return value;
  const message = `${shown(entry.value)} cannot stand in a cookie: ${instead}`;
  draft.invalid.push({ key: entry.key, message, fix: "write it in plain ASCII without spaces and semicolons" });
  return null;
}

function readWord<T extends string>(draft: Draft, name: string, words: readonly T[]): T | null {
  const entry = first(draft, name);
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null || value === "") return null;
  const word = words.find((known) => known.toLowerCase() === value);
  if (word !== undefined) return word;
  const message = `${shown(entry.value)} is none of ${words.join(", ")}: the usual one is used`;
  draft.invalid.push({ key: entry.key, message, fix: "correct or remove it" });
  return null;
}

function readAge(draft: Draft, name: string): number {
  const entry = first(draft, name);
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return 0;
  const age = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (age >= 1 && age <= AGE_S_MAX) return age;
  // 0 would end the cookie as soon as it is given.
  const message = `${shown(entry.value)} is no number from 1 to ${AGE_S_MAX}: it is not used`;
  draft.invalid.push({ key: entry.key, message, fix: "write a whole number of seconds, or remove it" });
  return 0;
}

/** The filter of a route of this claim. */
export function affinityFilters(wish: AffinityWish | null, { uid, namespace, name }: Meta, claim: Claim): Filter[] {
  if (wish === null) return [];
  // Manifests have no uid: there, whoever knows the name may try out addresses.
  const salt = uid === "" ? `${namespace}/${name}` : uid;
  return [{ kind: "affinity", ...wish, salt, path: wish.path ?? cookiePath(claim) ?? "/" }];
}

/** What is said where the path of a rule cannot be that of a cookie. */
export function affinityRemarks(wish: AffinityWish | null, claims: Iterable<Claim>, key: string): AnnotationRemark[] {
  if (wish === null || wish.path !== null) return [];
  for (const claim of claims) {
    if (cookiePath(claim) !== null) continue;
    const message = `the path ${shown(claim.path)} cannot be that of a cookie: the cookie is for "/"`;
    return [{ key, message, fix: 'write session-cookie-path, like "/app"' }];
  }
  return [];
}

/** The path of a rule as browsers compare it; null: a cookie cannot have it. */
function cookiePath({ matchType, path }: Claim): string | null {
  if (matchType === "Expression") {
    const parsed = parseExpression(path);
    if (parsed.kind === "bad" || parsed.pattern !== "") return null;
  }
  const encoded = encodeURI(path);
  return COOKIE_PATH.test(encoded) ? encoded : null;
}
