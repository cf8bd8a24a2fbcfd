// Keeps the store's copy of one resource equal to the API server's: the first read, then a watch, for ever.
// It decides what each failure means; it must not know other resources, and nothing it meets may end it.

import type { Change, ChangeSink } from "../store/source.ts";
import { errorText } from "../lib/errors.ts";
import type { ApiClient } from "./client.ts";
import { ApiFailure, toFailure } from "./failure.ts";
import { Intake } from "./intake.ts";
import type { ListIntake, Trim } from "./intake.ts";
import { backoffMs } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { listAll } from "./list.ts";
import { resourceText, resourceUrl } from "./resources.ts";
import type { Resource } from "./resources.ts";
import { sleep } from "./sleep.ts";
import type { StartGate } from "./start-gate.ts";
import { runWatch } from "./watch.ts";
import type { WatchEnd } from "./watch.ts";
import type { WatchEvent } from "./watch-events.ts";

/** The agent's logger is one. */
export interface SourceLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What was found out about a server, by its address; shared by all reflectors. */
export interface ServerTraits {
  readonly withoutWatchList: Set<string>;
}

export interface ReflectorOptions {
  readonly resource: Resource;
  readonly client: ApiClient;
  readonly trim: Trim;
  readonly sink: ChangeSink;
  readonly traits: ServerTraits;
  readonly limits: Limits;
  readonly now: () => number;
  readonly random: () => number;
  readonly log: SourceLog;
  /** Bounds how many first reads run at once; null: no bound. */
  readonly gate: StartGate | null;
  /** Bytes came. */
  readonly onLife: () => void;
  /** The watch goes on after something went wrong: the server may have gone back to an older state meanwhile. */
  readonly onDoubt: () => void;
  /** `trouble` or `synced` may have changed; also told at each further failure. */
  readonly onState: () => void;
  /** Whose place this one takes: its refusals end when everything is read. null: nobody's. */
  readonly successorOf: Reflector | null;
}

export interface ReflectorTrouble {
  readonly failure: ApiFailure;
  readonly since: number;
}

export class Reflector {
  readonly resource: Resource;
  readonly #options: ReflectorOptions;
  readonly #intake: Intake;
  readonly #aborter = new AbortController();
  #running: Promise<void> | null = null;
  /** The watch continues after it; null: the resource is to be read anew. Opaque. */
  #resourceVersion: string | null = null;
  /** When the watch of this round was answered, in milliseconds since 1970. */
  #openedAt: number | null = null;
  /** What ends the watch of this round to read everything anew. */
  #restart = new AbortController();
  /** How long the watch of this round may last, as it was asked for. */
  #askedMs = 0;
  #doubtful = false;
  #failures = 0;
  /** Server errors since the last event. */
  #serverErrors = 0;
  #trouble: ReflectorTrouble | null = null;
  #synced = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.resource = options.resource;
    const { resource, trim, successorOf } = options;
    this.#intake = new Intake(resource, trim, successorOf === null ? null : successorOf.#intake);
  }

  /** The resource was read whole once. */
  get synced(): boolean {
    return this.#synced;
  }

  get trouble(): ReflectorTrouble | null {
    return this.#trouble;
  }

  /** What the watch continues from; null while nothing is read. */
  get version(): string | null {
    return this.#resourceVersion;
  }

  /** Forgets the version: whatever runs ends, and the resource is read whole. */
  readAnew(): void {
    this.#resourceVersion = null;
    this.#restart.abort();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#aborter.abort();
    await this.#running;
  }

  /** Tells the sink that the resource is gone from our sight. After `stop`. */
  forget(): void {
    try {
      this.#tell(this.#intake.forget());
    } catch {
      // Logged by #tell; there is no reading anew for what is not read any more.
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#aborter;
    while (!signal.aborted) {
      this.#openedAt = null;
      const restart = this.#beginRound();
      let end: WatchEnd;
      try {
        end = await this.#round();
      } catch (error) {
        end = { kind: "failed", failure: toFailure(error) };
      } finally {
        signal.removeEventListener("abort", restart);
      }
      if (signal.aborted) return;
      if (this.#restart.signal.aborted) {
        this.#resourceVersion = null;
        continue;
      }
      const waitMs = this.#afterRound(end, this.#openedAt === null ? 0 : this.#options.now() - this.#openedAt);
      if (waitMs > 0) await sleep(waitMs, signal);
    }
  }

  /** The round ends when the reflector stops, and when `readAnew` is called. Gives the listener to take off again. */
  #beginRound(): () => void {
    const restart = new AbortController();
    this.#restart = restart;
    const end = (): void => restart.abort();
    this.#aborter.signal.addEventListener("abort", end);
    if (this.#aborter.signal.aborted) end();
    return end;
  }

  /** One watch, with the first read before or in it where there is nothing to continue from. */
  async #round(): Promise<WatchEnd> {
    if (this.#resourceVersion !== null) return this.#watchFrom(this.#resourceVersion);
    const release = await this.#options.gate?.enter(this.#restart.signal);
    try {
      if (!this.#options.traits.withoutWatchList.has(this.#options.client.connection.server)) {
        return await this.#watchWithInitialEvents(() => release?.());
      }
      await this.#list();
    } finally {
      release?.();
    }
    return this.#resourceVersion === null ? { kind: "closed" } : this.#watchFrom(this.#resourceVersion);
  }

  async #list(): Promise<void> {
    const { client, limits, resource } = this.#options;
    let intake: ListIntake = this.#intake.beginList();
    const resourceVersion = await listAll({
      client,
      resource,
      limits,
      signal: this.#restart.signal,
      onBegin: () => {
        intake = this.#intake.beginList();
      },
      onItem: (raw) => intake.add(raw),
    });
    this.#options.onLife();
    this.#completeRead(intake, resourceVersion);
  }

  #completeRead(intake: ListIntake, resourceVersion: string): void {
    // First the version, then the sink: when the sink throws, #tell forgets the version again.
    this.#resourceVersion = resourceVersion;
    // Read whole, it is what the server has now, whatever that was before.
    this.#doubtful = false;
    this.#tell(intake.end());
    this.#options.log.debug("Resource read", { resource: resourceText(this.resource) });
    if (this.#synced) return;
    this.#synced = true;
    this.#options.onState();
  }

  async #watchWithInitialEvents(onRead: () => void): Promise<WatchEnd> {
    const intake = this.#intake.beginList();
    let initial = true;
    const { client, traits } = this.#options;
    const server = client.connection.server;
    const end = await this.#watch(
      { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" },
      true,
      (events) => {
        const last = initial ? events.findIndex((event) => event.kind === "bookmark" && event.initialEnd) : -1;
        const first = events.slice(0, last === -1 ? events.length : last + 1);
        if (!initial) return this.#takeEvents(events);
        for (const event of first) if (event.kind === "changed") intake.add(event.object);
        const bookmark = events[last];
        if (bookmark === undefined) return undefined;
        initial = false;
        this.#completeRead(intake, bookmark.resourceVersion);
        this.#proved();
        onRead();
        return this.#takeEvents(events.slice(last + 1));
      },
    );
    if (initial && end.kind === "failed" && speaksAgainstWatchList(end.failure)) {
      traits.withoutWatchList.add(server);
      this.#options.log.info("API server has no streaming lists, using pages", { reason: end.failure.message });
      return { kind: "closed" };
    }
    return end;
  }

  async #watchFrom(resourceVersion: string): Promise<WatchEnd> {
    const { proofMs } = this.#options.limits;
    let proof: NodeJS.Timeout | undefined;
    try {
      return await this.#watch(
        { resourceVersion },
        false,
        (events) => {
          this.#proved();
          this.#takeEvents(events);
        },
        () => {
          proof = setTimeout(() => this.#proved(), proofMs);
          if (this.#doubtful) this.#options.onDoubt();
          this.#doubtful = false;
        },
      );
    } finally {
      clearTimeout(proof);
    }
  }

  #watch(
    parameters: Readonly<Record<string, string>>,
    initial: boolean,
    onEvents: (events: readonly WatchEvent[]) => void,
    onOpen: () => void = () => {},
  ): Promise<WatchEnd> {
    const { client, limits, now, random, onLife } = this.#options;
    const seconds = Math.round(limits.watchSMin + random() * (limits.watchSMax - limits.watchSMin));
    this.#askedMs = seconds * 1000;
    const query = { watch: "1", allowWatchBookmarks: "true", timeoutSeconds: String(seconds), ...parameters };
    return runWatch({
      client,
      limits,
      initial,
      path: resourceUrl(this.resource, query),
      kind: this.resource.kind,
      signal: this.#restart.signal,
      onOpen: () => {
        this.#openedAt = now();
        onOpen();
      },
      onEvents: (events) => {
        onLife();
        onEvents(events);
      },
    });
  }

  #takeEvents(events: readonly WatchEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    this.#serverErrors = 0;
    this.#resourceVersion = last.resourceVersion;
    this.#tell(events.flatMap((event) => this.#intake.takeEvent(event)));
  }

  /** The sink's mistakes are not the server's: they are logged, and the resource is read anew. */
  #tell(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    try {
      this.#options.sink(changes);
    } catch (error) {
      this.#options.log.error("Changes were not taken", {
        resource: resourceText(this.resource),
        error: errorText(error),
      });
      this.#resourceVersion = null;
      throw new ApiFailure("aborted", `changes of ${resourceText(this.resource)} were not taken: ${errorText(error)}`, {
        cause: error,
      });
    }
  }

  /** Says how long to wait, in milliseconds, and what to begin with after. */
  #afterRound(end: WatchEnd, livedMs: number): number {
    const { limits, random } = this.#options;
    const steady = livedMs >= limits.steadyMs;
    if (steady) this.#failures = 0;
    this.#doubtful ||= end.kind !== "closed" || livedMs < this.#askedMs - limits.earlyMs;
    if (end.kind !== "failed") {
      // Nothing was read: the fall-back from WatchList, which begins at once.
      if (this.#resourceVersion === null) return 0;
      // A server that ends each watch right away is not hammered.
      return steady ? 0 : backoffMs(++this.#failures, limits, random);
    }
    const { failure } = end;
    this.#failures++;
    if (isServerError(failure)) this.#serverErrors++;
    // A server that cannot continue from this version may still be able to say everything.
    if (startsAnew(failure) || this.#serverErrors >= 3) {
      this.#resourceVersion = null;
      this.#serverErrors = 0;
    }
    // One lost connection after a good while is no trouble yet, and an expired version never is: the next try tells.
    const excused = (steady && failure.code === "apiserver-unreachable") || failure.status === 410;
    if (!excused || this.#failures > 1) this.#setTrouble(failure);
    const askedMs = Math.min(failure.retryAfterMs ?? 0, limits.retryAfterMsMax);
    if (failure.status === 410 && this.#failures === 1) return askedMs;
    return Math.max(askedMs, backoffMs(this.#failures, limits, random));
  }

  #setTrouble(failure: ApiFailure): void {
    const { log, now, onState } = this.#options;
    const before = this.#trouble;
    this.#trouble = { failure, since: before?.since ?? now() };
    const fields = { resource: resourceText(this.resource), error: failure.message };
    if (before === null) log.warn("Resource cannot be read", fields);
    else log.debug("Resource still cannot be read", fields);
    onState();
  }

  /** A watch works: whatever was wrong is over. */
  #proved(): void {
    if (this.#trouble === null) return;
    this.#trouble = null;
    this.#options.log.info("Resource can be read again", { resource: resourceText(this.resource) });
    this.#options.onState();
  }
}

/** What was read before cannot be continued: the version is too old or unknown, or something may have been missed. */
function startsAnew(failure: ApiFailure): boolean {
  if (failure.code === "apiserver-garbage") return true;
  // 504 also says "too large resource version": a server restored from a backup.
  return failure.status === 400 || failure.status === 410 || failure.status === 504;
}

/** Not 503: that one says to come again, and nothing about the version. */
function isServerError(failure: ApiFailure): boolean {
  return failure.status !== null && failure.status >= 500 && failure.status !== 503;
}

/** Anything but what would hit a list just the same. */
function speaksAgainstWatchList(failure: ApiFailure): boolean {
  if (failure.code === "apiserver-garbage") return true;
  if (failure.code !== "apiserver-refused") return false;
  return ![401, 403, 404, 410, 429, 502, 503].includes(failure.status ?? 0);
}
