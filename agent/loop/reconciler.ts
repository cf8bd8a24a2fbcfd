// The loop: dirty keys → build → plan → push. What it does is decided by the pure rooms; when it does it stands here.
//
// No timer stands between a change and its push while nothing is in flight. Changes that come during a push are taken
// together by the next round. Every doubt (a failed push, a new epoch, a restart of nginx) ends in an audit: the truth
// is asked for, and what differs is planned again.

import type { DocumentsLane } from "../apply/documents-lane.ts";
import type { HealthRegistry } from "../health/registry.ts";
import { errorText } from "../lib/errors.ts";
import type { GenerationCounter } from "../lib/generation-counter.ts";
import type { Logger } from "../lib/log.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import type { DataPlane, DataPlaneState } from "../nginx/data-plane.ts";
import { type DocumentId, planDocuments } from "../plan/plan-documents.ts";
import { SCHEMA } from "../render/documents.ts";
import type { EdgeBuilder } from "./edge-builder.ts";
import { tellFull, tellMemory, tellProblems } from "./tell-state.ts";

/** How long a document stays after nothing names it any more. */
const GRACE_MS = 10_000;
const AUDIT_EVERY_MS = 30_000;
/** A round that lasts longer is stuck: /healthz says so. Every call of it has a limit below this. */
const ROUND_MS_MAX = 60_000;
const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 2_000;

export interface ReconcilerOptions {
  readonly builder: EdgeBuilder;
  readonly takeDirty: () => readonly DirtyKey[];
  /** Nothing is built before this is true: an object that is not known yet would look like one that is gone. */
  readonly mayBuild: () => boolean;
  /** The source has spoken: what is built is not from the snapshot alone. */
  readonly isFresh: () => boolean;
  /** Generation of the snapshot that was loaded, 0 for none. */
  readonly snapshotGeneration: number;
  readonly lane: DocumentsLane;
  readonly dataPlane: DataPlane;
  readonly counter: GenerationCounter;
  readonly health: HealthRegistry;
  readonly log: Logger;
  readonly now: () => number;
  /** Told after each push that changed something; `stricterAt` as for the snapshot writer. */
  readonly onApplied: (stricterAt: number | null) => void;
}

export interface ReconcilerFacts {
  /** Highest generation that the data plane confirmed; null before the first. */
  readonly generation: number | null;
  readonly appliedAt: number | null;
  readonly pushes: number;
  readonly documents: number;
  /** The data plane has taken everything that was wanted, once since the start. */
  readonly verified: boolean;
  readonly state: DataPlaneState | null;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  /** Documents to look at in the next round. */
  readonly #touched = new Set<DocumentId>();
  /** Documents that were not taken and get another try by themselves: they hold up no others. */
  readonly #postponed = new Set<DocumentId>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #roundSince: number | null = null;
  #woken = false;
  /** There is a data plane to push to. */
  #begun = false;
  #auditDue = true;
  #backoffMs = BACKOFF_MS;
  #retry: NodeJS.Timeout | null = null;
  #grace: NodeJS.Timeout | null = null;
  #postponing: NodeJS.Timeout | null = null;
  #soon: NodeJS.Timeout | null = null;
  #audits: NodeJS.Timeout | null = null;
  #stricter = false;
  /** The data plane knows more than the snapshot we started from: it is left alone until the source has spoken. */
  #behind = false;
  #facts: ReconcilerFacts = {
    generation: null,
    appliedAt: null,
    pushes: 0,
    documents: 0,
    verified: false,
    state: null,
  };

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  get facts(): ReconcilerFacts {
    return this.#facts;
  }

  /** How long the round that runs is stuck, in milliseconds; null while the loop is alive. */
  stuckMs(): number | null {
    if (this.#roundSince === null) return null;
    const runs = this.#options.now() - this.#roundSince;
    return runs > ROUND_MS_MAX ? runs : null;
  }

  /** Begins. What woke it before, while nginx came up, is done now. */
  start(): void {
    this.#begun = true;
    // What a snapshot says was applied may be wanted no more: each is looked at once.
    for (const id of this.#options.lane.applied.keys()) this.#touched.add(id);
    this.#audits = setInterval(() => this.audit(), AUDIT_EVERY_MS);
    this.wake();
  }

  /** Something is dirty. Starts a round unless one runs; that one will see it. */
  wake(): void {
    this.#woken = true;
    if (!this.#begun || this.#stopping.signal.aborted || this.#running !== null || this.#retry !== null) return;
    this.#running = this.#rounds().finally(() => {
      this.#running = null;
      this.#roundSince = null;
      if (this.#woken) this.wake();
    });
  }

  /** Builds keys anew that no object dirtied: what depends on the time of day. */
  rebuild(keys: readonly DirtyKey[]): void {
    this.build(keys);
    this.wake();
  }

  /** Builds keys without pushing them yet. */
  build(keys: readonly DirtyKey[]): void {
    for (const key of keys) this.#build(key);
  }

  /** Asks for the truth before the next round, and wakes. Ends a back-off: called when nginx serves again. */
  audit(): void {
    this.#auditDue = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const timer of [this.#retry, this.#grace, this.#postponing, this.#soon])
      if (timer !== null) clearTimeout(timer);
    if (this.#audits !== null) clearInterval(this.#audits);
    await this.#running;
  }

  async #rounds(): Promise<void> {
    try {
      do {
        this.#woken = false;
        this.#roundSince = this.#options.now();
        await this.#round();
      } while (!this.#stopping.signal.aborted && this.#woken);
      this.#backoffMs = BACKOFF_MS;
      this.#options.health.clear("push-failing");
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#failed(error);
    }
  }

  async #round(): Promise<void> {
    const { mayBuild, takeDirty } = this.#options;
    const built = mayBuild();
    if (built) for (const key of takeDirty()) this.#build(key);
    if (this.#auditDue) await this.#audit();
    if (built) await this.#push();
    // It became true during the audit: what is not built yet must not be taken for what nobody wants.
    else if (mayBuild()) this.#woken = true;
  }

  #build(key: DirtyKey): void {
    try {
      const { ids, stricter } = this.#options.builder.build(key);
      for (const id of ids) this.#touched.add(id);
      this.#stricter ||= stricter;
    } catch (error) {
      // A fault of ours. It costs this key alone, which stays as it was.
      this.#options.log.error("Cannot build", { key, error: errorText(error) });
    }
  }

  async #push(): Promise<void> {
    if (this.#behind && !this.#options.isFresh()) {
      this.#facts = { ...this.#facts, verified: true };
      return;
    }
    const ids = [...this.#touched];
    if (ids.length > 0) {
      const stricter = this.#stricter;
      // Before the push: what is built while it is in flight (`rebuild`) is touched anew.
      this.#touched.clear();
      this.#stricter = false;
      try {
        await this.#send(ids, stricter);
      } catch (error) {
        for (const id of ids) this.#touched.add(id);
        this.#stricter ||= stricter;
        throw error;
      }
    }
    this.#facts = { ...this.#facts, verified: true };
  }

  async #send(ids: readonly DocumentId[], stricter: boolean): Promise<void> {
    const { lane, builder, counter, now, log } = this.#options;
    lane.forgive((id) => builder.wanted.get(id)?.text);
    const plan = planDocuments({
      ids,
      wanted: builder.wanted,
      applied: lane.applied,
      retiring: lane.retiring,
      refused: lane.refusedTexts(),
      generation: counter.next(),
      now: now(),
      graceMs: GRACE_MS,
    });
    if (plan.lines.length > 0) {
      const outcome = await lane.push(plan.lines, this.#stopping.signal);
      this.#count(outcome.confirmed);
      for (const { id, message } of outcome.refused)
        log.error("Data plane refused a document", { id, reason: message });
      await counter.raisePast(outcome.heldGeneration);
      if (outcome.outOfMemory) tellFull(this.#options.health);
      this.#postpone(outcome.again);
    }
    lane.keepRetiring(plan);
    this.#armGrace();
    if (plan.lines.length > 0) this.#options.onApplied(stricter ? counter.current : null);
  }

  async #audit(): Promise<void> {
    const { dataPlane, lane, counter, health, log } = this.#options;
    const { signal } = this.#stopping;
    // First: an audit that is asked for while this one looks is due after it. One that fails is due again.
    this.#auditDue = false;
    const state = await dataPlane.state(signal);
    if (state.schema !== SCHEMA) {
      throw new Error(
        `the data plane speaks schema ${state.schema}, this agent ${SCHEMA}: install one version of both`,
      );
    }
    await counter.raisePast(state.generation);
    if (this.#facts.pushes === 0) this.#behind = state.generation > this.#options.snapshotGeneration;
    if (!lane.agrees(state)) {
      const differing = await lane.audit(signal);
      for (const id of differing) this.#touched.add(id);
      if (this.#facts.state !== null && differing.length > 0) {
        log.warn("Data plane differed", { documents: differing.length, epoch: state.epoch });
      }
    }
    const asked = lane.askAgain(state);
    for (const id of asked) this.#touched.add(id);
    if (asked.length > 0) this.#auditSoon();
    this.#facts = { ...this.#facts, state, generation: Math.max(state.generation, this.#facts.generation ?? 0) };
    tellMemory(health, state);
    tellProblems(health, state);
  }

  #count(confirmed: number): void {
    this.#facts = {
      ...this.#facts,
      generation: this.#options.counter.current,
      appliedAt: this.#options.now(),
      pushes: this.#facts.pushes + 1,
      documents: this.#facts.documents + confirmed,
    };
  }

  #postpone(ids: readonly DocumentId[]): void {
    if (ids.length === 0) return;
    this.#options.log.warn("Documents were not taken", { documents: ids.length, first: ids[0] });
    for (const id of ids) this.#postponed.add(id);
    this.#postponing ??= setTimeout(() => {
      this.#postponing = null;
      for (const id of this.#postponed) this.#touched.add(id);
      this.#postponed.clear();
      this.wake();
    }, BACKOFF_MS_MAX);
  }

  #auditSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.audit();
    }, BACKOFF_MS_MAX);
  }

  #failed(error: unknown): void {
    const { health, log } = this.#options;
    this.#woken = false;
    log.warn("Cannot push", { error: errorText(error), nextTryMs: this.#backoffMs });
    health.set({
      code: "push-failing",
      subject: "",
      severity: "error",
      message: `the data plane does not take documents: ${errorText(error)}`,
      hint: "nginx serves what it had. Look at `headgate status` for nginx, and at its error log.",
    });
    this.#auditDue = true;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.wake();
    }, this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
  }

  /** Wakes when the first grace is over. */
  #armGrace(): void {
    const { lane, now } = this.#options;
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = null;
    const first = Math.min(...lane.retiring.values());
    if (!Number.isFinite(first)) return;
    this.#grace = setTimeout(
      () => {
        for (const [id, due] of lane.retiring) if (due <= now()) this.#touched.add(id);
        if (this.#touched.size > 0) this.wake();
        else this.#armGrace();
      },
      Math.max(1, first - now()),
    );
  }
}
