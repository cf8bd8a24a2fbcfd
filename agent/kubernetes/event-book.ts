// What is wrong with which object now, and what of it was written. Costs as much as changes, never as there is.

import { type ObjectKind, type ObjectRef, refKey } from "../objects/objects.ts";
import { type Remark, remarkId } from "./event-body.ts";

/** A remark with its object; null where nobody knows which that is. */
export interface ObjectRemark extends Remark {
  readonly object: ObjectRef | null;
}

export interface Page {
  readonly ref: ObjectRef;
  /** Id of a remark → it, and how many times it is held: several hosts may say the same of one Ingress. */
  readonly remarks: Map<string, { readonly remark: Remark; count: number }>;
  /** Ids that were written of this uid since the last "Valid". */
  readonly told: Set<string>;
  uid: string | null;
  /** When its last remark went. */
  mendedAt: number;
}

/** Events are for the owners of routes: what is wrong with a Secret or a slice is told with its Ingress or Service. */
const KINDS: ReadonlySet<ObjectKind> = new Set<ObjectKind>(["Ingress", "IngressClass", "Service"]);

export class EventBook {
  readonly #pages = new Map<string, Page>();

  /** What was said in one place is replaced. Gives the objects of which something else is true now. */
  change(before: readonly ObjectRemark[], after: readonly ObjectRemark[]): readonly ObjectRef[] {
    const deltas = new Map<string, { readonly ref: ObjectRef; readonly remark: Remark; delta: number }>();
    const count = (remarks: readonly ObjectRemark[], step: 1 | -1): void => {
      for (const remark of remarks) {
        const ref = remark.object;
        if (ref === null || !KINDS.has(ref.kind)) continue;
        const id = `${refKey(ref)}\n${remarkId(remark)}`;
        const known = deltas.get(id) ?? { ref, remark, delta: 0 };
        known.delta += step;
        deltas.set(id, known);
      }
    };
    count(before, -1);
    count(after, 1);
    const touched = new Map<string, ObjectRef>();
    for (const { ref, remark, delta } of deltas.values()) {
      if (delta !== 0 && this.#add(ref, remark, delta)) touched.set(refKey(ref), ref);
    }
    return [...touched.values()];
  }

  page(ref: ObjectRef): Page | undefined {
    return this.#pages.get(refKey(ref));
  }

  /** Forgets an object of which nothing is left to say. */
  close(page: Page): void {
    if (page.remarks.size === 0 && page.told.size === 0) this.#pages.delete(refKey(page.ref));
  }

  /** True where a remark came or went. */
  #add(ref: ObjectRef, remark: Remark, delta: number): boolean {
    const key = refKey(ref);
    const page = this.#pages.get(key) ?? { ref, remarks: new Map(), told: new Set(), uid: null, mendedAt: 0 };
    this.#pages.set(key, page);
    const id = remarkId(remark);
    const held = page.remarks.get(id);
    const count = (held?.count ?? 0) + delta;
    if (count > 0) page.remarks.set(id, { remark: held?.remark ?? remark, count });
    else page.remarks.delete(id);
    return (held === undefined) !== count <= 0;
  }
}
