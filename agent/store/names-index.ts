// Which namespaces have an object of a name.

export class NamesIndex {
  readonly #namespaces = new Map<string, Set<string>>();

  /** Notes that a namespace has one, or has none any more. */
  set(name: string, namespace: string, exists: boolean): void {
    const namespaces = this.#namespaces.get(name) ?? new Set<string>();
    if (exists) namespaces.add(namespace);
    else namespaces.delete(namespace);
    if (namespaces.size === 0) this.#namespaces.delete(name);
    else this.#namespaces.set(name, namespaces);
  }

  /** Sorted. */
  of(name: string): readonly string[] {
    return [...(this.#namespaces.get(name) ?? [])].sort();
  }
}
