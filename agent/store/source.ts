// What a source of objects (an API server, a directory of manifests) tells the store.

import type { Fault, KubernetesObject, ObjectKind, ObjectRef, Position } from "../objects/objects.ts";

export type Change =
  | { readonly kind: "put"; readonly object: KubernetesObject }
  /** `byList`: nobody told that it was deleted; a list of this one object (a Secret) came without it. */
  | { readonly kind: "delete"; readonly ref: ObjectRef; readonly byList?: true }
  /** The whole set of one kind, after a list: what is not in it is gone. */
  | { readonly kind: "replace"; readonly objectKind: ObjectKind; readonly objects: readonly KubernetesObject[] }
  /** An object that came but cannot be used. The last good one of that name, if there is one, stays. */
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** The refusals of this `where` are over (the file was mended or is gone). */
  | { readonly kind: "accept"; readonly where: string };

/** `ref` is null where the document does not even say which object it is. */
export interface Refusal {
  readonly ref: ObjectRef | null;
  /** "shop.yaml:12 (document 2)" or "API server". Also the key: a new refusal of the same `where` replaces the old. */
  readonly where: string;
  readonly position: Position | null;
  readonly faults: readonly Fault[];
}

/** Takes changes in order; each call is one consistent step, seen by the next build as a whole. */
export type ChangeSink = (changes: readonly Change[]) => void;

/** How a source is, for `status`. Times are milliseconds since 1970, null for never. */
export interface SourceState {
  readonly kind: "kubernetes" | "manifests";
  /** "https://10.0.0.1:6443" or the directory. */
  readonly location: string;
  /** Every kind was listed once. Before that nothing is built from this source. */
  readonly synced: boolean;
  readonly lastEventAt: number | null;
  /** What is wrong now, worst first; empty when all is well. */
  readonly troubles: readonly SourceTrouble[];
}

export interface SourceTrouble {
  /** "Ingress", or "" for the source as a whole. */
  readonly resource: string;
  readonly message: string;
  readonly since: number;
  readonly hint: string;
}

export type NodesNeed = "required" | "useful";

/** A source with a lifetime. `start` returns at once; `onChange` of the state is told by `onState`. */
export interface Source {
  start(): void;
  stop(): Promise<void>;
  state(): SourceState;
  /** Which Secrets are referenced now ("namespace/name"); a source reads no others. Called whenever the set changes. */
  wantSecrets(keys: ReadonlySet<string>): void;
  /** The same for ConfigMaps. */
  wantConfigMaps(keys: ReadonlySet<string>): void;
  /**
   * From now on Nodes are read too. `useful`: that they may not be read is no trouble; `required` outweighs it, and the
   * source is not synced without them.
   */
  wantNodes(need: NodesNeed): void;
}
