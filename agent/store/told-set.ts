// A set that somebody is told of, each time that it is another one.

export class ToldSet {
  readonly #tell: (set: ReadonlySet<string>) => void;
  #told: ReadonlySet<string> = new Set();

  constructor(tell: (set: ReadonlySet<string>) => void) {
    this.#tell = tell;
  }

  offer(set: ReadonlySet<string>): void {
    if (set.size === this.#told.size && [...set].every((entry) => this.#told.has(entry))) return;
    this.#told = set;
    this.#tell(set);
  }
}
