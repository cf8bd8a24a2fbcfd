// Memory over time, and whether it grows.

import { median } from "./statistics.ts";

export interface Sample {
  readonly seconds: number;
  /** By what has it, like "agent" or "worker 1". */
  readonly mb: Readonly<Record<string, number>>;
}

export interface Growth {
  readonly name: string;
  readonly firstMb: number;
  readonly lastMb: number;
  /** Between the third and the fourth quarter of the samples. */
  readonly grownMb: number;
  /** The same in time. */
  readonly mbPerMinute: number;
}

const SAMPLES_MIN = 8;

/**
 * Growth over the second half of the samples: between the medians of its two quarters, so that one collection of
 * garbage more or less decides nothing. What was allocated once, while things got going, is in the first half. Throws
 * where a process came or went.
 */
export function growthOf(samples: readonly Sample[]): readonly Growth[] {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || samples.length < SAMPLES_MIN) throw new Error("too few samples");
  const half = samples.slice(Math.floor(samples.length / 2));
  const middle = Math.floor(half.length / 2);
  const [third, fourth] = [half.slice(0, middle), half.slice(middle)];
  const minutes = (centre(fourth) - centre(third)) / 60;
  return Object.entries(first.mb).map(([name, firstMb]) => {
    const of = (part: readonly Sample[]): number => median(part.map(({ mb }) => known(mb, name)));
    const grownMb = of(fourth) - of(third);
    return { name, firstMb, lastMb: known(last.mb, name), grownMb, mbPerMinute: grownMb / minutes };
  });
}

function centre(samples: readonly Sample[]): number {
  return median(samples.map(({ seconds }) => seconds));
}

function known(mb: Readonly<Record<string, number>>, name: string): number {
  const value = mb[name];
  if (value === undefined) throw new Error(`${name} is gone`);
  return value;
}
