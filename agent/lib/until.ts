// Waiting for something outside to become true.

import { setTimeout as delay } from "node:timers/promises";

export interface UntilOptions {
  readonly everyMs: number;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Asks again and again; true as soon as `probe` says so, false when the time is over. Throws what `probe` throws. */
export async function until(probe: () => Promise<boolean>, options: UntilOptions): Promise<boolean> {
  const end = performance.now() + options.withinMs;
  for (;;) {
    if (await probe()) return true;
    if (performance.now() + options.everyMs > end) return false;
    await delay(options.everyMs, undefined, { signal: options.signal });
  }
}
