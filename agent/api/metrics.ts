// The agent's own metrics, from the same report that `headgate status` shows. Names of hosts are not labels: a cluster
// has thousands, and a label value stays in memory for ever.

import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { Certificate } from "../model/edge-model.ts";
import type { StatusReport } from "./wire.ts";

export interface AgentMetrics {
  /** The Prometheus text of now. */
  text(): Promise<string>;
}

const PREFIX = "headgate_agent_";
/** What the library measures by a timer that wakes this process a hundred times a second: most of what it does idle. */
const TIMED = ["min", "max", "mean", "stddev", "p50", "p90", "p99"];
const NEVER_MS = 86_400_000;

const STATES = ["serving", "degraded", "starting", "down"] as const satisfies readonly StatusReport["state"][];

/** A certificate that hosts use; its Secret is its key. */
export type ServedCertificate = Pick<Certificate, "key" | "notAfter">;

/** Those that expire first: a cluster of more has other tools for it. */
const CERTIFICATES_MAX = 1000;

/** Both are asked at each scrape. One set of metrics for each agent, no global registry. */
export function createMetrics(
  report: () => StatusReport,
  certificates: () => readonly ServedCertificate[],
): AgentMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of TIMED) registry.removeSingleMetric(`${PREFIX}nodejs_eventloop_lag_${name}_seconds`);
  const gauge = <const L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: `headgate_${name}`, help, labelNames, registers: [registry] });
  const counter = (name: string, help: string): Counter =>
    new Counter({ name: `headgate_${name}`, help, registers: [registry] });

  const info = gauge("info", "Always 1; the versions are labels.", ["version", "nginx"]);
  const state = gauge("state", "1 for the state of this edge, 0 for the others.", ["state"]);
  const generation = gauge("generation", "Generation of the documents that the data plane holds.");
  const applied = gauge("last_applied_timestamp_seconds", "When documents were applied last.");
  const event = gauge("source_last_event_timestamp_seconds", "When the state of a component changed last.", [
    "component",
  ]);
  const hosts = gauge("backends", "Services behind hosts, by whether they have a peer.", ["healthy"]);
  const problems = gauge("problems", "Faults of objects.", ["severity"]);
  const conditions = gauge("conditions", "Faults of this machine, by code.", ["code"]);
  const expiry = gauge("certificate_expires_timestamp_seconds", "When a certificate expires.", ["namespace", "secret"]);
  const reloads = counter("reloads_total", "Reloads of nginx.");
  const pushes = counter("pushes_total", "Changes that needed no reload.");
  const documents = counter("confirmed_documents_total", "Documents that the data plane confirmed.");

  const collect = (now: StatusReport): void => {
    for (const metric of [info, event, conditions, expiry]) metric.reset();
    info.set({ version: now.version, nginx: now.nginxVersion ?? "" }, 1);
    for (const name of STATES) state.set({ state: name }, name === now.state ? 1 : 0);
    generation.set(now.generation ?? 0);
    applied.set((now.appliedAt ?? 0) / 1000);
    for (const { name, since } of now.components) {
      if (since !== null) event.set({ component: name.toLowerCase() }, since / 1000);
    }
    for (const healthy of [true, false]) {
      hosts.set({ healthy: String(healthy) }, now.hosts.filter((host) => host.healthy === healthy).length);
    }
    for (const severity of ["error", "warning"] as const) {
      problems.set({ severity }, now.problems.filter((problem) => problem.severity === severity).length);
    }
    for (const { code } of now.conditions) conditions.inc({ code });
    tellExpiry(expiry, certificates());
    const totals: readonly (readonly [Counter, number])[] = [
      [reloads, now.reloads.total],
      [pushes, now.pushes.total],
      [documents, now.pushes.documents],
    ];
    for (const [metric, total] of totals) {
      metric.reset();
      metric.inc(total);
    }
  };
  return {
    text: async () => {
      collect(report());
      return await registry.metrics();
    },
  };
}

function tellExpiry(expiry: Gauge<"namespace" | "secret">, certificates: readonly ServedCertificate[]): void {
  const first = certificates.toSorted((a, b) => a.notAfter - b.notAfter);
  for (const { key, notAfter } of first.slice(0, CERTIFICATES_MAX)) {
    const [namespace = "", secret = ""] = key.split("/");
    expiry.set({ namespace, secret }, notAfter / 1000);
  }
}
