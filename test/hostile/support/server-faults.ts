// What an API server does wrong, for one kind of objects at a time.

import type { FaultAction } from "../../fakes/kube-faults.ts";

export const KINDS = {
  ingresses: "Ingress",
  ingressclasses: "IngressClass",
  services: "Service",
  endpointslices: "EndpointSlice",
  secrets: "Secret",
} as const;
export type Plural = keyof typeof KINDS;

export interface ServerFault {
  readonly name: string;
  readonly plural: Plural;
  /** What the open watch gets; an expired version unless told, so that everything is read anew. */
  readonly watch?: { readonly bytes: string; readonly then?: "end" | "reset" };
  /** What every request for these objects gets, until the fault is over. */
  readonly action: FaultAction;
  /** How many requests meet it; all until it is over unless told. */
  readonly times?: number;
  /** What status says of it. */
  readonly message: RegExp;
}

const GARBAGE = "\u0007\u001b[2J<<<>>> no protocol at all \u202e\n";
const HALF = '{"type":"MODIFIED","object":{"kind":"Service","apiVersion":"v1","metad';
const NAMELESS = '{"type":"ADDED","object":{"kind":"Ingress","apiVersion":"networking.k8s.io/v1","spec":{}}}\n';
const STRANGER = `{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","resourceVersion":"9"}}}\n`;
const SOMETHING_ELSE = /something else than the protocol/;

function of(plural: Plural, message: RegExp): RegExp {
  return new RegExp(`^cannot read ${KINDS[plural]}\\b.*${message.source}`);
}

function bytes(text: string, more: { readonly contentType?: string; readonly reset?: boolean } = {}): FaultAction {
  return { kind: "bytes", bytes: text, ...more };
}

/** Faults of different kinds, which an agent meets at one time. Only one of a batch is of the connection itself. */
export const BATCHES: readonly (readonly ServerFault[])[] = [
  [
    {
      name: "garbage in a watch and in a list",
      plural: "ingresses",
      watch: { bytes: GARBAGE },
      action: bytes(GARBAGE),
      message: of("ingresses", SOMETHING_ELSE),
    },
    {
      name: "half a line of JSON, then the end",
      plural: "services",
      watch: { bytes: HALF, then: "end" },
      action: bytes(HALF),
      message: of("services", SOMETHING_ELSE),
    },
    {
      name: "an ERROR event",
      plural: "endpointslices",
      watch: {
        bytes: `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcd is on fire","code":500}}\n`,
      },
      action: { kind: "status", code: 500, message: "etcd is on fire" },
      message: of("endpointslices", /refused \(500\): etcd is on fire/),
    },
    {
      name: "500 to everything",
      plural: "ingressclasses",
      action: { kind: "status", code: 500, message: "no\u001b[2Jmercy" },
      message: of("ingressclasses", /refused \(500\): no \[2Jmercy/),
    },
    {
      name: "403 for one Secret",
      plural: "secrets",
      action: { kind: "status", code: 403, message: "secrets is forbidden" },
      message: of("secrets", /refused \(403\)/),
    },
  ],
  [
    {
      name: "the page of a login form, in HTML",
      plural: "ingresses",
      action: bytes("<!doctype html><title>Log in</title>", { contentType: "text/html" }),
      message: of("ingresses", SOMETHING_ELSE),
    },
    {
      name: "an empty answer",
      plural: "services",
      action: bytes(""),
      message: of("services", SOMETHING_ELSE),
    },
    {
      name: "a reset in the middle of an answer",
      plural: "endpointslices",
      watch: { bytes: HALF, then: "reset" },
      action: bytes(HALF, { reset: true }),
      message: /^http:\S+ cannot be read since \d{4}-\d\d-\d\dT/,
    },
    {
      name: "429, come again in a second",
      plural: "ingressclasses",
      action: { kind: "status", code: 429, retryAfterS: 1, message: "too many requests" },
      message: of("ingressclasses", /refused \(429\): too many requests/),
    },
    {
      name: "a list of items without metadata",
      plural: "secrets",
      action: bytes(
        '{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"2000"},"items":[{"data":{}},7,null]}',
      ),
      message: of("secrets", SOMETHING_ELSE),
    },
  ],
  [
    {
      name: "an event whose object has no metadata",
      plural: "ingresses",
      watch: { bytes: NAMELESS },
      action: bytes(NAMELESS),
      message: of("ingresses", SOMETHING_ELSE),
    },
    {
      name: "objects of another kind",
      plural: "services",
      watch: { bytes: STRANGER },
      action: bytes('{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"2000"},"items":[]}'),
      message: of("services", SOMETHING_ELSE),
    },
    {
      name: "an event of 17 MB on one line",
      plural: "endpointslices",
      watch: { bytes: `{"type":"ADDED","object":{"kind":"${"x".repeat(17 * 1024 * 1024)}` },
      action: bytes("[".repeat(100_000)),
      message: of("endpointslices", SOMETHING_ELSE),
    },
    {
      name: "no answer at all",
      plural: "ingressclasses",
      action: { kind: "hang" },
      // A list may take a minute: the agent shall not begin a second one that hangs.
      times: 1,
      message: /^http:\S+ cannot be read since \d{4}-\d\d-\d\dT.*: /,
    },
    {
      name: "a list without a version",
      plural: "secrets",
      action: bytes('{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[]}'),
      message: of("secrets", SOMETHING_ELSE),
    },
  ],
];
