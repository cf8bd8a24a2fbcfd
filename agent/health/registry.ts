// Conditions of this machine and of what it talks to: the one place that status, /readyz, log and metrics read.

import type { ConditionStatus } from "../api/wire.ts";

export type ConditionCode =
  | "source-unreachable" // the API server or the manifest directory does not answer
  | "source-shrunk" // a list of the source lacks most of a kind and is held back
  | "events-refused" // Events about objects may not be written
  | "knowledge-stale" // serving from the snapshot on disk
  | "nginx-down"
  | "profiles-full" // more sets of authorities for backends than there may be profiles
  | "variants-full" // more sets of sizes and buffers than there is room for
  | "client-policies-full" // more policies of client certificates than there may be server blocks
  | "peers-unreachable" // connections to peers are not answered
  | "limits-low" // the kernel or the unit allows less than the configuration asks for
  | "tls-weak" // clients may speak a version of TLS that is broken
  | "nginx-limited" // this nginx cannot do something that is asked for
  | "configuration-rejected" // nginx refused the candidate; the old one runs
  | "push-failing" // the data plane does not take documents
  | "dataplane-problem" // nginx found documents, or a snapshot, that it cannot use
  | "memory-low" // a shared dict is over its watermark
  | "snapshot-failing" // the snapshot cannot be written
  | "snapshot-damaged";

export interface Condition {
  readonly code: ConditionCode;
  /** Tells apart several of one code ("Ingress", a dict's name); "" where there is one. */
  readonly subject: string;
  readonly severity: "error" | "warning" | "info";
  readonly message: string;
  readonly hint: string;
}

interface Held {
  readonly condition: Condition;
  readonly since: number;
}

/** A condition that causes others hides them. */
const HIDES = {
  "nginx-down": ["push-failing"],
} as const satisfies Partial<Record<ConditionCode, readonly ConditionCode[]>>;

const SEVERITY_ORDER = { error: 0, warning: 1, info: 2 } as const;

/** Holds what is wrong now. `now` is injected; `onChange` is told of each begin and end, once. */
export class HealthRegistry {
  readonly #held = new Map<string, Held>();
  readonly #now: () => number;
  readonly #onChange: (condition: Condition, began: boolean) => void;

  constructor(now: () => number, onChange: (condition: Condition, began: boolean) => void) {
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Begins a condition, or refreshes its text; `since` stays that of its begin. */
  set(condition: Condition): void {
    const key = `${condition.code} ${condition.subject}`;
    const before = this.#held.get(key);
    this.#held.set(key, { condition, since: before?.since ?? this.#now() });
    if (before === undefined) this.#onChange(condition, true);
  }

  /** Ends a condition; nothing happens when it is not held. */
  clear(code: ConditionCode, subject = ""): void {
    const key = `${code} ${subject}`;
    const before = this.#held.get(key);
    if (before === undefined) return;
    this.#held.delete(key);
    this.#onChange(before.condition, false);
  }

  has(code: ConditionCode): boolean {
    return [...this.#held.values()].some((held) => held.condition.code === code);
  }

  /** Subjects of the conditions of one code that are held. */
  subjects(code: ConditionCode): readonly string[] {
    const all = [...this.#held.values()].map((held) => held.condition);
    return all.filter((condition) => condition.code === code).map((condition) => condition.subject);
  }

  /** What is wrong now, worst first, without what another condition explains. */
  list(): readonly ConditionStatus[] {
    const hidden = new Set<ConditionCode>();
    for (const { condition } of this.#held.values()) {
      const hides: readonly ConditionCode[] | undefined = Object.hasOwn(HIDES, condition.code)
        ? HIDES[condition.code as keyof typeof HIDES] // hasOwn above says it is a key
        : undefined;
      for (const code of hides ?? []) hidden.add(code);
    }
    return [...this.#held.values()]
      .filter(({ condition }) => !hidden.has(condition.code))
      .map(({ condition, since }) => ({
        code: condition.code,
        severity: condition.severity,
        message: condition.message,
        hint: condition.hint,
        since,
      }))
      .toSorted((a, b) => SEVERITY_ORDER[a.severity] - SEVERITY_ORDER[b.severity] || a.since - b.since);
  }
}
