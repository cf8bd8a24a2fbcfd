// What a Service says of checks of its peers: headgate.dev/health-check and its sisters.

import { CHECK_ANNOTATION, type CHECK_DETAILS } from "../objects/annotation-keys.ts";
import type { Service } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import type { Problem } from "./edge-model.ts";
import { problemOf } from "./problems.ts";

/** How an edge asks the peers of a Service whether they are well. */
export interface PeerCheck {
  /** http, https: a GET; tcp: a connection; grpc: grpc.health.v1.Health/Check over cleartext HTTP/2. */
  readonly kind: "http" | "https" | "tcp" | "grpc";
  /** 0: the port that gets requests. */
  readonly port: number;
  readonly path: string;
  /** Host of the request; "": the peer's address. */
  readonly host: string;
  /** Of gRPC; "": the server as a whole. */
  readonly service: string;
  /** What a GET may be answered with, both ends included. */
  readonly status: { readonly from: number; readonly to: number };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** In a row, until a peer is used again. */
  readonly passes: number;
  /** In a row, until a peer gets no more requests. */
  readonly fails: number;
}

const KINDS = ["http", "https", "tcp", "grpc"] as const satisfies readonly PeerCheck["kind"][];

const TEXT_LENGTH_MAX = 1024;
const TEXTS = {
  // Visible ASCII without a fragment: it stands in a request line.
  path: { instead: "/", pattern: /^\/[!"$-~]*$/, what: 'a path of visible ASCII, like "/healthz"' },
  host: { instead: "", pattern: /^[A-Za-z0-9._-]{1,253}(:\d{1,5})?$/, what: "a host name" },
  service: { instead: "", pattern: /^[A-Za-z0-9._/-]{1,200}$/, what: "the name of a gRPC service" },
} as const;
const STATUS = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/;

interface NumberRule {
  readonly instead: number;
  readonly min: number;
  readonly max: number;
  readonly what: string;
}

/** Seconds and counts, as Kubernetes has them for probes; a check from outside may be a little more patient. */
const NUMBERS = {
  interval: { instead: 5, min: 1, max: 300, what: "seconds" },
  timeout: { instead: 2, min: 1, max: 60, what: "seconds" },
  passes: { instead: 2, min: 1, max: 100, what: "checks in a row" },
  fails: { instead: 3, min: 1, max: 100, what: "checks in a row" },
  port: { instead: 0, min: 1, max: 65_535, what: "a port" },
} as const satisfies Record<string, NumberRule>;

interface Draft {
  readonly service: Service;
  readonly hosts: readonly string[];
  readonly problems: Problem[];
}

/**
 * The check that a Service with CHECK_ANNOTATION asks for, or null, and what of it cannot be used: then the usual value holds. A kind that
 * cannot be read asks for none: nobody gets fewer requests for a typing error.
 */
export function peerCheckOf(
  service: Service,
  hosts: readonly string[],
): { readonly check: PeerCheck | null; readonly problems: readonly Problem[] } {
  const said = service.meta.annotations[CHECK_ANNOTATION]?.trim().toLowerCase();
  const draft: Draft = { service, hosts, problems: [] };
  const kind = KINDS.find((name) => name === said);
  if (kind === undefined) {
    complain(draft, CHECK_ANNOTATION, "is no kind of check: peers are not checked", `write one of ${KINDS.join(", ")}`);
    return { check: null, problems: draft.problems };
  }
  const check: PeerCheck = {
    kind,
    port: readNumber(draft, "port"),
    path: readText(draft, "path"),
    host: readText(draft, "host"),
    service: readText(draft, "service"),
    status: readStatus(draft),
    intervalMs: readNumber(draft, "interval") * 1000,
    timeoutMs: readNumber(draft, "timeout") * 1000,
    passes: readNumber(draft, "passes"),
    fails: readNumber(draft, "fails"),
  };
  return { check, problems: draft.problems };
}

function keyOf(name: (typeof CHECK_DETAILS)[number]): string {
  return `${CHECK_ANNOTATION}-${name}`;
}

function readNumber(draft: Draft, name: keyof typeof NUMBERS): number {
  const { instead, min, max, what } = NUMBERS[name];
  const said = draft.service.meta.annotations[keyOf(name)]?.trim();
  if (said === undefined) return instead;
  const number = /^\d{1,6}$/.test(said) ? Number(said) : Number.NaN;
  if (number >= min && number <= max) return number;
  const usual = instead === 0 ? "the peer's own port" : String(instead);
  complain(draft, keyOf(name), `is no number from ${min} to ${max}: ${usual} is used`, `write ${what}, without a unit`);
  return instead;
}

function readText(draft: Draft, name: keyof typeof TEXTS): string {
  const { instead, pattern, what } = TEXTS[name];
  const said = draft.service.meta.annotations[keyOf(name)]?.trim();
  if (said === undefined) return instead;
  if (said.length <= TEXT_LENGTH_MAX && pattern.test(said)) return said;
  const usual = instead === "" ? "nothing" : instead;
  complain(draft, keyOf(name), `is not ${what}: ${usual} is used`, `write ${what}`);
  return instead;
}

function readStatus(draft: Draft): PeerCheck["status"] {
  const usual = { from: 200, to: 399 };
  const said = draft.service.meta.annotations[keyOf("status")]?.trim();
  if (said === undefined) return usual;
  const [, from = "", to = from] = STATUS.exec(said) ?? [];
  if (from !== "" && Number(to) >= Number(from)) return { from: Number(from), to: Number(to) };
  complain(
    draft,
    keyOf("status"),
    "is no status: 200-399 is used",
    'write a status or a range, like "200" or "200-299"',
  );
  return usual;
}

function complain({ service, hosts, problems }: Draft, key: string, fault: string, fix: string): void {
  problems.push(
    problemOf(service, {
      code: "annotation-invalid",
      severity: "warning",
      field: `metadata.annotations["${key}"]`,
      message: `"${printable(service.meta.annotations[key] ?? "", 60)}" ${fault}`,
      fix,
      hosts,
    }),
  );
}
