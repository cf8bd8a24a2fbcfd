// What the agent's socket answers, shared by agent and CLI. Additive only: fields are never renamed or removed.
// HTTP on a unix socket: GET /v1/status → StatusReport, GET /v1/explain?method=&url= → ExplainReport,
// (with &live=1 also what nginx says), GET /v1/render → RenderReport, POST /v1/plan with a PlanRequest → PlanReport,
// POST /v1/accept with an AcceptRequest → AcceptReport. Errors: status ≥ 400 with WireError.

import type { KubernetesObject } from "../objects/objects.ts";
import type { Refusal } from "../store/source.ts";

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
  /** Peers among those that are ready which get no requests for a while, for they failed. An older agent says nothing. */
  readonly ejected?: readonly EjectedPeerStatus[];
}
export interface EjectedPeerStatus {
  /** "10.0.0.1:80" */
  readonly address: string;
  /** "connect", "timeout", "reset" or "status 503". */
  readonly cause: string;
  readonly since: number;
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
  /** What nginx says of the same request, where it was asked; null where it was not. */
  readonly live: ExplainLive | null;
}
/** nginx's own decision, held against the model's. */
export interface ExplainLive {
  /** Empty: they agree. */
  readonly differences: readonly ExplainDifference[];
  /** Peers that get no requests for a while, for they failed. An older agent says nothing. */
  readonly ejected?: readonly string[];
  /** When the route got its last request, to the second; null: none since nginx started. An older agent says nothing. */
  readonly lastRequestAt?: number | null;
}
export interface ExplainDifference {
  /** "host", "route", "action", "status", "target", "location" or "peers". */
  readonly what: string;
  readonly model: string;
  readonly nginx: string;
  readonly hint: string;
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

/** A longer body of POST /v1/plan is refused: what is tried stands in the agent's memory. */
export const PLAN_BYTES_MAX = 8 * 1024 * 1024;

/** Body of POST /v1/plan. Manifests are read by whoever asks: YAML would cost the agent's time and memory. */
export interface PlanRequest {
  /** Of whoever asks. Objects are as that version trims them, so the agent takes no other than its own. */
  readonly version: string;
  /** `overlay`: the objects are put over those that the agent knows; `replace`: they are all there is. */
  readonly mode: "overlay" | "replace";
  readonly given: GivenObjects;
  /** Objects that these name are taken away. */
  readonly deletions: GivenObjects;
  /** Give values of documents and texts of files too, before and after. */
  readonly values: boolean;
}
/** What stands in manifests: objects, and what is wrong with the rest. */
export interface GivenObjects {
  readonly objects: readonly KubernetesObject[];
  readonly refusals: readonly Refusal[];
}

/** What applying would do. Nothing was changed. */
export interface PlanReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly edge: string;
  /** Since when the source does not answer, so that the plan starts from old knowledge; null while it does. */
  readonly staleSince: number | null;
  /** One for each object that was given, and for each other one that gets or loses a problem. */
  readonly objects: readonly PlannedObject[];
  /** In the order of the push. */
  readonly documents: readonly PlannedDocument[];
  /** Why nginx would reload; null: it would not. */
  readonly reload: string | null;
  /** nginx files that differ; empty unless `values` was asked for. */
  readonly files: readonly PlannedFile[];
  readonly newProblems: readonly ProblemStatus[];
  readonly goneProblems: readonly ProblemStatus[];
  /** What only applying can tell. */
  readonly notes: readonly string[];
}
export interface PlannedObject {
  /** "Ingress shop/web" */
  readonly object: string;
  readonly where: string;
  /** `none`: it is what the agent knows already; `touched`: not given, but its problems change. */
  readonly action: "create" | "change" | "delete" | "none" | "refused" | "touched";
  /** Hosts whose documents change with it. */
  readonly hosts: readonly string[];
  readonly documents: readonly { readonly kind: string; readonly key: string; readonly change: DocumentChange }[];
  readonly newProblems: readonly ProblemStatus[];
  readonly goneProblems: readonly ProblemStatus[];
}
export type DocumentChange = "add" | "change" | "delete";
export interface PlannedDocument {
  readonly kind: string;
  readonly key: string;
  readonly change: DocumentChange;
  /** null where there is none, and where values were not asked for. What is secret is left out. */
  readonly before: unknown;
  readonly after: unknown;
}
export interface PlannedFile {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** What `headgate lint` says; no agent takes part. */
export interface LintReport {
  readonly apiVersion: typeof WIRE_VERSION;
  readonly files: number;
  /** Objects that were read. */
  readonly objects: number;
  /** Ingresses that another controller serves, by the configuration: nothing is said about them. */
  readonly foreignIngresses: number;
  readonly problems: readonly ProblemStatus[];
  /** What cannot be told without an agent. */
  readonly notes: readonly string[];
}
