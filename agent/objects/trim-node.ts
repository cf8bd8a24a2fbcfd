// Reading v1 Node. Its status changes all the time; what is kept changes seldom.

import type { Node } from "./objects.ts";
import { isRecord, list, type Reading, record, text, unread } from "./readers.ts";
import type { ReadMeta } from "./trim-meta.ts";

const CONDITIONS_MAX = 100;
const ADDRESSES_MAX = 100;
/** https://kubernetes.io/docs/reference/labels-annotations-taints */
const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";

const readFields = record({
  apiVersion: unread,
  kind: unread,
  metadata: isBeingDeleted,
  spec: unread,
  status: record({
    conditions: list(looseRecord("type", "status"), CONDITIONS_MAX),
    addresses: list(looseRecord("type", "address"), ADDRESSES_MAX),
    allocatable: unread,
    capacity: unread,
    config: unread,
    daemonEndpoints: unread,
    declaredFeatures: unread,
    features: unread,
    images: unread,
    nodeInfo: unread,
    phase: unread,
    runtimeHandlers: unread,
    volumesAttached: unread,
    volumesInUse: unread,
  }),
});

/** Reads a Node. */
export function readNode(raw: unknown, { meta, labels }: ReadMeta, reading: Reading): Node {
  const { metadata: beingDeleted, status } = readFields(raw, "", reading);
  return {
    kind: "Node",
    meta: { ...meta, annotations: {} },
    ready: status.conditions.some(([type, state]) => type === "Ready" && state === "True"),
    excluded: beingDeleted || Object.hasOwn(labels, EXCLUDE_LABEL),
    addresses: status.addresses.flatMap(([type, address]) => (type === "InternalIP" ? [address] : [])).sort(),
  };
}

function isBeingDeleted(value: unknown): boolean {
  return isRecord(value) && typeof value["deletionTimestamp"] === "string";
}

// Two fields of a record; what else it has is nobody's concern here.
function looseRecord(first: string, second: string) {
  return (value: unknown, field: string, reading: Reading): readonly [string, string] => {
    const read = record({ [first]: text(""), [second]: text("") });
    const found = read(value, field, { ...reading, strict: false });
    return [found[first] ?? "", found[second] ?? ""];
  };
}
