// Whether an object that came says anything new.

import type { KubernetesObject } from "../objects/objects.ts";

/**
 * Equal in all that is used. The resource version is not: it changes with status and with fields that are not kept.
 */
export function isSameObject(a: KubernetesObject, b: KubernetesObject): boolean {
  const { resourceVersion: _a, ...metaOfA } = a.meta;
  const { resourceVersion: _b, ...metaOfB } = b.meta;
  return isSame(metaOfA, metaOfB) && isSame({ ...a, meta: null }, { ...b, meta: null });
}

/** Equal as plain JSON; the order of keys means nothing. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((entry, index) => isSame(entry, b[index]));
  }
  if (Array.isArray(b)) return false;
  const entries = Object.entries(a);
  if (entries.length !== Object.keys(b).length) return false;
  const other = b as Record<string, unknown>; // an object that is no array
  return entries.every(([key, value]) => Object.hasOwn(other, key) && isSame(value, other[key]));
}
