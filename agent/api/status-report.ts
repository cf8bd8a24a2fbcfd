// What the loop knows → the report of `headgate status`, worst first. A function of its input alone.

import { ageText } from "../lib/age.ts";
import type { Backend, BackendKey, BuiltHost, EdgeModel, Problem, Route } from "../model/edge-model.ts";
import { compareText } from "../objects/objects.ts";
import type { SourceState } from "../store/source.ts";
import { problemStatuses } from "./problem-status.ts";
import { WIRE_VERSION } from "./wire.ts";
import type {
  ComponentStatus,
  ConditionStatus,
  EjectedPeerStatus,
  HostStatus,
  ProblemStatus,
  StatusReport,
} from "./wire.ts";

export interface NginxStatus {
  /** `unknown`: not looked for yet. */
  readonly state: "unknown" | "running" | "down";
  readonly masterPid: number | null;
  readonly version: string | null;
  /** When `state` began. */
  readonly since: number | null;
}

export interface StatusInput {
  readonly edge: string;
  readonly version: string;
  readonly now: number;
  readonly source: SourceState;
  /** When the objects in use came from the snapshot on disk: how old it is; null otherwise. */
  readonly snapshotFrom: number | null;
  readonly model: EdgeModel;
  /** Problems that the model's values do not hold: refused objects, refused documents. */
  readonly problems: readonly Problem[];
  readonly conditions: readonly ConditionStatus[];
  /** As nginx says; empty too where it does not answer. */
  readonly ejected: ReadonlyMap<BackendKey, readonly EjectedPeerStatus[]>;
  readonly nginx: NginxStatus;
  /** Generation of the documents, as the data plane confirmed it. */
  readonly generation: number | null;
  readonly appliedAt: number | null;
  readonly reloads: StatusReport["reloads"];
  readonly pushes: StatusReport["pushes"];
}

export function buildStatusReport(input: StatusInput): StatusReport {
  const problems = collectProblems(input);
  return {
    apiVersion: WIRE_VERSION,
    edge: input.edge,
    version: input.version,
    nginxVersion: input.nginx.version,
    state: overallState(input, problems),
    generation: input.generation,
    appliedAt: input.appliedAt,
    now: input.now,
    components: [nginxComponent(input), sourceComponent(input)],
    hosts: collectHosts(input),
    problems,
    conditions: input.conditions,
    reloads: input.reloads,
    pushes: input.pushes,
  };
}

function overallState(input: StatusInput, problems: readonly ProblemStatus[]): StatusReport["state"] {
  const known = input.source.synced || input.snapshotFrom !== null;
  if (input.nginx.state === "down") return "down";
  if (input.nginx.state === "unknown" || input.generation === null || !known) return "starting";
  const troubled = input.conditions.some((condition) => condition.severity !== "info");
  return troubled || problems.some((problem) => problem.severity === "error") ? "degraded" : "serving";
}

function nginxComponent({ nginx, reloads, now }: StatusInput): ComponentStatus {
  const { since } = nginx;
  if (nginx.state !== "running") {
    const detail = since === null ? "" : `for ${ageText(now - since)}`;
    return { name: "NGINX", state: nginx.state === "down" ? "down" : "starting", detail, since };
  }
  const reason = reloads.lastReason === null ? "" : ` (${reloads.lastReason})`;
  const reloaded = reloads.lastAt === null ? "not reloaded" : `reloaded ${ageText(now - reloads.lastAt)} ago${reason}`;
  const pid = nginx.masterPid === null ? "" : `pid ${nginx.masterPid}, `;
  return { name: "NGINX", state: "running", detail: `${pid}${reloaded}`, since };
}

function sourceComponent({ source, snapshotFrom, now }: StatusInput): ComponentStatus {
  const name = source.kind === "kubernetes" ? "KUBERNETES" : "MANIFESTS";
  const event = source.lastEventAt === null ? "" : `last change ${ageText(now - source.lastEventAt)} ago`;
  const snapshot = snapshotFrom === null ? "" : `serving what was known ${ageText(now - snapshotFrom)} ago`;
  const trouble = source.troubles[0];
  const parts = (...all: readonly string[]): string => all.filter((part) => part !== "").join(", ");
  if (trouble !== undefined) {
    const detail = parts(`for ${ageText(now - trouble.since)}: ${trouble.message}`, snapshot, event);
    return { name, state: source.synced ? "troubled" : "lost", detail, since: trouble.since };
  }
  const state = source.synced ? "synced" : "starting";
  return { name, state, detail: parts(event, snapshot, source.location), since: source.lastEventAt };
}

function collectHosts({ model, ejected }: StatusInput): readonly HostStatus[] {
  const backends = new Map<BackendKey, Backend>();
  for (const built of model.backends.values()) for (const backend of built.backends) backends.set(backend.key, backend);
  const rows: HostStatus[] = [];
  for (const built of model.hosts.values()) rows.push(...hostRows(built, { backends, ejected }));
  const rank = ({ healthy, ejected: out = [] }: HostStatus): number => (healthy ? (out.length > 0 ? 1 : 2) : 0);
  return rows.toSorted((a, b) => rank(a) - rank(b) || compareText(a.host, b.host) || compareText(a.service, b.service));
}

interface KnownBackends {
  readonly backends: ReadonlyMap<BackendKey, Backend>;
  readonly ejected: StatusInput["ejected"];
}

/** One row for each Service of the host, and one for each reason why routes of it are closed. */
function hostRows(built: BuiltHost, known: KnownBackends): readonly HostStatus[] {
  const { host } = built;
  if (host === null) return [];
  const rows = new Map<string, HostStatus>();
  for (const route of built.routes) {
    const others = route.filters.find((filter) => filter.kind === "split")?.alternatives ?? [];
    for (const { backend } of [route, ...others]) {
      const row = serviceRow(host.name, backend, route, known);
      rows.set(`${row.service} ${row.state}`, row);
    }
  }
  return [...rows.values()];
}

function serviceRow(
  host: string,
  key: BackendKey | null,
  { closed, filters }: Route,
  { backends, ejected }: KnownBackends,
): HostStatus {
  const service = key === null ? "" : serviceText(key);
  const nothing = { host, service, ready: 0, total: 0, draining: 0, healthy: false, ejected: [] };
  if (closed !== null) return { ...nothing, state: `closed: ${closed.reason}` };
  const backend = key === null ? undefined : backends.get(key);
  const redirects = filters.some(({ kind }) => kind === "redirect");
  if (backend === undefined && redirects) return { ...nothing, state: "redirects", healthy: true };
  if (backend === undefined) return { ...nothing, state: "no backend" };
  return {
    host,
    service,
    ready: backend.peers.length,
    total: backend.peers.length + backend.notReady,
    draining: backend.draining,
    state: backend.peers.length > 0 ? "ok" : (backend.reason ?? "no ready endpoints"),
    healthy: backend.peers.length > 0,
    ejected: ejected.get(backend.key) ?? [],
  };
}

/** "store/web/80" → "store/web:80" */
function serviceText(key: BackendKey): string {
  const slash = key.lastIndexOf("/");
  return `${key.slice(0, slash)}:${key.slice(slash + 1)}`;
}

/** All problems: of the model's values, and those beside them. */
function collectProblems(input: StatusInput): readonly ProblemStatus[] {
  const { hosts, backends, certificates } = input.model;
  const built = [...hosts.values(), ...backends.values(), ...certificates.values()];
  return problemStatuses([...input.problems, ...built.flatMap(({ problems }) => problems)]);
}
