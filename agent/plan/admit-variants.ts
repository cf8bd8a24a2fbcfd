// Which variants of profiles stand in the configuration. Each that is new costs a reload, and a tenant may write new
// ones for ever: so there is room for some, and in a full configuration none makes a reload by itself.

import type { VariantProfile } from "../render/variants.ts";

/** How many a configuration has at most. */
export const VARIANTS_MAX = 64;

/**
 * Gives `before` itself where nothing is to be changed. Those that nobody asks for any more keep their place, so that
 * a wish which comes and goes costs one reload; where a reload is due anyway they make room.
 */
export function admitVariants(
  before: readonly VariantProfile[],
  wanted: readonly VariantProfile[],
  due: boolean,
): readonly VariantProfile[] {
  const known = new Set(before.map(({ name }) => name));
  const asked = new Set(wanted.map(({ name }) => name));
  const kept = due ? before.filter(({ name }) => asked.has(name)) : before;
  const fresh = wanted.filter(({ name }) => !known.has(name)).slice(0, Math.max(0, VARIANTS_MAX - kept.length));
  if (fresh.length === 0 && kept.length === before.length) return before;
  return [...kept, ...fresh].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
