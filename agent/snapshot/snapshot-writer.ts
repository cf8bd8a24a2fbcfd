// When the snapshot is written: after a quiet second, at the latest ten seconds after a change, and at once when a
// policy got stricter (nginx restarted alone must not open what was closed).

import type { Snapshot } from "./snapshot-files.ts";

const QUIET_MS = 1_000;
const LATEST_MS = 10_000;

export interface SnapshotWriterOptions {
  /** Gives what is to be written now; null while there is nothing yet. */
  readonly take: () => Snapshot | null;
  readonly save: (snapshot: Snapshot, policyFloor: number) => Promise<void>;
  readonly onResult: (error: unknown) => void;
  readonly now: () => number;
}

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  #policyFloor: number;
  #dirtySince: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: SnapshotWriterOptions, policyFloor: number) {
    this.#options = options;
    this.#policyFloor = policyFloor;
  }

  /** Something changed. `stricterAt`: the generation in which a policy got stricter, or null. */
  changed(stricterAt: number | null): void {
    const now = this.#options.now();
    this.#dirtySince ??= now;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (stricterAt !== null) this.#policyFloor = Math.max(this.#policyFloor, stricterAt);
    const waitMs = stricterAt === null ? Math.min(QUIET_MS, Math.max(0, this.#dirtySince + LATEST_MS - now)) : 0;
    this.#timer = setTimeout(() => void this.flush(), waitMs);
  }

  /** Writes now what has changed; resolves when the disk has it, or the failure was told. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Resolves when nothing is being written. */
  flushed(): Promise<void> {
    return this.#writing;
  }

  async #write(): Promise<void> {
    const snapshot = this.#dirtySince === null ? null : this.#options.take();
    if (snapshot === null) return;
    this.#dirtySince = null;
    try {
      await this.#options.save(snapshot, this.#policyFloor);
      this.#options.onResult(null);
    } catch (error) {
      this.#options.onResult(error);
      this.changed(null);
    }
  }
}
