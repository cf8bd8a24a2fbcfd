// Raw objects of one resource to Changes. Keeps nothing but the names that are refused now.

import { refText } from "../objects/objects.ts";
import type { Fault, KubernetesObject, ObjectRef } from "../objects/objects.ts";
import type { Change } from "../store/source.ts";
import { field } from "./failure.ts";
import type { Resource } from "./resources.ts";
import type { WatchEvent } from "./watch-events.ts";

/** What `trimObject` of agent/objects/trim.ts says about one raw object. */
export type Trimmed =
  | { readonly kind: "object"; readonly object: KubernetesObject }
  | { readonly kind: "refused"; readonly ref: ObjectRef | null; readonly faults: readonly Fault[] }
  | { readonly kind: "ignored" };

/** Not strict, without a position: what an API server says has no unknown fields to complain about. */
export type Trim = (raw: unknown) => Trimmed;

export class Intake {
  readonly #resource: Resource;
  readonly #trim: Trim;
  /** `where` of each refusal the store was told of. */
  #refused: Set<string>;

  /** `before`: who told of the same objects until now, and what it had refused. */
  constructor(resource: Resource, trim: Trim, before: Intake | null) {
    this.#resource = resource;
    this.#trim = trim;
    this.#refused = new Set(before === null ? [] : before.#refused);
  }

  /** One event of a watch. Bookmarks change nothing. */
  takeEvent(event: WatchEvent): readonly Change[] {
    if (event.kind === "bookmark") return [];
    const ref = this.#refOf(event.object);
    if (event.kind === "deleted") return [...this.#accept(ref), { kind: "delete", ref }];
    const trimmed = this.#trimRaw(event.object);
    switch (trimmed.kind) {
      case "object":
        return [...this.#accept(ref), { kind: "put", object: trimmed.object }];
      case "refused":
        return [this.#refuse(ref, trimmed.faults)];
      case "ignored":
        return [...this.#accept(ref), { kind: "delete", ref }];
    }
  }

  /** Begins a list: pages are added as they come, so that no more than one page of raw objects is held. */
  beginList(): ListIntake {
    const objects: KubernetesObject[] = [];
    const refusals: Change[] = [];
    const refused = new Set<string>();
    return {
      add: (raw) => {
        const trimmed = this.#trimRaw(raw);
        if (trimmed.kind === "object") objects.push(trimmed.object);
        if (trimmed.kind !== "refused") return;
        const ref = this.#refOf(raw);
        refused.add(whereOf(ref));
        refusals.push(refusal(ref, trimmed.faults));
      },
      // Refusals first: the store then knows, when it replaces, which absent objects are only unusable.
      end: () => {
        const mended = [...this.#refused].filter((where) => !refused.has(where));
        this.#refused = refused;
        return [
          ...refusals,
          ...this.#whole(objects, refused),
          ...mended.map((where) => ({ kind: "accept", where }) as const),
        ];
      },
    };
  }

  /** What to tell when this resource is no longer read (a Secret that nothing names any more). */
  forget(): readonly Change[] {
    const { single, kind } = this.#resource;
    if (single === null) return [];
    const ref: ObjectRef = { kind, namespace: single.namespace, name: single.name };
    return [...this.#accept(ref), { kind: "delete", ref }];
  }

  #whole(objects: readonly KubernetesObject[], refused: ReadonlySet<string>): readonly Change[] {
    const { single, kind } = this.#resource;
    if (single === null) return [{ kind: "replace", objectKind: kind, objects }];
    if (objects.length > 0) return objects.map((object) => ({ kind: "put", object }) as const);
    const ref: ObjectRef = { kind, namespace: single.namespace, name: single.name };
    return refused.has(whereOf(ref)) ? [] : [{ kind: "delete", ref, byList: true }];
  }

  #trimRaw(raw: object): Trimmed {
    // Items of a list do not say what they are.
    return this.#trim({ ...raw, apiVersion: this.#resource.apiVersion, kind: this.#resource.kind });
  }

  #refOf(raw: object): ObjectRef {
    const metadata = field(raw, "metadata");
    const namespace = field(metadata, "namespace");
    return {
      kind: this.#resource.kind,
      namespace: typeof namespace === "string" ? namespace : "",
      name: String(field(metadata, "name")),
    };
  }

  #refuse(ref: ObjectRef, faults: readonly Fault[]): Change {
    this.#refused.add(whereOf(ref));
    return refusal(ref, faults);
  }

  #accept(ref: ObjectRef): readonly Change[] {
    const where = whereOf(ref);
    return this.#refused.delete(where) ? [{ kind: "accept", where }] : [];
  }
}

export interface ListIntake {
  readonly add: (raw: object) => void;
  /** All that the list says, to be told as one step. */
  readonly end: () => readonly Change[];
}

/** Unique per object, so that one object's refusal does not replace another's. */
function whereOf(ref: ObjectRef): string {
  return `API server: ${refText(ref)}`;
}

function refusal(ref: ObjectRef, faults: readonly Fault[]): Change {
  return { kind: "refuse", refusal: { ref, where: whereOf(ref), position: null, faults } };
}
