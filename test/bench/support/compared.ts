// What is told of two sides that were asked at the same time.

import { atMost, type Figure, type Gate, gate, rounded, told } from "./result.ts";
import type { Compared } from "./side-by-side.ts";
import { median } from "./statistics.ts";

export interface Targets {
  /** Of CPU, ours ÷ theirs. */
  readonly target: number;
  /** Of the 99th percentile of times, ours ÷ theirs. */
  readonly p99Target?: number;
  /** "request" unless told. */
  readonly per?: string;
}

/** The ratio, both costs, and the ratio of times where clients told them. */
export function ratioFigures(name: string, compared: Compared, { target, p99Target, per }: Targets): readonly Figure[] {
  const what = `CPU per ${per ?? "request"}, ${name}`;
  const runs = [`ratios ${list(compared.ratios)}`];
  const figures = [
    atMost(`${what}, ratio`, median(compared.ratios), target, { unit: "", runs }),
    told(what, `${rounded(median(compared.ours))} µs ours, ${rounded(median(compared.theirs))} µs static`),
  ];
  if (p99Target === undefined || compared.p99Ratios.length === 0) return figures;
  const p99Runs = [`ratios ${list(compared.p99Ratios)}`];
  return [
    ...figures,
    atMost(`p99, ${name}, ratio`, median(compared.p99Ratios), p99Target, { unit: "", runs: p99Runs }),
  ];
}

/** Holds where the median ratio is at most `max` and nothing failed. */
export function ratioGate(name: string, compared: Compared, max: number): Gate {
  const ratio = median(compared.ratios);
  const errors = compared.errors === 0 ? "" : `; ${compared.errors} failed requests`;
  const text = `ratio ${rounded(ratio)} of at most ${max} (${list(compared.ratios)})${errors}`;
  return gate(name, ratio <= max && compared.errors === 0, text);
}

/** Holds where nothing failed: for a ratio that is only told. */
export function noErrorGate(name: string, { errors, ratios }: Compared): Gate {
  return gate(name, errors === 0, `${errors} failed requests in ${ratios.length} rounds`);
}

function list(values: readonly number[]): string {
  return values.map(rounded).join(", ");
}
