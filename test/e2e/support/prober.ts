// Asks for a host all the time, over connections that are kept, and remembers every answer that was not 200.

import { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Edge } from "./edge.ts";

export interface Prober {
  /** How often it has asked so far. */
  asked(): number;
  /** Everything that went wrong, as "12:00:00.000 status 503"; throws when it asked less than it should have. */
  stop(): Promise<readonly string[]>;
}

/** 100 times a second. */
const EVERY_MS = 10;
const ASKED_MIN = 20;

/** `retriesKept` as in ask.ts: where nginx reloads meanwhile. */
export function startProber(edge: Edge, host: string, path = "/", retriesKept = false): Prober {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const failures: string[] = [];
  const pending = new Set<Promise<void>>();
  let asked = 0;
  let running = true;
  const askOnce = async (): Promise<void> => {
    asked += 1;
    try {
      const { status } = await edge.ask({ host, path, agent, retriesKept });
      if (status !== 200) failures.push(`${new Date().toISOString()} status ${status}`);
    } catch (error) {
      failures.push(`${new Date().toISOString()} ${String(error)}`);
    }
  };
  const loop = (async () => {
    while (running) {
      const one = askOnce().finally(() => pending.delete(one));
      pending.add(one);
      // Unreferenced: a test that failed before it stopped its prober must still end.
      await delay(EVERY_MS, undefined, { ref: false });
    }
  })();
  return {
    asked: () => asked,
    async stop() {
      running = false;
      await loop;
      await Promise.all(pending);
      agent.destroy();
      if (asked < ASKED_MIN) throw new Error(`the prober asked ${asked} times only`);
      return failures;
    },
  };
}
