// Writes what is wrong with objects as Events, once each, with the fix. In: what each round of the loop found new and
// gone. Out: POSTs, few and slow. Nothing waits for it, and whatever the server answers costs only the Events.

import { errorText } from "../lib/errors.ts";
import { type ObjectRef, refKey } from "../objects/objects.ts";
import type { ApiClient } from "./client.ts";
import { EventBook } from "./event-book.ts";
import type { ObjectRemark, Page } from "./event-book.ts";
import { eventBody, eventsPath, namespaceOf, validOf, warningOf } from "./event-body.ts";
import type { EventGroup, EventText, Subject } from "./event-body.ts";
import { toFailure } from "./failure.ts";
import type { ApiFailure } from "./failure.ts";
import { backoffMs } from "./limits.ts";
import type { Limits } from "./limits.ts";
import type { SourceLog } from "./reflector.ts";
import { sleep } from "./sleep.ts";

export interface EventWriterOptions {
  readonly client: ApiClient;
  readonly limits: Limits;
  /** Name of this edge, for reportingInstance. */
  readonly edge: string;
  /** The uid that an object has now; null: there is no such object. */
  readonly uidOf: (ref: ObjectRef) => string | null;
  readonly now: () => number;
  readonly random: () => number;
  readonly log: SourceLog;
  /** Told when writing is refused somewhere, or nowhere any more (null). */
  readonly onRefused: (refused: RefusedEvents | null) => void;
}

export interface RefusedEvents {
  readonly namespaces: readonly string[];
  readonly message: string;
  readonly hint: string;
}

interface Parked {
  readonly refs: Map<string, ObjectRef>;
  readonly message: string;
  readonly timer: NodeJS.Timeout;
}

/** Namespaces that say no before it counts for all. */
const REFUSED_MAX = 3;

export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #book = new EventBook();
  /** Objects to look at, in the order of their time. */
  readonly #pending = new Map<string, { readonly ref: ObjectRef; readonly due: number }>();
  /** Objects of namespaces where Events are refused, until they are tried again. */
  readonly #parked = new Map<string, Parked>();
  /** Names of Events that are there, and since when: not written again while the server keeps them. */
  readonly #written = new Map<string, number>();
  /** By uid: how often the object was told to be valid again. */
  readonly #rounds = new Map<string, number>();
  readonly #mending = new Set<NodeJS.Timeout>();
  readonly #aborter = new AbortController();
  #group: EventGroup = "events.k8s.io";
  #tokens: number;
  #tokensAt: number;
  #started = false;
  #running: Promise<void> | null = null;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#tokens = options.limits.eventsBurst;
    this.#tokensAt = options.now();
  }

  /** Begins to write. Before, it only takes notes: what comes from a snapshot may be long mended. */
  start(): void {
    this.#started = true;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#aborter.abort();
    for (const { timer } of this.#parked.values()) clearTimeout(timer);
    for (const timer of this.#mending) clearTimeout(timer);
    await this.#running;
    this.#options.client.close();
  }

  /** What was wrong in one place, and what is now. Cheap where they are the same. */
  note(before: readonly ObjectRemark[], after: readonly ObjectRemark[]): void {
    if (before.length === 0 && after.length === 0) return;
    for (const ref of this.#book.change(before, after)) {
      const page = this.#book.page(ref);
      if (page?.remarks.size === 0) page.mendedAt = this.#options.now();
      this.#enqueue(ref);
    }
    this.#wake();
  }

  #enqueue(ref: ObjectRef): void {
    const { limits, now } = this.#options;
    const key = refKey(ref);
    if (this.#pending.has(key)) return;
    const parked = this.#parkedFor(namespaceOf(ref));
    const queue = parked?.refs ?? this.#pending;
    // Beyond the bound `status` still says it; the Event comes when something about the object changes again.
    if (queue.size >= limits.eventsPendingMax) return;
    if (parked !== undefined) parked.refs.set(key, ref);
    // Objects of one `kubectl apply` come one after the other: what is wrong in between is not worth an Event.
    else this.#pending.set(key, { ref, due: now() + limits.eventsSettleMs });
  }

  #wake(): void {
    if (!this.#started || this.#running !== null || this.#pending.size === 0 || this.#aborter.signal.aborted) return;
    this.#running = this.#run()
      .catch((error: unknown) => this.#options.log.error("Writing Events failed", { error: errorText(error) }))
      .finally(() => {
        this.#running = null;
        this.#wake();
      });
  }

  async #run(): Promise<void> {
    const { limits, now, random } = this.#options;
    const { signal } = this.#aborter;
    let failures = 0;
    for (;;) {
      const [next] = this.#pending;
      if (signal.aborted) return;
      if (next === undefined) return this.#tellRefused();
      const [key, { ref, due }] = next;
      if (due > now()) {
        await sleep(due - now(), signal);
        continue;
      }
      this.#pending.delete(key);
      const failure = await this.#look(ref);
      if (failure === null) {
        failures = 0;
        continue;
      }
      if (signal.aborted) return;
      this.#enqueue(ref);
      const askedMs = Math.min(failure.retryAfterMs ?? 0, limits.retryAfterMsMax);
      await sleep(Math.max(askedMs, backoffMs(++failures, limits, random)), signal);
    }
  }

  /** Writes what is new about one object. Gives the failure after which it is to be looked at again. */
  async #look(ref: ObjectRef): Promise<ApiFailure | null> {
    const page = this.#book.page(ref);
    if (page === undefined) return null;
    const uid = this.#options.uidOf(ref);
    if (uid !== page.uid) page.told.clear();
    page.uid = uid;
    try {
      if (uid !== null) await this.#writePage(page, { ref, uid, round: this.#rounds.get(uid) ?? 0 });
      this.#book.close(page);
      return null;
    } catch (thrown) {
      return toFailure(thrown);
    }
  }

  async #writePage(page: Page, subject: Subject): Promise<void> {
    for (const [id, { remark }] of page.remarks) {
      if (page.told.has(id)) continue;
      if (!(await this.#write(subject, warningOf(subject, remark)))) return;
      page.told.add(id);
    }
    if (page.remarks.size > 0 || page.told.size === 0) return;
    const { limits, now } = this.#options;
    // The more often it came and went, the longer it must stay away: what flaps is not worth two Events each time.
    const staysMs = Math.min(limits.eventsSettleMs * 4 ** subject.round, limits.eventsKeptMs);
    const leftMs = page.mendedAt + staysMs - now();
    if (leftMs > 0) return this.#later(subject.ref, leftMs);
    if (!(await this.#write(subject, validOf(subject, page.told)))) return;
    page.told.clear();
    remember(this.#rounds, subject.uid, subject.round + 1, limits.eventsWrittenMax);
  }

  #later(ref: ObjectRef, ms: number): void {
    const timer = setTimeout(() => {
      this.#mending.delete(timer);
      this.#enqueue(ref);
      this.#wake();
    }, ms).unref();
    this.#mending.add(timer);
  }

  /** False: refused in this namespace, parked until later. Throws what may be better the next time. */
  async #write(subject: Subject, text: EventText): Promise<boolean> {
    const { limits, now } = this.#options;
    const namespace = namespaceOf(subject.ref);
    if (now() - (this.#written.get(text.name) ?? Number.NEGATIVE_INFINITY) < limits.eventsKeptMs) return true;
    if (this.#parkedFor(namespace) !== undefined) {
      this.#enqueue(subject.ref);
      return false;
    }
    await this.#token();
    try {
      await this.#post(subject, text);
    } catch (thrown) {
      const failure = toFailure(thrown);
      if (isForbidden(failure)) {
        this.#park(namespace, failure, subject.ref);
        return false;
      }
      if (!isDone(failure)) throw failure;
      if (failure.status !== 409) {
        this.#options.log.debug("Event was not taken", { event: text.name, error: failure.message });
      }
    }
    remember(this.#written, text.name, now(), limits.eventsWrittenMax);
    this.#tellRefused();
    return true;
  }

  async #post(subject: Subject, text: EventText): Promise<void> {
    const { client, edge, limits, now } = this.#options;
    const namespace = namespaceOf(subject.ref);
    const post = (group: EventGroup): Promise<void> =>
      client.postJson(eventsPath(group, namespace), eventBody(group, text, { subject, edge, at: now() }), {
        signal: this.#aborter.signal,
        msMax: limits.answerMsMax,
      });
    try {
      await post(this.#group);
    } catch (thrown) {
      // Either the group or the namespace is not there: the core group tells which.
      if (this.#group === "core" || toFailure(thrown).status !== 404) throw thrown;
      await post("core");
      this.#group = "core";
    }
  }

  /** Waits until the bucket has a token, and takes it. */
  async #token(): Promise<void> {
    const { limits, now } = this.#options;
    for (;;) {
      const passed = now() - this.#tokensAt;
      this.#tokens = Math.min(limits.eventsBurst, this.#tokens + passed / limits.eventEveryMs);
      this.#tokensAt = now();
      if (this.#tokens >= 1) break;
      await sleep(Math.ceil((1 - this.#tokens) * limits.eventEveryMs), this.#aborter.signal);
      this.#aborter.signal.throwIfAborted();
    }
    this.#tokens--;
  }

  /** Where this namespace waits. Refused in some, and never taken in any: then the others need not be tried. */
  #parkedFor(namespace: string): Parked | undefined {
    const own = this.#parked.get(namespace);
    if (own !== undefined || this.#written.size > 0 || this.#parked.size < REFUSED_MAX) return own;
    return this.#parked.values().next().value;
  }

  #park(namespace: string, failure: ApiFailure, ref: ObjectRef): void {
    const timer = setTimeout(() => this.#unpark(namespace), this.#options.limits.eventsRefusedMs).unref();
    this.#parked.set(namespace, { refs: new Map([[refKey(ref), ref]]), message: failure.message, timer });
    this.#tellRefused();
  }

  #unpark(namespace: string): void {
    const parked = this.#parked.get(namespace);
    this.#parked.delete(namespace);
    for (const ref of parked?.refs.values() ?? []) this.#enqueue(ref);
    this.#wake();
  }

  #tellRefused(): void {
    const { client, onRefused } = this.#options;
    const [first] = this.#parked;
    if (first === undefined) return onRefused(null);
    const [namespace, { message }] = first;
    const kubectl = `kubectl ${client.connection.kubectlFlags}`.trim();
    onRefused({
      namespaces: [...this.#parked.keys()],
      message,
      hint:
        "Give the ClusterRole of Headgate's user the verb create on events.events.k8s.io, or set " +
        "`source.kubernetes.events: false`; " +
        `test it with \`${kubectl} auth can-i create events.events.k8s.io -n ${namespace}\`.`,
    });
  }
}

/** Keeps the newest of a bounded map. */
function remember(map: Map<string, number>, key: string, value: number, max: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}

/** RBAC says no. A namespace that is being deleted says 403 too, but that is no right that is missing. */
function isForbidden({ status, message }: ApiFailure): boolean {
  return status === 403 && !/being terminated/.test(message);
}

/** There already, or will never be taken: the same again would meet the same. */
function isDone({ status }: ApiFailure): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 401 && status !== 408 && status !== 429;
}
