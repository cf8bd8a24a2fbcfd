// Requests at a steady rate on kept connections, and what was not expected of their answers.

import { setTimeout as delay } from "node:timers/promises";
import { KeepAliveClient, type Reply, type Target } from "./keep-alive-client.ts";

export interface SteadyOptions {
  readonly targets: readonly Target[];
  /** One connection each, spread over the targets. */
  readonly connections: number;
  readonly requestsPerSecond: number;
  readonly host: string;
  /** What is wrong with an answer; null: nothing. */
  readonly fault: (reply: Reply) => string | null;
}

const FAULTS_KEPT = 10;

/** Runs from its making on until `stop()`. A client that is late asks at once, and does not ask for what it left out. */
export class SteadyLoad {
  asked = 0;
  faults = 0;
  /** The first ones, with the time since the beginning. */
  readonly firstFaults: string[] = [];
  readonly #begun = performance.now();
  readonly #options: SteadyOptions;
  readonly #loops: readonly Promise<void>[];
  #running = true;

  constructor(options: SteadyOptions) {
    this.#options = options;
    this.#loops = Array.from({ length: options.connections }, (_, index) => this.#loop(index));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #loop(index: number): Promise<void> {
    const { targets, connections, requestsPerSecond, host, fault } = this.#options;
    const target = targets[index % targets.length];
    if (target === undefined) throw new Error("no target");
    const client = new KeepAliveClient(target);
    const everyMs = (connections / requestsPerSecond) * 1000;
    let due = performance.now() + (index / connections) * everyMs;
    while (this.#running) {
      const waitMs = due - performance.now();
      if (waitMs > 0) await delay(waitMs);
      due = Math.max(due + everyMs, performance.now());
      try {
        this.asked += 1;
        const said = fault(await client.ask(host, "/"));
        if (said !== null) this.#note(said);
      } catch (error) {
        this.#note(String(error));
      }
    }
    client.close();
  }

  #note(text: string): void {
    this.faults += 1;
    const seconds = Math.round((performance.now() - this.#begun) / 1000);
    if (this.firstFaults.length < FAULTS_KEPT) this.firstFaults.push(`after ${seconds} s: ${text}`);
  }
}
