// The lane of nginx configurations: one at a time, with a holdoff, so that changes which follow each other cost one
// reload. Pushes never wait for it.

import { type AgentError, errorText } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { DataPlane } from "../nginx/data-plane.ts";
import type { Step } from "../plan/steps.ts";

type ConfigureStep = Extract<Step, { kind: "configure" }>;

export interface ConfigurationLaneOptions {
  readonly dataPlane: DataPlane;
  readonly holdoffMs: number;
  readonly holdoffMsMax: number;
  readonly now: () => number;
  readonly log: Logger;
  /** Told after each try: null, or why the old configuration stays. */
  readonly onResult: (step: ConfigureStep, error: AgentError | null) => void;
}

export interface Reloads {
  readonly total: number;
  readonly lastAt: number | null;
  readonly lastReason: string | null;
}

export class ConfigurationLane {
  readonly #options: ConfigurationLaneOptions;
  #waiting: ConfigureStep | null = null;
  #waitingSince = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #reloads: Reloads = { total: 0, lastAt: null, lastReason: null };
  readonly #stopping = new AbortController();

  constructor(options: ConfigurationLaneOptions) {
    this.#options = options;
  }

  get reloads(): Reloads {
    return this.#reloads;
  }

  /** Takes a step; one that still waits is replaced by it. */
  submit(step: ConfigureStep): void {
    const now = this.#options.now();
    if (this.#waiting === null) this.#waitingSince = now;
    this.#waiting = step;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const latest = this.#waitingSince + this.#options.holdoffMsMax - now;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#running = this.#running.then(() => this.#run());
      },
      Math.max(0, Math.min(this.#options.holdoffMs, latest)),
    );
  }

  /** Forgets what waits and waits for what runs. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting = null;
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const step = this.#waiting;
    this.#waiting = null;
    if (step === null) return;
    const { dataPlane, log, now, onResult } = this.#options;
    const began = now();
    try {
      await dataPlane.configure(step.generation, step.files, this.#stopping.signal);
      this.#reloads = { total: this.#reloads.total + 1, lastAt: now(), lastReason: step.reason };
      log.info("Nginx reloaded", { generation: step.generation, reason: step.reason, durationMs: now() - began });
      onResult(step, null);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      log.error("Cannot reload nginx", { generation: step.generation, reason: step.reason, error: errorText(error) });
      onResult(step, error as AgentError); // configure throws nothing else but on abort
    }
  }
}
