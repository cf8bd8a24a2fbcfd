// What the agent's socket answers, shared by agent and CLI. Additive only: fields are never renamed or removed.
// HTTP on a unix socket: GET /v1/status → StatusReport, GET /v1/explain?method=&url= → ExplainReport,
// GET /v1/render → RenderReport, POST /v1/accept with an AcceptRequest → AcceptReport. Errors: status ≥ 400 with WireError.

export const WIRE_VERSION = "headgate/v1";

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

export interface StatusReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly edge: string;
  readonly version: string;
  /** Of the nginx that runs; null while it does not answer. */
  readonly nginxVersion: string | null;
  /** Worst first in meaning: `down` does not serve, `degraded` serves but something needs a hand. */
  readonly state: "serving" | "degraded" | "starting" | "down";
  /** Generation of the documents the data plane holds, as it said itself; null while it does not answer. */
  readonly generation: number | null;
  readonly appliedAt: number | null;
  readonly now: number;
  readonly components: readonly ComponentStatus[];
  readonly hosts: readonly HostStatus[];
  readonly problems: readonly ProblemStatus[];
  readonly conditions: readonly ConditionStatus[];
  readonly reloads: { readonly total: number; readonly lastAt: number | null; readonly lastReason: string | null };
  /** Document changes that needed no reload. */
  readonly pushes: { readonly total: number; readonly documents: number };
}

/** One line of the head: "NGINX  running  pid 812, reloaded 3h ago". */
export interface ComponentStatus {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  /** When `state` began or the last event came, whichever the detail speaks of; null for never. */
  readonly since: number | null;
}

/** One Service behind one host. */
export interface HostStatus {
  readonly host: string;
  readonly service: string;
  readonly ready: number;
  readonly total: number;
  readonly draining: number;
  /** "ok", or why not: "no ready endpoints", "closed: …". */
  readonly state: string;
  readonly healthy: boolean;
}

export interface ProblemStatus {
  readonly code: string;
  readonly severity: "error" | "warning";
  /** "Ingress shop/web"; "" where the document does not say. */
  readonly object: string;
  readonly where: string;
  readonly field: string;
  readonly message: string;
  readonly fix: string;
  readonly hosts: readonly string[];
}

/** A fault of this machine or of what it talks to, not of an object. */
export interface ConditionStatus {
  readonly code: string;
  readonly severity: "error" | "warning" | "info";
  readonly message: string;
  readonly hint: string;
  readonly since: number;
}

export interface ExplainReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly request: { readonly method: string; readonly url: string; readonly host: string; readonly path: string };
  /** In the order of the decision: listen, host, path, target. */
  readonly steps: readonly ExplainStep[];
  readonly candidates: readonly ExplainCandidate[];
  readonly answer: ExplainAnswer;
  /** How old the knowledge is when the source does not answer: since when; null while it does. */
  readonly staleSince: number | null;
}
export interface ExplainStep {
  readonly step: string;
  readonly value: string;
  readonly why: string;
}
/** A rule that could have taken the request. `lost` is null for the winner. */
export interface ExplainCandidate {
  readonly object: string;
  readonly host: string;
  readonly path: string;
  readonly pathType: string;
  readonly lost: string | null;
}
export type ExplainAnswer =
  | { readonly kind: "proxy"; readonly service: string; readonly peers: readonly string[] }
  | { readonly kind: "redirect"; readonly status: number; readonly location: string }
  | { readonly kind: "refuse"; readonly status: number; readonly reason: string };

export interface RenderReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Keys of certificates are left out. */
  readonly documents: readonly { readonly kind: string; readonly key: string; readonly value: unknown }[];
}

/** Body of POST /v1/accept: the kind whose list is believed now; null: all that are held back. */
export interface AcceptRequest {
  readonly kind: string | null;
}
/** What was let through: how many objects that the source's list lacks are gone now. */
export interface AcceptReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly accepted: readonly { readonly kind: string; readonly objects: number }[];
}
