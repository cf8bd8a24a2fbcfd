// From the API server's answer to a PATCH of an EndpointSlice to the first request that the new endpoint serves, and
// whether the removed endpoint answers once the new one has.

import { setTimeout as delay } from "node:timers/promises";
import { KeepAliveClient, type Reply } from "./support/keep-alive-client.ts";
import { atMost, gate, type Result, rounded, told } from "./support/result.ts";
import { setEndpoints, type Stage, WEB, WEB_HOST } from "./support/stage.ts";
import { percentile } from "./support/statistics.ts";

export interface LatencyOptions {
  /** Each is told by itself. */
  readonly runs: number;
  readonly samplesPerRun: number;
}

/** One asks without a pause, for the time; the others find a worker that is behind. */
const WATCHERS = 3;
const WATCHER_PAUSE_MS = 2;
const SEEN_MS_MAX = 5_000;
const P50_MS_MAX = 2;
const P99_MS_MAX = 6;

interface Flip {
  readonly to: string;
  firstAt: number | null;
  readonly seen: PromiseWithResolvers<void>;
}

/** Milliseconds of each change, a list for each run; below zero where an event overtook the PATCH's answer. */
export interface LatencySamples {
  readonly raw: readonly (readonly number[])[];
  readonly watch: Pick<Watch, "asked" | "stale" | "failures">;
}

export async function sampleEndpointLatency(stage: Stage, options: LatencyOptions): Promise<LatencySamples> {
  const raw: number[][] = [];
  const watch = new Watch(stage);
  try {
    for (let run = 0; run < options.runs; run++) raw.push(await flips(stage, watch, options.samplesPerRun));
  } finally {
    await watch.stop();
  }
  return { raw, watch };
}

export async function measureEndpointLatency(stage: Stage, options: LatencyOptions): Promise<Result> {
  const { raw, watch } = await sampleEndpointLatency(stage, options);
  // An event may overtake the PATCH's own answer: that is no time at all, and told beside it.
  const all = raw.flat();
  const counted = all.map((ms) => Math.max(0, ms));
  const faults = watch.stale + watch.failures.length;
  return {
    title: "A changed endpoint",
    method: [
      "One client asks through the edge without a pause, three more ask every 2 ms, all on kept connections.",
      "The time runs from the API server's answer to the PATCH until the first answer by the new endpoint; below zero counts as zero.",
      "Stale is an answer by the removed endpoint to a request that was sent after the new endpoint's first answer had arrived.",
    ],
    figures: [
      atMost("endpoint change, p50", percentile(counted, 0.5), P50_MS_MAX, { unit: "ms", runs: raw.map(summary) }),
      atMost("endpoint change, p99", percentile(counted, 0.99), P99_MS_MAX, { unit: "ms" }),
      told("endpoint change, not cut at zero", summary(all)),
    ],
    gates: [
      gate(
        "no stale answer",
        faults === 0,
        `${watch.stale} stale and ${watch.failures.length} failed of ${watch.asked} answers over ${all.length} changes` +
          (watch.failures[0] === undefined ? "" : `; first: ${watch.failures[0]}`),
      ),
    ],
  };
}

async function flips(stage: Stage, watch: Watch, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const next = watch.current === stage.one.name ? stage.two : stage.one;
    const flip = watch.expect(next.name);
    const answeredAt = await setEndpoints(stage.cluster, WEB, [next]);
    const firstAt = await watch.first(flip);
    times.push(firstAt - answeredAt);
    await delay(15 + (index % 7) * 3); // time to be stale in, and no beat in common with anything
  }
  return times;
}

class Watch {
  stale = 0;
  asked = 0;
  readonly failures: string[] = [];
  #flip: Flip = { to: "one", firstAt: 0, seen: Promise.withResolvers() };
  #running = true;
  readonly #loops: Promise<void>[];

  constructor(stage: Stage) {
    const pauses = [0, ...Array.from({ length: WATCHERS }, () => WATCHER_PAUSE_MS)];
    this.#loops = pauses.map((pauseMs) => this.#ask(new KeepAliveClient(stage.http), pauseMs));
  }

  get current(): string {
    return this.#flip.to;
  }

  /** From here on the answers of `name` are the new ones. */
  expect(name: string): Flip {
    this.#flip = { to: name, firstAt: null, seen: Promise.withResolvers() };
    return this.#flip;
  }

  /** When the first answer by the new endpoint arrived. */
  async first(flip: Flip): Promise<number> {
    const deadline = new AbortController();
    const late = delay(SEEN_MS_MAX, "late", { signal: deadline.signal }).catch(() => "seen");
    const outcome = await Promise.race([flip.seen.promise.then(() => "seen"), late]);
    deadline.abort();
    if (outcome === "late" || flip.firstAt === null) {
      throw new Error(
        `endpoint ${flip.to} did not answer within ${SEEN_MS_MAX} ms of the change; ${this.failures.at(-1) ?? ""}`,
      );
    }
    return flip.firstAt;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #ask(client: KeepAliveClient, pauseMs: number): Promise<void> {
    while (this.#running) {
      try {
        this.#judge(await client.ask(WEB_HOST, "/"));
      } catch (error) {
        this.failures.push(String(error));
      }
      if (pauseMs > 0) await delay(pauseMs);
    }
    client.close();
  }

  #judge(reply: Reply): void {
    this.asked += 1;
    const flip = this.#flip;
    if (reply.status !== 200) {
      this.failures.push(`status ${reply.status}`);
    } else if (reply.body === flip.to) {
      if (flip.firstAt !== null) return;
      flip.firstAt = reply.arrivedAt;
      flip.seen.resolve();
    } else if (flip.firstAt !== null && reply.sentAt > flip.firstAt) {
      this.stale += 1;
    }
  }
}

export function summary(samples: readonly number[]): string {
  const at = (share: number): string => rounded(percentile(samples, share));
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, max ${at(1)} ms of ${samples.length}`;
}
