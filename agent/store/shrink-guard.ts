// Whether a list may take most of a kind away. A server with an empty cache, a broken proxy or an etcd restored from the
// wrong backup says that thousands of objects are gone; believing it at once closes every route behind them. What is
// missing from such a list is held: it stays in the store until somebody says yes, until it is heard of again, or until
// the time is over. A single deletion (an event of a watch) is none of its business.

import { type ObjectKind, type ObjectRef, refKey } from "../objects/objects.ts";
import type { ChangeSink } from "./source.ts";

export interface ShrinkLimits {
  /** A list that lacks more than this share of the known objects is not believed. 0: every list is believed. */
  readonly sharePercentMax: number;
  /** Smaller sets are not guarded. */
  readonly objectsMin: number;
  /** After so long it is believed after all. 0: every list is believed. */
  readonly holdMs: number;
  /** Secrets are read one by one: how long those that are missing are collected before they are judged together. */
  readonly collectMs: number;
}

export interface ShrinkGuardOptions {
  readonly limits: ShrinkLimits;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How many Secrets are in use. */
  readonly secrets: () => number;
  /** Where what is believed in the end is deleted. */
  readonly sink: ChangeSink;
  /** Told all holds whenever one begins, changes or ends. */
  readonly onChange: (holds: readonly ShrinkHold[]) => void;
  /** The time of a hold is over: it is accepted. */
  readonly onDue: (kind: ObjectKind) => void;
}

/** Objects of one kind that are kept although the source's list lacks them. Times in milliseconds since 1970. */
export interface ShrinkHold {
  readonly kind: ObjectKind;
  /** How many of `total` known objects were in the list. */
  readonly left: number;
  readonly total: number;
  /** How many are still held: those that were heard of since are not. */
  readonly held: number;
  readonly since: number;
  readonly until: number;
}

interface Hold {
  left: number;
  total: number;
  readonly since: number;
  readonly until: number;
  refs: Map<string, ObjectRef>;
  readonly timer: NodeJS.Timeout;
}

export class ShrinkGuard {
  readonly #options: ShrinkGuardOptions;
  readonly #holds = new Map<ObjectKind, Hold>();
  /** Secrets that were missing when they were read, until they are judged. */
  readonly #doubted = new Map<string, ObjectRef>();
  #collecting: NodeJS.Timeout | null = null;

  constructor(options: ShrinkGuardOptions) {
    this.#options = options;
  }

  /** What is held now, one entry for a kind. */
  holds(): readonly ShrinkHold[] {
    return [...this.#holds].map(([kind, { left, total, refs, since, until }]) => ({
      kind,
      left,
      total,
      held: refs.size,
      since,
      until,
    }));
  }

  /**
   * A list lacks `missing` of the `total` known objects of a kind. Gives those that may go: all, or none. Each list is
   * judged by itself, but a hold that goes on ends no later than it would have.
   */
  judge(kind: ObjectKind, total: number, missing: readonly ObjectRef[]): readonly ObjectRef[] {
    const before = this.#holds.get(kind);
    if (!this.#isShrunk(total, missing.length)) {
      if (before !== undefined) this.#end(kind, before);
      return missing;
    }
    const refs = new Map(missing.map((ref) => [refKey(ref), ref]));
    const left = total - missing.length;
    if (before === undefined) this.#begin(kind, { left, total, refs });
    else Object.assign(before, { left, total, refs });
    this.#options.onChange(this.holds());
    return [];
  }

  /**
   * A known Secret was missing when it was read. True: it is kept, with all others that are missing, until they are
   * judged together; and as long as any other list is held back, for its hosts are served meanwhile.
   */
  doubt(ref: ObjectRef): boolean {
    if (!this.#isOn()) return false;
    this.#doubted.set(refKey(ref), ref);
    this.#collect();
    return true;
  }

  /** The source spoke of this object by itself: it is not held any more, and what was said of it counts. */
  heard(ref: ObjectRef): void {
    this.#doubted.delete(refKey(ref));
    const hold = this.#holds.get(ref.kind);
    if (hold === undefined || !hold.refs.delete(refKey(ref))) return;
    if (hold.refs.size === 0) this.#end(ref.kind, hold);
    else this.#options.onChange(this.holds());
  }

  /** Ends the hold of one kind, or (null) all: what was held is deleted. Gives how many objects, by kind. */
  accept(kind: ObjectKind | null): ReadonlyMap<ObjectKind, number> {
    const counts = new Map<ObjectKind, number>();
    for (const [held, hold] of this.#holds) {
      if (kind !== null && held !== kind) continue;
      this.#end(held, hold);
      counts.set(held, hold.refs.size);
      this.#delete(hold.refs.values());
    }
    return counts;
  }

  /** Lets its timers go. What is held stays held. */
  stop(): void {
    for (const { timer } of this.#holds.values()) clearTimeout(timer);
    if (this.#collecting !== null) clearTimeout(this.#collecting);
  }

  #isOn(): boolean {
    const { sharePercentMax, holdMs } = this.#options.limits;
    return sharePercentMax > 0 && holdMs > 0;
  }

  #isShrunk(total: number, missing: number): boolean {
    const { sharePercentMax, objectsMin } = this.#options.limits;
    return this.#isOn() && total >= objectsMin && missing * 100 > total * sharePercentMax;
  }

  #collect(): void {
    this.#collecting ??= setTimeout(() => {
      this.#collecting = null;
      if (this.#holds.size > 0) return this.#collect();
      const missing = [...this.#doubted.values()];
      this.#doubted.clear();
      if (missing.length > 0) this.#delete(this.judge("Secret", this.#options.secrets(), missing));
    }, this.#options.limits.collectMs).unref();
  }

  #delete(refs: Iterable<ObjectRef>): void {
    this.#options.sink([...refs].map((ref) => ({ kind: "delete", ref }) as const));
  }

  #begin(kind: ObjectKind, { left, total, refs }: Pick<Hold, "left" | "total" | "refs">): void {
    const { limits, now, onDue } = this.#options;
    const since = now();
    const timer = setTimeout(() => {
      onDue(kind);
      this.accept(kind);
    }, limits.holdMs).unref();
    this.#holds.set(kind, { left, total, refs, since, until: since + limits.holdMs, timer });
  }

  #end(kind: ObjectKind, hold: Hold): void {
    clearTimeout(hold.timer);
    this.#holds.delete(kind);
    this.#options.onChange(this.holds());
  }
}
