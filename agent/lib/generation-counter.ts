// The counter behind every generation. Strictly increasing, also over restarts and crashes; never the clock.

import { readFileIfThere, writeFileAtomic } from "./files.ts";
import { AgentError, errorText } from "./errors.ts";

/** How many numbers one write to the disk reserves. A crash skips at most that many. */
const RESERVE = 10_000;

/**
 * Numbers are handed out from a block that is reserved on disk beforehand, so that `next` never waits for the disk:
 * the next block is reserved while half of this one is left.
 */
export class GenerationCounter {
  readonly #path: string;
  #last: number;
  #ceiling: number;
  #reserving: Promise<void> | null = null;
  #failed: AgentError | null = null;

  private constructor(path: string, last: number) {
    this.#path = path;
    this.#last = last;
    this.#ceiling = last;
  }

  /** Opens the counter kept in `path`; a missing file starts at 0, an unreadable one throws `state-unwritable`. */
  static async open(path: string): Promise<GenerationCounter> {
    const text = await readFileIfThere(path);
    const last = text === null ? 0 : Number(text.trim());
    if (!Number.isSafeInteger(last) || last < 0) {
      throw new AgentError("state-unwritable", `cannot read the generation counter: ${path}: not a number`, {
        hint: "Put a number into it that is higher than the generation `headgate status` shows.",
      });
    }
    const counter = new GenerationCounter(path, last);
    await counter.#reserve();
    return counter;
  }

  /** The next generation. Throws `state-unwritable` when the reserve is used up and the disk refuses another. */
  next(): number {
    if (this.#last >= this.#ceiling) {
      throw this.#failed ?? new AgentError("state-unwritable", "cannot number a change: no reserve of generations");
    }
    this.#last += 1;
    if (this.#ceiling - this.#last < RESERVE / 2) void this.#reserve().catch(() => undefined); // kept in #failed
    return this.#last;
  }

  /** Goes past `seen`, a generation that somebody already holds. */
  async raisePast(seen: number): Promise<void> {
    if (seen <= this.#last) return;
    this.#last = seen;
    if (this.#ceiling - this.#last < RESERVE / 2) await this.#reserve();
  }

  /** The generation handed out last. */
  get current(): number {
    return this.#last;
  }

  #reserve(): Promise<void> {
    this.#reserving ??= this.#write().finally(() => {
      this.#reserving = null;
    });
    return this.#reserving;
  }

  async #write(): Promise<void> {
    const ceiling = this.#last + RESERVE;
    try {
      await writeFileAtomic(this.#path, `${ceiling}\n`);
      this.#ceiling = Math.max(this.#ceiling, ceiling);
      this.#failed = null;
    } catch (error) {
      this.#failed = new AgentError(
        "state-unwritable",
        `cannot reserve generations: ${this.#path}: ${errorText(error)}`,
        { cause: error, hint: "Free space or mend the rights of the state directory." },
      );
      throw this.#failed;
    }
  }
}
