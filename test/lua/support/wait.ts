// Waiting for something to become true, with a deadline instead of a guess.

import { setTimeout as sleep } from "node:timers/promises";

const DEADLINE_MS = 15_000;
const PAUSE_MS = 10;

/** Asks until the answer is true; an error counts as "not yet". Throws after the deadline, with the last error. */
export async function eventually(what: string, ask: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  let last: unknown = null;
  while (performance.now() < end) {
    try {
      if (await ask()) {
        return;
      }
      last = null;
    } catch (error) {
      last = error;
    }
    await sleep(PAUSE_MS);
  }
  throw new Error(`never happened: ${what}`, { cause: last });
}
