// A change of objects, tried on a throw-away copy of what is known: which documents and problems it would change.
// In: objects as they are, and what is given. Out: the difference. Nothing that runs is touched: the builders and the
// planner are those of the loop, and no lane, counter or source is at hand here.

import type { GivenObjects } from "../api/wire.ts";
import { buildersOf, problemsOfNoKey } from "../loop/builders.ts";
import type { EdgeBuilder } from "../loop/edge-builder.ts";
import type { DirtyKey, Problem } from "../model/edge-model.ts";
import { refusalProblems } from "../model/problems.ts";
import { type KubernetesObject, type ObjectRef, refKey, refOf } from "../objects/objects.ts";
import { type DocumentId, documentId, planDocuments } from "../plan/plan-documents.ts";
import type { PushLine } from "../plan/steps.ts";
import type { RenderedDocument } from "../render/documents.ts";
import { isSameObject } from "../store/same-object.ts";
import type { Change, Refusal } from "../store/source.ts";
import type { Store } from "../store/store.ts";
import { settled } from "./settled.ts";
import { buildKeys, type Held, throwAwayStore, Turns } from "./throw-away.ts";
import { unknownObjects, wantedObjects } from "./unknown-objects.ts";
import { unresolvedNames } from "./unresolved-names.ts";

/** What is known now; values that do not change any more. */
export interface TrialBase extends Held {
  readonly refusals: readonly Refusal[];
  readonly source: "kubernetes" | "manifests";
  readonly now: number;
  /** What the loop has built of all objects; it is not touched. */
  readonly builder: EdgeBuilder;
}

export interface TrialChange {
  readonly mode: "overlay" | "replace";
  readonly given: GivenObjects;
  readonly deletions: GivenObjects;
}

export type Action = "create" | "change" | "delete" | "none" | "refused";

export interface TriedObject {
  readonly ref: ObjectRef;
  readonly where: string;
  readonly action: Action;
  /** What the store marked when it took this object, before the ones after it and beside all of them. */
  readonly keys: ReadonlySet<DirtyKey>;
}

export interface Tried {
  readonly objects: readonly TriedObject[];
  /** In the order of a push: what goes after its grace stands last. */
  readonly lines: readonly PushLine[];
  /** How many of `lines` are pushed at once. */
  readonly atOnce: number;
  readonly before: ReadonlyMap<DocumentId, RenderedDocument>;
  readonly after: ReadonlyMap<DocumentId, RenderedDocument>;
  /** All that there would be. */
  readonly whole: EdgeBuilder;
  /** Which key a document belongs to. */
  readonly keyOf: ReadonlyMap<DocumentId, DirtyKey>;
  /** Hosts that a key touches. */
  readonly hostsOf: ReadonlyMap<DirtyKey, readonly string[]>;
  readonly newProblems: readonly Problem[];
  readonly goneProblems: readonly Problem[];
  readonly notes: readonly string[];
}

/** Throws the reason of `signal` when it is aborted, and what a builder throws. */
export async function tryChange(base: TrialBase, change: TrialChange, signal: AbortSignal): Promise<Tried> {
  const turns = new Turns(signal);
  const known = new Map(base.objects.map((object) => [refKey(refOf(object)), object]));
  const store = await throwAwayStore(base, turns);
  const builders = buildersOf(store, base.settings, () => base.now);
  // All in one step: what the loop changes in its own meanwhile is in none of them.
  const [fork, first, last] = [base.builder.fork(builders), base.builder.fresh(builders), base.builder.fresh(builders)];
  const read = wantedObjects(store);
  const taken = await applyAll(store, planObjects(base, change, known), turns);
  const keys = new Set(taken.flatMap((object) => [...object.keys]));
  const hostsAfter = hostsOfKeys(keys, store);
  const after = await buildKeys(last, keys, turns);
  const whole = await buildKeys(fork, keys, turns);
  const unknown = unknownObjects({ base, store, objects: taken, read });
  const problemsAfter = [
    ...refusalProblems(refusalsAfter(base, change)),
    ...problemsOfNoKey(store, base.settings),
    ...after.problems(),
  ];
  const objects = await undoAll(store, taken, known, turns);
  const before = await buildKeys(first, keys, turns);
  const hostsBefore = hostsOfKeys(keys, store);
  const problemsBefore = [
    ...refusalProblems(base.refusals),
    ...problemsOfNoKey(store, base.settings),
    ...before.problems(),
  ];
  const problems = differ(problemsBefore, problemsAfter);
  return {
    objects,
    ...linesOf(before, after),
    before: before.wanted,
    after: after.wanted,
    whole,
    keyOf: new Map([...before.owners(), ...after.owners()]),
    hostsOf: new Map(
      [...keys].map((key) => [key, [...new Set([...(hostsBefore.get(key) ?? []), ...(hostsAfter.get(key) ?? [])])]]),
    ),
    newProblems: problems.fresh.filter((problem) => !unknown.hides(problem)),
    goneProblems: problems.gone,
    notes: [...unknown.notes, ...unresolvedNames(after.model)],
  };
}

interface ObjectChange {
  readonly ref: ObjectRef;
  readonly where: string;
  readonly action: Action;
  readonly change: Change | null;
}

/** Kinds that no manifest is expected to bring where there is a cluster: its controllers make them. */
const MADE_BY_CLUSTER: ReadonlySet<string> = new Set(["EndpointSlice", "Endpoints", "Node"]);

/** What becomes of each object. Those that are not given stay, or in mode `replace` go, unless they were refused. */
function planObjects(
  base: TrialBase,
  { mode, given, deletions }: TrialChange,
  known: ReadonlyMap<string, KubernetesObject>,
): readonly ObjectChange[] {
  const changes: ObjectChange[] = [];
  const mentioned = new Set<string>();
  for (const raw of given.objects) {
    const ref = refOf(raw);
    const before = known.get(refKey(ref));
    const object = base.source === "manifests" ? raw : settled(raw, before, base.now);
    mentioned.add(refKey(ref));
    const action = before === undefined ? "create" : isSame(before, object) ? "none" : "change";
    changes.push({ ref, where: whereOf(raw), action, change: { kind: "put", object } });
  }
  for (const { ref, where } of given.refusals) {
    if (ref === null) continue;
    // A second claim on an object that was read is refused too, and the first one counts.
    if (!mentioned.has(refKey(ref))) changes.push({ ref, where, action: "refused", change: null });
    mentioned.add(refKey(ref));
  }
  const goes = (object: KubernetesObject): boolean =>
    !mentioned.has(refKey(refOf(object))) && !(base.source === "kubernetes" && MADE_BY_CLUSTER.has(object.kind));
  const left = mode === "replace" ? base.objects.filter(goes) : [];
  const gone = [...left, ...deletions.objects].map((object) => ({ ref: refOf(object), where: whereOf(object) }));
  // To be deleted an object needs only a name, whatever else is wrong with it.
  for (const { ref, where } of [...gone, ...deletions.refusals]) {
    if (ref === null || mentioned.has(refKey(ref))) continue;
    mentioned.add(refKey(ref));
    const action = known.has(refKey(ref)) ? "delete" : "none";
    changes.push({ ref, where, action, change: { kind: "delete", ref } });
  }
  return changes;
}

/** But for where it stands: that says nothing about the object. */
function isSame(before: KubernetesObject, after: KubernetesObject): boolean {
  return isSameObject(before, { ...after, meta: { ...after.meta, position: before.meta.position } });
}

function whereOf({ meta: { position } }: KubernetesObject): string {
  return position === null ? "" : `${position.file}:${position.line}`;
}

async function applyAll(store: Store, changes: readonly ObjectChange[], turns: Turns): Promise<readonly TriedObject[]> {
  const objects: TriedObject[] = [];
  for (const { ref, where, action, change } of changes) {
    if (change !== null) store.apply([change]);
    objects.push({ ref, where, action, keys: new Set(store.takeDirty()) });
    await turns.next();
  }
  return objects;
}

/**
 * Puts everything back as it was, so that the values before and after are of the same moment. In the order in which
 * they came: a Service that came before the Ingress that uses it marks its backend only here.
 */
async function undoAll(
  store: Store,
  objects: readonly TriedObject[],
  known: ReadonlyMap<string, KubernetesObject>,
  turns: Turns,
): Promise<readonly TriedObject[]> {
  const undone: TriedObject[] = [];
  for (const tried of objects) {
    const { ref, action } = tried;
    // Taken away first: a Secret that is put over another one may keep the pair of that.
    const before = known.get(refKey(ref));
    const changes: Change[] = [{ kind: "delete", ref }];
    if (before !== undefined) changes.push({ kind: "put", object: before });
    if (action !== "none" && action !== "refused") store.apply(changes);
    undone.push({ ...tried, keys: new Set([...tried.keys, ...store.takeDirty()]) });
    await turns.next();
  }
  return undone;
}

function hostsOfKeys(keys: ReadonlySet<DirtyKey>, store: Store): ReadonlyMap<DirtyKey, readonly string[]> {
  return new Map(
    [...keys].map((key) => {
      const name = key.slice(key.indexOf(":") + 1);
      if (key.startsWith("host:")) return [key, [name]];
      if (key.startsWith("backend:")) return [key, store.hostsOfService(name)];
      if (key.startsWith("certificate:")) return [key, store.hostsOfSecret(name)];
      return [key, []];
    }),
  );
}

/** The steps of the planner, as if `before` were applied and every grace over. */
function linesOf(before: EdgeBuilder, after: EdgeBuilder): { lines: readonly PushLine[]; atOnce: number } {
  const ids = new Set([...before.wanted.keys(), ...after.wanted.keys()]);
  const applied = new Map(
    [...before.wanted.values()].map((document) => [documentId(document), { ...document, generation: 0 }]),
  );
  const input = { ids, wanted: after.wanted, applied, refused: new Map(), generation: 0, now: 0, graceMs: 1 };
  const first = planDocuments({ ...input, retiring: new Map() });
  const due = new Map([...first.retiring.keys()].map((id) => [id, 0]));
  const last = planDocuments({ ...input, retiring: due });
  const sent = new Set(first.lines.map(documentId));
  const later = last.lines.filter((line) => !sent.has(documentId(line)));
  return { lines: [...first.lines, ...later], atOnce: first.lines.length };
}

/** The refusals as they would stand: an object that is given anew is refused no more, unless it is again. */
function refusalsAfter(base: TrialBase, { mode, given, deletions }: TrialChange): readonly Refusal[] {
  const nameless = deletions.refusals.filter(({ ref }) => ref === null);
  if (mode === "replace") return [...given.refusals, ...nameless];
  const anew = new Set([...given.objects, ...deletions.objects].map((object) => refKey(refOf(object))));
  for (const { ref } of [...given.refusals, ...deletions.refusals]) if (ref !== null) anew.add(refKey(ref));
  const left = base.refusals.filter(({ ref }) => ref === null || !anew.has(refKey(ref)));
  return [...left, ...given.refusals, ...nameless];
}

/** Where an object stands is no part of a problem: it moves with the lines above. */
function identityOf({ code, severity, object, field, message, hosts }: Problem): string {
  return JSON.stringify([code, severity, object === null ? "" : refKey(object), field, message, hosts]);
}

function differ(before: readonly Problem[], after: readonly Problem[]): { fresh: Problem[]; gone: Problem[] } {
  const had = new Set(before.map(identityOf));
  const has = new Set(after.map(identityOf));
  return {
    fresh: after.filter((problem) => !had.has(identityOf(problem))),
    gone: before.filter((problem) => !has.has(identityOf(problem))),
  };
}
