// Waiting for what must come true, with a deadline and words.

import { setTimeout as delay } from "node:timers/promises";

const WITHIN_MS = 15_000;
const EVERY_MS = 10;

/** Resolves with the first truthy value of `probe`; throws when there is none in time. What `probe` throws counts as "not yet". */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs: number = WITHIN_MS,
): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs;
  let last: unknown = null;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`did not come true within ${withinMs} ms: ${what}; last: ${String(last)}`, { cause: last });
    }
    await delay(EVERY_MS);
  }
}
