// What a cluster may have and the agent did not read yet: Secrets and ConfigMaps that nothing named before, and the
// endpoints of Services that are only made now. Their absence from what is known says nothing.

import type { Problem } from "../model/edge-model.ts";
import { servicesAtNodes } from "../model/endpoints-mode.ts";
import type { ProblemCode } from "../model/problem-code.ts";
import type { Store } from "../store/store.ts";
import type { TrialBase, TriedObject } from "./try-change.ts";

/** Codes of problems that name a Secret or ConfigMap that is not there, or does not hold what is wanted. */
const ABSENCES: ReadonlySet<ProblemCode> = new Set([
  "secret-missing",
  "secret-invalid",
  "config-map-missing",
  "class-parameters",
]);

export interface Unknown {
  /** Whether a problem says only that such an object is not known. */
  readonly hides: (problem: Problem) => boolean;
  readonly notes: readonly string[];
}

/** "Secret shop/tls" and the like: what a source reads by name, because something names it. */
export function wantedObjects(store: Store): ReadonlySet<string> {
  return new Set([
    ...[...store.wantedSecrets()].map((key) => `Secret ${key}`),
    ...[...store.wantedConfigMaps()].map((key) => `ConfigMap ${key}`),
  ]);
}

/** `store` is as it would be; `read` is what was wanted before. A folder of manifests is read in whole. */
export function unknownObjects(input: {
  readonly base: TrialBase;
  readonly store: Store;
  readonly objects: readonly TriedObject[];
  readonly read: ReadonlySet<string>;
}): Unknown {
  const { base, store, objects, read } = input;
  if (base.source === "manifests") return { hides: () => false, notes: [] };
  const held = new Set(store.objects().map(({ kind, meta }) => `${kind} ${meta.namespace}/${meta.name}`));
  const unread = [...wantedObjects(store)].filter((name) => !read.has(name) && !held.has(name));
  const waiting = objects
    .filter(({ ref, action }) => ref.kind === "Service" && action === "create")
    .map(({ ref }) => `${ref.namespace}/${ref.name}`)
    .filter((key) => store.service(key)?.type !== "ExternalName" && store.endpointSlices(key).length === 0);
  const atNodes = store.nodes() !== null ? [] : servicesAtNodes(store, base.settings);
  const services = new Set([...waiting, ...atNodes]);
  return {
    hides: ({ code, object, message }) =>
      code === "nodes-unknown" ||
      (ABSENCES.has(code) && unread.some((name) => message.includes(`${name}:`) || message.includes(`${name} `))) ||
      (code === "no-endpoints" && object !== null && services.has(`${object.namespace}/${object.name}`)),
    notes: [
      ...unread.map((name) => `${name} was not read yet: what depends on it shows when this is applied`),
      ...(atNodes.length === 0 ? [] : ["Nodes were not read yet: peers at their ports show when this is applied"]),
      ...waiting.map((key) => `Service ${key} is new: its endpoints come from the cluster when this is applied`),
    ],
  };
}
