// The addresses of this machine, which endpoints must not have. They change: a virtual IP comes and goes.

import { networkInterfaces } from "node:os";

const EVERY_MS = 10_000;

export class HostAddresses {
  #addresses: readonly string[] = read();
  #timer: NodeJS.Timeout | null = null;

  get all(): readonly string[] {
    return this.#addresses;
  }

  /** Looks again now and then; `onChange` is told when they differ. */
  start(onChange: () => void): void {
    this.#timer = setInterval(() => {
      const now = read();
      if (now.join() === this.#addresses.join()) return;
      this.#addresses = now;
      onChange();
    }, EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}

function read(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((all) => (all ?? []).map(({ address }) => address))
    .toSorted();
}
