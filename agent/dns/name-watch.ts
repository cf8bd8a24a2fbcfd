// Follows the names that Services are: asks when their time has come, keeps what was said, tells what changed.
// Nothing waits for it. What an answer means is decided in answers.ts.

import { errorText } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { NameAddresses } from "../model/input.ts";
import { type Answer, type NameRecord, type NameState, nextState, viewOf } from "./answers.ts";
import type { Lookup } from "./resolver.ts";

/** Names that are asked for at a time, each in two families: the servers have other users. */
const LOOKUPS_MAX = 4;
/** Of them names that failed last time: however many a dead zone has, the others are asked in time. */
const FAILING_MAX = 2;
/** Many names change together when a start asks for all of them. */
const SAVE_AFTER_MS = 1_000;
/** Records are also written when only their age changed, so that after a restart it is not far off. */
const SAVE_EVERY_MS = 300_000;
/** After a fault of ours. */
const AGAIN_MS = 60_000;

export interface NameWatchOptions {
  readonly lookUp: Lookup;
  /** What was known before the start. */
  readonly known: readonly NameRecord[];
  readonly save: (records: readonly NameRecord[]) => Promise<void>;
  /** Told which Services ("<namespace>/<service>") are of a name of which something else is known now. */
  readonly onChange: (services: readonly string[]) => void;
  readonly now: () => number;
  readonly log: Logger;
}

interface Followed {
  readonly name: string;
  readonly services: Set<string>;
  state: NameState;
  /** Until it is to be asked again. */
  timer: NodeJS.Timeout | null;
}

export class NameWatch {
  readonly #options: NameWatchOptions;
  readonly #known: Map<string, NameRecord>;
  readonly #followed = new Map<string, Followed>();
  readonly #views = new Map<string, NameAddresses>();
  readonly #stopping = new AbortController();
  /** Those whose time has come, in the order in which it came. */
  readonly #waiting = { well: new Set<Followed>(), failing: new Set<Followed>() };
  readonly #asking = { well: 0, failing: 0 };
  #started = false;
  #savedAt: number;
  #unsaved = false;
  #saveTimer: NodeJS.Timeout | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: NameWatchOptions) {
    this.#options = options;
    this.#known = new Map(options.known.map((record) => [record.name, record]));
    for (const record of options.known) this.#views.set(record.name, viewOf(stateOf(record)));
    this.#savedAt = options.now();
  }

  /** What is known of each name now; it changes while the watch runs. */
  get views(): ReadonlyMap<string, NameAddresses> {
    return this.#views;
  }

  /** A Service's peers were those of `before`, and are those of `after` from now on; null: of no name. */
  follow(service: string, before: string | null, after: string | null): void {
    if (before === after) return;
    const left = before === null ? undefined : this.#followed.get(before);
    if (before !== null && left?.services.delete(service) === true && left.services.size === 0) {
      this.#forget(before, left);
    }
    if (after === null) return;
    const known = this.#followed.get(after);
    if (known !== undefined) {
      known.services.add(service);
      return;
    }
    const record = this.#known.get(after) ?? { name: after, addresses: [], heardAt: null, goneSince: null };
    const followed: Followed = { name: after, services: new Set([service]), state: stateOf(record), timer: null };
    this.#followed.set(after, followed);
    this.#await(followed);
  }

  /** Begins to ask. */
  start(): void {
    this.#started = true;
    this.#next();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { timer } of this.#followed.values()) if (timer !== null) clearTimeout(timer);
    // Only where something was heard: a start that failed must not empty the file.
    if (this.#unsaved) this.#save();
    await this.#saving;
  }

  #forget(name: string, followed: Followed): void {
    if (followed.timer !== null) clearTimeout(followed.timer);
    for (const waiting of Object.values(this.#waiting)) waiting.delete(followed);
    this.#followed.delete(name);
    this.#known.delete(name);
    this.#views.delete(name);
  }

  #await(followed: Followed): void {
    this.#waiting[laneOf(followed)].add(followed);
    this.#next();
  }

  #next(): void {
    if (!this.#started || this.#stopping.signal.aborted) return;
    const { well, failing } = this.#asking;
    const free = LOOKUPS_MAX - well - failing;
    const first = take(this.#waiting.failing, Math.min(free, FAILING_MAX - failing));
    for (const followed of first) void this.#ask(followed);
    for (const followed of take(this.#waiting.well, free - first.length)) void this.#ask(followed);
  }

  async #ask(followed: Followed): Promise<void> {
    const lane = laneOf(followed);
    this.#asking[lane] += 1;
    let nextMs = AGAIN_MS;
    try {
      const answer = await this.#options.lookUp(followed.name, this.#stopping.signal);
      // Stopped or forgotten meanwhile: what it says is nobody's business.
      if (this.#isFollowed(followed)) nextMs = this.#heard(followed, answer);
    } catch (error) {
      // A fault of ours; the name keeps its addresses.
      this.#options.log.error("Cannot follow a name", { name: followed.name, error: errorText(error) });
    }
    this.#asking[lane] -= 1;
    if (this.#isFollowed(followed)) {
      followed.timer = setTimeout(() => this.#await(followed), nextMs).unref();
    }
    this.#next();
  }

  #isFollowed(followed: Followed): boolean {
    return !this.#stopping.signal.aborted && this.#followed.get(followed.name) === followed;
  }

  /** Gives when to ask again. */
  #heard(followed: Followed, answer: Answer): number {
    const { now, log, onChange } = this.#options;
    const { name, state: before } = followed;
    const { state, nextMs } = nextState(before, answer, now());
    followed.state = state;
    this.#unsaved = true;
    if (!isSame(before.record, state.record) || now() - this.#savedAt >= SAVE_EVERY_MS) {
      this.#saveTimer ??= setTimeout(() => this.#save(), SAVE_AFTER_MS).unref();
    }
    const view = viewOf(state);
    if (JSON.stringify(view) === JSON.stringify(this.#views.get(name))) return nextMs;
    this.#views.set(name, view);
    const { addresses, trouble } = view;
    if (trouble === null) log.info("A name is resolved", { name, addresses });
    else log.warn("A name is not resolved", { name, reason: trouble.cause, addresses });
    onChange([...followed.services]);
    return nextMs;
  }

  #save(): void {
    if (this.#saveTimer !== null) clearTimeout(this.#saveTimer);
    this.#saveTimer = null;
    this.#unsaved = false;
    this.#savedAt = this.#options.now();
    const all = [...this.#followed.values()].map(({ state }) => state.record);
    const records = all.filter(({ heardAt }) => heardAt !== null);
    this.#saving = this.#saving.then(async () => {
      try {
        await this.#options.save(records);
      } catch (error) {
        this.#options.log.warn("Cannot keep the addresses of names", { error: errorText(error) });
      }
    });
  }
}

function stateOf(record: NameRecord): NameState {
  return { record, failures: 0, trouble: null };
}

function laneOf({ state }: Followed): "well" | "failing" {
  return state.failures > 0 ? "failing" : "well";
}

/** The first of them, which leave the set. */
function take<T>(all: Set<T>, count: number): readonly T[] {
  const taken: T[] = [];
  for (const each of all) {
    if (taken.length >= count) break;
    all.delete(each);
    taken.push(each);
  }
  return taken;
}

/** But for its age. */
function isSame(a: NameRecord, b: NameRecord): boolean {
  return a.goneSince === b.goneSince && a.addresses.join() === b.addresses.join();
}
