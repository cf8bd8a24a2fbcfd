// EndpointSlices and Endpoints say the same, and of a server that has slices the Endpoints are not read. What the store
// knows of the kind that is not read (from a snapshot, from before an upgrade) would never change again: a list of the
// kind that is read also says that there is nothing of the other. In the same step, so that no Service is without
// endpoints in between.

import type { ObjectKind } from "../objects/objects.ts";
import type { Change } from "../store/source.ts";

const TWINS: Partial<Readonly<Record<ObjectKind, ObjectKind>>> = {
  EndpointSlice: "Endpoints",
  Endpoints: "EndpointSlice",
};

/** `changes`, and after a whole list of one of the two kinds the end of the other, unless `isRead` says otherwise. */
export function withTwin(changes: readonly Change[], isRead: (kind: ObjectKind) => boolean): readonly Change[] {
  const twins = changes.flatMap((change): readonly Change[] => {
    const twin = change.kind === "replace" ? TWINS[change.objectKind] : undefined;
    return twin === undefined || isRead(twin) ? [] : [{ kind: "replace", objectKind: twin, objects: [] }];
  });
  return twins.length === 0 ? changes : [...changes, ...twins];
}
