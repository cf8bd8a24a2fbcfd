// What a figure hands over: lines for people, and gates that decide.

/** A count or a ratio that must hold. */
export interface Gate {
  readonly name: string;
  readonly passed: boolean;
  /** What was measured, and the bound. */
  readonly text: string;
}

/** A measured value. `target` is null where there is none; `met` is null without a target. */
export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly target: string | null;
  readonly met: boolean | null;
  /** One value for each run or round, as text. */
  readonly runs: readonly string[];
}

export interface Result {
  readonly title: string;
  /** How it was measured, one sentence per line. */
  readonly method: readonly string[];
  readonly figures: readonly Figure[];
  readonly gates: readonly Gate[];
}

/** A figure that is held against "at most `max`". */
export function atMost(
  name: string,
  value: number,
  max: number,
  more: { unit: string; runs?: readonly string[] },
): Figure {
  const unit = more.unit === "" ? "" : ` ${more.unit}`;
  return {
    name,
    value: `${rounded(value)}${unit}`,
    target: `≤ ${max}${unit}`,
    met: value <= max,
    runs: more.runs ?? [],
  };
}

/** A figure that is held against "at least `min`". */
export function atLeast(
  name: string,
  value: number,
  min: number,
  more: { unit: string; runs?: readonly string[] },
): Figure {
  const unit = more.unit === "" ? "" : ` ${more.unit}`;
  return {
    name,
    value: `${rounded(value)}${unit}`,
    target: `≥ ${min}${unit}`,
    met: value >= min,
    runs: more.runs ?? [],
  };
}

/** A figure that is only told. */
export function told(name: string, value: string, runs: readonly string[] = []): Figure {
  return { name, value, target: null, met: null, runs };
}

export function gate(name: string, passed: boolean, text: string): Gate {
  return { name, passed, text };
}

export function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
