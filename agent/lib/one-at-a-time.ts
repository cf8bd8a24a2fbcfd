// Tasks one after the other, and not too many of them.

/** Runs tasks in the order in which they came. */
export class OneAtATime {
  readonly #most: number;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `most`: how many may run and wait. */
  constructor(most: number) {
    this.#most = most;
  }

  /** What the task gives or throws; null where too many are there already: then it does not run. */
  run<T>(task: () => Promise<T>): Promise<T> | null {
    if (this.#count >= this.#most) return null;
    this.#count++;
    const own = this.#last.then(task).finally(() => this.#count--);
    this.#last = own.catch(() => undefined);
    return own;
  }
}
