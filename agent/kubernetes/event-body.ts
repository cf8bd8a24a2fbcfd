// What an Event says: a problem of an object, or that its last one is over, in the words of two API groups. Pure.

import { createHash } from "node:crypto";
import type { ObjectRef } from "../objects/objects.ts";

/** A fault of an object, for its owner. */
export interface Remark {
  readonly code: string;
  readonly field: string;
  readonly message: string;
  readonly fix: string;
}

/** The object that an Event is about, as it is now. */
export interface Subject {
  readonly ref: ObjectRef;
  readonly uid: string;
  /** How often it was told to be valid again: what comes back after that is news. */
  readonly round: number;
}

export interface EventText {
  readonly name: string;
  readonly type: "Warning" | "Normal";
  /** CamelCase. */
  readonly reason: string;
  readonly note: string;
}

/** Where the API server takes it. `core` for servers before Kubernetes 1.19. */
export type EventGroup = "events.k8s.io" | "core";

const REPORTER = "headgate.dev/ingress";
/** Bounds of the API server. */
const NOTE_BYTES_MAX = 1024;
const NAME_CHARACTERS_MAX = 253;
const INSTANCE_CHARACTERS_MAX = 128;

const API_VERSIONS: Readonly<Record<string, string>> = {
  Ingress: "networking.k8s.io/v1",
  IngressClass: "networking.k8s.io/v1",
};

/** Tells remarks about one object apart. */
export function remarkId({ code, field, message }: Remark): string {
  return JSON.stringify([code, field, message]);
}

/**
 * The name depends on the object and the remark alone: an Event that another edge, or this one before a restart, wrote
 * already answers 409, so that each is there once.
 */
export function warningOf(subject: Subject, remark: Remark): EventText {
  const where = remark.field === "" ? "" : `${remark.field}: `;
  const fix = remark.fix === "" ? "" : `. To mend it: ${remark.fix}`;
  return {
    name: nameOf(subject, remarkId(remark)),
    type: "Warning",
    reason: camelCase(remark.code),
    note: cut(`${where}${remark.message}${fix}`, NOTE_BYTES_MAX),
  };
}

/** Says that what `ids` (of remarks) told is over. */
export function validOf(subject: Subject, ids: Iterable<string>): EventText {
  const name = nameOf(subject, JSON.stringify(["valid", ...[...ids].sort()]));
  return { name, type: "Normal", reason: "Valid", note: "Nothing is wrong with it any more" };
}

/** Events about what has no namespace are in "default". */
export function namespaceOf(ref: ObjectRef): string {
  return ref.namespace === "" ? "default" : ref.namespace;
}

/** Path without a name, for a POST. */
export function eventsPath(group: EventGroup, namespace: string): string {
  const base = group === "core" ? "/api/v1" : "/apis/events.k8s.io/v1";
  return `${base}/namespaces/${encodeURIComponent(namespace)}/events`;
}

/** The body of that POST. `at` in milliseconds since 1970. */
export function eventBody(group: EventGroup, text: EventText, about: { subject: Subject; edge: string; at: number }) {
  const { subject, edge, at } = about;
  const { kind, namespace, name } = subject.ref;
  const time = new Date(at).toISOString();
  const regarding = {
    apiVersion: API_VERSIONS[kind] ?? "v1",
    kind,
    ...(namespace === "" ? {} : { namespace }),
    name,
    uid: subject.uid,
  };
  const instance = edge.slice(0, INSTANCE_CHARACTERS_MAX);
  const common = {
    kind: "Event",
    metadata: { name: text.name, namespace: namespaceOf(subject.ref) },
    type: text.type,
    reason: text.reason,
    action: "Validate",
    eventTime: time.replace("Z", "000Z"),
    reportingInstance: instance,
  };
  if (group === "events.k8s.io") {
    return { apiVersion: "events.k8s.io/v1", ...common, reportingController: REPORTER, regarding, note: text.note };
  }
  return {
    apiVersion: "v1",
    ...common,
    reportingComponent: REPORTER,
    source: { component: REPORTER, host: instance },
    involvedObject: regarding,
    message: text.note,
    firstTimestamp: time.replace(/\.\d+Z$/, "Z"),
    lastTimestamp: time.replace(/\.\d+Z$/, "Z"),
    count: 1,
  };
}

function nameOf({ ref, uid, round }: Subject, id: string): string {
  const hash = createHash("sha256").update(`${uid}\n${round}\n${id}`).digest("hex").slice(0, 16);
  // A name may not end in "." before the hash's own dot, nor hold what the rest of a cut label would be.
  const start = ref.name.slice(0, NAME_CHARACTERS_MAX - hash.length - 1).replace(/[-.]+$/, "");
  return `${start}.${hash}`;
}

function camelCase(code: string): string {
  return code
    .split("-")
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join("");
}

/** At most so many bytes of UTF-8, never half a character. */
function cut(text: string, bytesMax: number): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ");
  if (Buffer.byteLength(clean) <= bytesMax) return clean;
  const bytes = Buffer.from(clean).subarray(0, bytesMax - 3);
  return `${new TextDecoder().decode(bytes).replace(/\uFFFD$/, "")}…`;
}
