// Putting one object into a map of them.

import type { KubernetesObject } from "../objects/objects.ts";
import { isSameObject } from "./same-object.ts";

/** Puts or (null) removes; false where nothing changed. */
export function replaceIn<T extends KubernetesObject>(objects: Map<string, T>, key: string, object: T | null): boolean {
  const before = objects.get(key);
  if (object === null) return objects.delete(key);
  if (before !== undefined && isSameObject(before, object)) return false;
  objects.set(key, object);
  return true;
}
