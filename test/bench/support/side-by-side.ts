// Two nginx that do the same work at the same time: what each request, or handshake, of one costs in processor time
// against the other. Asked one after the other, the same code had ratios from 0.8 to 2.0: what else the host of the
// machine does falls on one side alone.

import type { Machine } from "../../edges/machine.ts";
import { cpuNs } from "./process.ts";
import { median } from "./statistics.ts";

/** What a client did in one round. */
export interface Load {
  /** Requests, or handshakes, that were answered. */
  readonly requests: number;
  readonly errors: number;
  /** Of the answers' times, where the client tells it. */
  readonly p99Us?: number;
}

interface Spent extends Load {
  readonly us: number;
}

export interface Side {
  readonly machine: Machine;
  /** Numbers of the worker processes, as the machine sees them. */
  readonly workers: readonly number[];
  /** One round. */
  load(): Promise<Load>;
}

export interface Sides {
  readonly ours: Side;
  readonly theirs: Side;
}

export interface Compared {
  /** Of the CPU per request, ours ÷ theirs, a round each. */
  readonly ratios: readonly number[];
  /** Microseconds for a request, a round each. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Ours ÷ theirs, a round each; empty where clients tell no times. */
  readonly p99Ratios: readonly number[];
  readonly errors: number;
}

/** Rounds of both sides at the same time, after one round that only warms up. */
export async function compare({ ours, theirs }: Sides, rounds: number): Promise<Compared> {
  const result = { ratios: [] as number[], ours: [] as number[], theirs: [] as number[], p99Ratios: [] as number[] };
  let errors = 0;
  for (let index = 0; index <= rounds; index++) {
    const [one, other] = await askBoth({ ours, theirs });
    errors += one.errors + other.errors;
    if (index === 0) continue; // Connections to endpoints are made, documents decoded, code compiled.
    result.ours.push(one.us);
    result.theirs.push(other.us);
    result.ratios.push(one.us / other.us);
    if (one.p99Us !== undefined && other.p99Us !== undefined) result.p99Ratios.push(one.p99Us / other.p99Us);
  }
  return { ...result, errors };
}

/** A ratio over its limit is measured twice as long once more, and all rounds count: noise must not decide. */
export async function compareLonger(sides: Sides, rounds: number, max: number): Promise<Compared> {
  const first = await compare(sides, rounds);
  if (median(first.ratios) <= max) return first;
  const more = await compare(sides, rounds * 2);
  return {
    ratios: [...first.ratios, ...more.ratios],
    ours: [...first.ours, ...more.ours],
    theirs: [...first.theirs, ...more.theirs],
    p99Ratios: [...first.p99Ratios, ...more.p99Ratios],
    errors: first.errors + more.errors,
  };
}

/** One round of both. Microseconds of processor time for each request are `us`. */
export function askBoth({ ours, theirs }: Sides): Promise<readonly [Spent, Spent]> {
  return Promise.all([round(ours), round(theirs)]);
}

async function round({ machine, workers, load }: Side): Promise<Spent> {
  const before = await cpuNs(machine, workers);
  const done = await load();
  if (done.requests === 0) throw new Error("nothing was answered in a round");
  return { ...done, us: ((await cpuNs(machine, workers)) - before) / 1000 / done.requests };
}
