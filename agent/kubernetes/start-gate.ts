// Bounds how many first reads run at one time, so that an edge with hundreds of Secrets does not begin with a burst.

export class StartGate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place; the returned function gives it back, once however often it is called. */
  async enter(signal: AbortSignal): Promise<() => void> {
    while (this.#free === 0 && !signal.aborted) await this.#turn(signal);
    if (signal.aborted) return () => {};
    this.#free--;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#free++;
      this.#waiting.shift()?.();
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const go = (): void => {
      signal.removeEventListener("abort", leave);
      resolve();
    };
    const leave = (): void => {
      const index = this.#waiting.indexOf(go);
      if (index !== -1) this.#waiting.splice(index, 1);
      go();
    };
    signal.addEventListener("abort", leave);
    this.#waiting.push(go);
    return promise;
  }
}
