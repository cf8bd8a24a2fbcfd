// Nodes, and which Services are asked at them.

import { compareText, type Node } from "../objects/objects.ts";
import { replaceIn } from "./replace-in.ts";

export class NodeIndex {
  readonly #nodes = new Map<string, Node>();
  /** "<namespace>/<service>" */
  readonly #services = new Set<string>();
  /** Builders ask for all of them once for each Service. */
  #sorted: readonly Node[] | null = null;
  #known = false;
  #changed = false;

  /** Puts or (null) removes a Node. */
  set(name: string, node: Node | null): void {
    if (node !== null) this.setKnown();
    if (!replaceIn(this.#nodes, name, node)) return;
    this.#sorted = null;
    this.#changed = true;
  }

  /** From now on those that are not here do not exist; before, nobody has read them. */
  setKnown(): void {
    this.#changed ||= !this.#known;
    this.#known = true;
  }

  /** Sorted by name; null: they were not read yet. */
  known(): readonly Node[] | null {
    return this.#known ? this.all() : null;
  }

  all(): readonly Node[] {
    this.#sorted ??= [...this.#nodes.values()].sort((a, b) => compareText(a.meta.name, b.meta.name));
    return this.#sorted;
  }

  /** Whether a Service is asked at its port on the nodes. */
  note(service: string, atNodes: boolean): void {
    if (atNodes) this.#services.add(service);
    else this.#services.delete(service);
  }

  /** Services to build anew for what changed since the last call. However many Nodes changed, each once. */
  takeChanged(): Iterable<string> {
    if (!this.#changed) return [];
    this.#changed = false;
    return this.#services;
  }
}
