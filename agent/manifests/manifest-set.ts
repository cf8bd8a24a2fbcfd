// What all files together say: which object comes from which file, and what changed since the store was told last.
// A file is a claim on objects; where two claim one, the first by file name has it.

import { compareText, refKey, refOf, refText } from "../objects/objects.ts";
import type { KubernetesObject, ObjectKind } from "../objects/objects.ts";
import type { Change, Refusal } from "../store/source.ts";
import { refusedRefs } from "./load-manifest.ts";
import type { LoadedFile, LoadedObject } from "./load-manifest.ts";

interface Claim extends LoadedObject {
  /** From an earlier state of the file, whose document is broken now. */
  readonly kept: boolean;
}
interface FileState {
  readonly claims: ReadonlyMap<string, Claim>;
  readonly refusals: readonly Refusal[];
}

/** Every kind the sources give, in the order in which the first scan tells them. */
const OBJECT_KINDS = Object.keys({
  ConfigMap: true,
  IngressClass: true,
  Secret: true,
  Node: true,
  Service: true,
  Endpoints: true,
  EndpointSlice: true,
  Ingress: true,
} satisfies Record<ObjectKind, true>) as ObjectKind[]; // the keys of this record: none can be forgotten

export class ManifestSet {
  readonly #files = new Map<string, FileState>();
  /** By object key: who claims it, first by file name first. */
  readonly #claims = new Map<string, Claim[]>();
  readonly #touched = new Set<string>();
  readonly #duplicates = new Map<string, readonly Refusal[]>();
  /** By path, for files that have any. */
  readonly #refusals = new Map<string, readonly Refusal[]>();
  readonly #told = new Map<string, KubernetesObject>();
  #toldRefusals = new Map<string, Refusal>();

  paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Whether taking `loaded` for the file (null: the file is gone) would take objects away. */
  wouldLose(path: string, loaded: LoadedFile | null): boolean {
    const before = this.#files.get(path);
    if (before === undefined) return false;
    const after = loaded === null ? new Map<string, Claim>() : this.#nextClaims(path, loaded);
    return [...before.claims.keys()].some((key) => !after.has(key));
  }

  setFile(path: string, loaded: LoadedFile): void {
    const claims = this.#nextClaims(path, loaded);
    const repeated = repeatedObjects(loaded);
    this.#replace(path, { claims, refusals: [...loaded.refusals, ...repeated] });
  }

  removeFile(path: string): void {
    this.#replace(path, null);
  }

  /** What the store does not know yet, as one step. `first`: the whole, kind by kind. */
  takeChanges(first: boolean): readonly Change[] {
    const changes: Change[] = [];
    for (const key of this.#touched) {
      const change = this.#settle(key);
      if (change !== null && !first) changes.push(change);
    }
    this.#touched.clear();
    if (first) changes.push(...this.#everything());
    changes.push(...this.#refusalChanges());
    return changes;
  }

  /** A document that is broken now says nothing about its object: the last good one stays until it is mended. */
  #nextClaims(path: string, loaded: LoadedFile): Map<string, Claim> {
    const claims = new Map<string, Claim>();
    for (const entry of loaded.objects) {
      const key = refKey(refOf(entry.object));
      if (!claims.has(key)) claims.set(key, { ...entry, kept: false });
    }
    const refused = refusedRefs(loaded);
    const refusedKeys = new Set(refused.refs.map(refKey));
    for (const [key, claim] of this.#files.get(path)?.claims ?? []) {
      if (!claims.has(key) && (refused.nameless || refusedKeys.has(key))) claims.set(key, { ...claim, kept: true });
    }
    return claims;
  }

  #replace(path: string, next: FileState | null): void {
    const before = this.#files.get(path);
    if (next === null) this.#files.delete(path);
    else this.#files.set(path, next);
    if (next === null || next.refusals.length === 0) this.#refusals.delete(path);
    else this.#refusals.set(path, next.refusals);
    for (const key of before?.claims.keys() ?? []) {
      this.#touched.add(key);
      const others = (this.#claims.get(key) ?? []).filter((claim) => claim.position.file !== path);
      if (others.length === 0) this.#claims.delete(key);
      else this.#claims.set(key, others);
    }
    for (const [key, claim] of next?.claims ?? []) {
      this.#touched.add(key);
      const all = [...(this.#claims.get(key) ?? []), claim];
      this.#claims.set(
        key,
        all.toSorted((a, b) => compareText(a.position.file, b.position.file)),
      );
    }
  }

  #settle(key: string): Change | null {
    const [winner, ...others] = this.#claims.get(key) ?? [];
    const told = this.#told.get(key);
    if (winner === undefined) {
      this.#duplicates.delete(key);
      this.#told.delete(key);
      return told === undefined ? null : { kind: "delete", ref: refOf(told) };
    }
    const losers = others.filter((claim) => !claim.kept).map((claim) => duplicate(claim, winner.where));
    if (losers.length === 0) this.#duplicates.delete(key);
    else this.#duplicates.set(key, losers);
    if (told !== undefined && sameObject(told, winner.object)) return null;
    this.#told.set(key, winner.object);
    return { kind: "put", object: winner.object };
  }

  #everything(): readonly Change[] {
    const byKind = Map.groupBy(this.#told.values(), (object) => object.kind);
    return OBJECT_KINDS.map((objectKind) => ({ kind: "replace", objectKind, objects: byKind.get(objectKind) ?? [] }));
  }

  #refusalChanges(): readonly Change[] {
    const now = new Map<string, Refusal>();
    for (const refusals of this.#refusals.values()) for (const refusal of refusals) now.set(refusal.where, refusal);
    for (const refusals of this.#duplicates.values()) for (const refusal of refusals) now.set(refusal.where, refusal);
    const changes: Change[] = [];
    for (const where of this.#toldRefusals.keys()) if (!now.has(where)) changes.push({ kind: "accept", where });
    for (const [where, refusal] of now) {
      const told = this.#toldRefusals.get(where);
      if (told === undefined || JSON.stringify(told) !== JSON.stringify(refusal))
        changes.push({ kind: "refuse", refusal });
    }
    this.#toldRefusals = now;
    return changes;
  }
}

function sameObject(a: KubernetesObject, b: KubernetesObject): boolean {
  const [p, q] = [a.meta.position, b.meta.position];
  if (a.meta.resourceVersion !== b.meta.resourceVersion) return false;
  return p?.file === q?.file && p?.index === q?.index && p?.line === q?.line;
}

function repeatedObjects(loaded: LoadedFile): readonly Refusal[] {
  const first = new Map<string, string>();
  const refusals: Refusal[] = [];
  for (const entry of loaded.objects) {
    const key = refKey(refOf(entry.object));
    const winner = first.get(key);
    if (winner === undefined) first.set(key, entry.where);
    else refusals.push(duplicate(entry, winner));
  }
  return refusals;
}

function duplicate(loser: LoadedObject, winner: string): Refusal {
  const ref = refOf(loser.object);
  const message = `${refText(ref)} stands already at ${winner}, and the first one counts`;
  const faults = [{ field: "metadata.name", message, fix: "remove one of the two, or give it another name" }];
  return { ref, where: loser.where, position: loser.position, faults };
}
