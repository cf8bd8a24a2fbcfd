// What was tried → the report of `headgate plan` and `diff`, per Kubernetes object.

import { problemStatuses } from "../api/problem-status.ts";
import { shownValue } from "../api/shown-document.ts";
import type {
  DocumentChange,
  PlannedDocument,
  PlannedFile,
  PlannedObject,
  PlanReport,
  ProblemStatus,
} from "../api/wire.ts";
import { WIRE_VERSION } from "../api/wire.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import { compareText, type ObjectKind, refText } from "../objects/objects.ts";
import { documentId } from "../plan/plan-documents.ts";
import type { PushLine } from "../plan/steps.ts";
import type { RenderedFile } from "../render/files.ts";
import type { Tried, TriedObject } from "./try-change.ts";

export interface ReportInput {
  readonly edge: string;
  readonly staleSince: number | null;
  readonly tried: Tried;
  readonly configuration: {
    readonly reason: string | null;
    readonly before: readonly RenderedFile[];
    readonly after: readonly RenderedFile[];
  };
  readonly values: boolean;
}

export function buildPlanReport(input: ReportInput): PlanReport {
  const { tried, configuration, values } = input;
  const newProblems = problemStatuses(tried.newProblems);
  const goneProblems = problemStatuses(tried.goneProblems);
  return {
    apiVersion: WIRE_VERSION,
    edge: input.edge,
    staleSince: input.staleSince,
    objects: plannedObjects(tried, newProblems, goneProblems),
    documents: tried.lines.map((line) => plannedDocument(line, tried, values)),
    reload: configuration.reason,
    files: values ? plannedFiles(configuration.before, configuration.after) : [],
    newProblems,
    goneProblems,
    notes: tried.notes,
  };
}

function changeOf(line: PushLine, tried: Tried): DocumentChange {
  if (line.text === null) return "delete";
  return tried.before.has(documentId(line)) ? "change" : "add";
}

function plannedDocument(line: PushLine, tried: Tried, values: boolean): PlannedDocument {
  const id = documentId(line);
  const shown = (documents: Tried["before"]): unknown => {
    const document = values ? documents.get(id) : undefined;
    return document === undefined ? null : shownValue(document);
  };
  const { kind, key } = line;
  return { kind, key, change: changeOf(line, tried), before: shown(tried.before), after: shown(tried.after) };
}

function plannedFiles(before: readonly RenderedFile[], after: readonly RenderedFile[]): readonly PlannedFile[] {
  const textOf = (files: readonly RenderedFile[], path: string): string =>
    files.find((file) => file.path === path)?.text ?? "";
  const paths = [...new Set([...before, ...after].map(({ path }) => path))].toSorted(compareText);
  return paths
    .map((path) => ({ path, before: textOf(before, path), after: textOf(after, path) }))
    .filter((file) => file.before !== file.after);
}

function plannedObjects(
  tried: Tried,
  fresh: readonly ProblemStatus[],
  gone: readonly ProblemStatus[],
): readonly PlannedObject[] {
  const effects = effectsOf(tried);
  const freshOf = Map.groupBy(fresh, ({ object }) => object);
  const goneOf = Map.groupBy(gone, ({ object }) => object);
  const problemsOf = (object: string) => ({
    newProblems: freshOf.get(object) ?? [],
    goneProblems: goneOf.get(object) ?? [],
  });
  const given = tried.objects.map((object) => {
    const name = refText(object.ref);
    const lines = effects.get(object) ?? [];
    const changed = new Set(lines.map((line) => tried.keyOf.get(documentId(line))));
    const hosts = [...changed].flatMap((key) => (key === undefined ? [] : (tried.hostsOf.get(key) ?? [])));
    return {
      object: name,
      where: object.where,
      action: object.action,
      hosts: [...new Set(hosts)].toSorted(compareText),
      documents: lines.map((line) => ({ kind: line.kind, key: line.key, change: changeOf(line, tried) })),
      ...problemsOf(name),
    };
  });
  const named = new Set(given.map(({ object }) => object));
  const others = [...new Set([...freshOf.keys(), ...goneOf.keys()])].filter((object) => !named.has(object));
  const touched = others.map((object) => {
    const problems = problemsOf(object);
    const where = [...problems.newProblems, ...problems.goneProblems][0]?.where ?? "";
    // A document that does not say which object it is can only be one that was given.
    const action = object === "" ? ("refused" as const) : ("touched" as const);
    return { object, where, action, hosts: [], documents: [], ...problems };
  });
  return [...given, ...touched];
}

/**
 * Which documents change with an object: those of the keys that it dirtied, alone or beside the others. Of several
 * objects it is those of the kinds that such a document is made of.
 */
function effectsOf(tried: Tried): ReadonlyMap<TriedObject, readonly PushLine[]> {
  const byKey = new Map<DirtyKey, TriedObject[]>();
  for (const object of tried.objects) {
    for (const key of object.keys) append(byKey, key, object);
  }
  const effects = new Map<TriedObject, PushLine[]>();
  for (const line of tried.lines) {
    const key = tried.keyOf.get(documentId(line));
    const all = (key === undefined ? undefined : byKey.get(key)) ?? [];
    const own = all.filter((object) => isMadeOf(line, object));
    for (const object of own.length > 0 ? own : all) append(effects, object, line);
  }
  return effects;
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** A kind of document that is not here counts for every object that dirtied its key. */
const MADE_OF: Readonly<Record<string, readonly ObjectKind[]>> = {
  backend: ["Service", "EndpointSlice", "Endpoints", "Node"],
  certificate: ["Secret"],
  users: ["Secret"],
  route: ["Ingress"],
  host: ["Ingress"],
  server_name: ["Ingress", "Secret"],
};

function isMadeOf({ kind, key }: PushLine, { ref }: TriedObject): boolean {
  if (MADE_OF[kind]?.includes(ref.kind) !== true) return false;
  // The routes of a host are many, and the key begins with the Ingress that each is of.
  return kind !== "route" || key.startsWith(`${ref.namespace}/${ref.name}/`);
}
