// A store and builders that nobody else sees: what objects would give, without touching what runs.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { EdgeBuilder } from "../loop/edge-builder.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import type { ModelSettings, NameAddresses } from "../model/input.ts";
import type { KubernetesObject } from "../objects/objects.ts";
import { Store } from "../store/store.ts";

/** After so long whoever else has work gets a turn: in the agent, pushes wait for nothing here. */
const SLICE_MS = 15;
const PIECE_OBJECTS = 50;

/** Gives others a turn when this one had its share. Throws the reason of `signal` when it is aborted. */
export class Turns {
  readonly #signal: AbortSignal;
  #ends = performance.now() + SLICE_MS;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async next(): Promise<void> {
    if (performance.now() < this.#ends) return;
    await nextTurn();
    this.#signal.throwIfAborted();
    this.#ends = performance.now() + SLICE_MS;
  }
}

/** What a store is made of. */
export interface Held {
  readonly objects: readonly KubernetesObject[];
  readonly settings: ModelSettings;
  /** What is known of DNS names; nothing is asked here. */
  readonly names: ReadonlyMap<string, NameAddresses>;
}

/** A store that holds `objects` and has nothing dirty. */
export async function throwAwayStore({ objects, settings, names }: Held, turns: Turns): Promise<Store> {
  const nothing = (): void => {};
  // Until it is restored it marks nothing dirty.
  const store = new Store({ settings, names, requiredKinds: ["Ingress"], onDirty: nothing, onWantedSecrets: nothing });
  for (let first = 0; first < objects.length; first += PIECE_OBJECTS) {
    const piece = objects.slice(first, first + PIECE_OBJECTS);
    store.apply(piece.map((object) => ({ kind: "put", object })));
    await turns.next();
  }
  store.restore([]);
  store.takeDirty();
  return store;
}

/** Builds these keys, from what the store of its builders has now. Throws what a builder throws. */
export async function buildKeys(builder: EdgeBuilder, keys: Iterable<DirtyKey>, turns: Turns): Promise<EdgeBuilder> {
  for (const key of keys) {
    builder.build(key);
    await turns.next();
  }
  return builder;
}
