// Reading metadata: names, age, labels, and the annotations that could be meant for an ingress controller.

import { trimAnnotations } from "./annotation-keys.ts";
import type { Meta, Position } from "./objects.ts";
import { fault, name, type Reading, record, text, textMap, unread } from "./readers.ts";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/** Names of objects: RFC 1123 subdomains. No "/", so keys may be joined with it. */
export const objectName = name(
  new RegExp(`^${LABEL}(\\.${LABEL})*$`),
  "lower-case letters, digits, '-' and '.', at most 253 characters",
);
/** Names of Services in references, and of namespaces: RFC 1123 labels. */
export const labelName = name(
  new RegExp(`^${LABEL}$`),
  "lower-case letters, digits and '-', at most 63 characters",
  63,
);

const readMetadata = record({
  name: text(null),
  namespace: text(null),
  uid: text(""),
  resourceVersion: text(""),
  creationTimestamp: text(null),
  annotations: textMap,
  labels: textMap,
  generateName: unread,
  selfLink: unread,
  generation: unread,
  deletionTimestamp: unread,
  deletionGracePeriodSeconds: unread,
  ownerReferences: unread,
  finalizers: unread,
  managedFields: unread,
  clusterName: unread,
});

/** Metadata with what only some kinds need. `annotations` and `labels` are whole. */
export interface ReadMeta {
  readonly meta: Meta;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface MetaOptions {
  readonly namespaced: boolean;
  readonly position: Position | null;
}

/** Reads `metadata`. A namespaced object without namespace is in "default", as kubectl has it. */
export function readMeta(value: unknown, options: MetaOptions, reading: Reading): ReadMeta {
  const found = readMetadata(value, "metadata", reading);
  const objectNameRead = objectName(found.name, "metadata.name", reading);
  const namespace = options.namespaced ? labelName(found.namespace ?? "default", "metadata.namespace", reading) : "";
  const meta: Meta = {
    namespace,
    name: objectNameRead,
    uid: found.uid,
    resourceVersion: found.resourceVersion,
    createdAt: readTimestamp(found.creationTimestamp, reading),
    position: options.position,
    annotations: trimAnnotations(found.annotations),
  };
  return { meta, labels: found.labels, annotations: found.annotations };
}

function readTimestamp(value: string | null, reading: Reading): number | null {
  if (value === null) return null;
  const milliseconds = parseTimestamp(value);
  if (milliseconds === null) {
    const fix = 'write it like "2026-01-31T12:00:00Z", or remove it';
    fault(reading, "metadata.creationTimestamp", "is no RFC 3339 time", fix);
  }
  return milliseconds;
}

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970 of an RFC 3339 time, or null. By hand: this room has no Date. */
function parseTimestamp(value: string): number | null {
  const match = TIMESTAMP.exec(value);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number, // the pattern has these six groups of digits
  ];
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  const fraction = Math.floor(Number(`0.${match[7] ?? "0"}`) * 1000);
  const zone = match[8] ?? "Z";
  const sign = zone.startsWith("-") ? -1 : 1;
  const offset = zone === "Z" ? 0 : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6)));
  const minutes = daysSince1970(year, month, day) * 1440 + hour * 60 + minute - offset;
  return (minutes * 60 + second) * 1000 + fraction;
}

// Days of the civil calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
