// What the agent's socket and loopback port answer, from the parts of the edge.

import { setTimeout as delay } from "node:timers/promises";
import { buildExplainReport, type ExplainInput } from "../api/explain.ts";
import { compareLive } from "../api/explain-live.ts";
import { createMetrics } from "../api/metrics.ts";
import { buildChecks, type Check } from "../api/readiness.ts";
import type { ApiInputs, ExplainQuery } from "../api/server.ts";
import { shownValue } from "../api/shown-document.ts";
import { buildStatusReport } from "../api/status-report.ts";
import {
  type AcceptReport,
  type ExplainReport,
  type RenderReport,
  type StatusReport,
  WIRE_VERSION,
} from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { problemsOfNoKey } from "../loop/builders.ts";
import type { Problem } from "../model/edge-model.ts";
import { decideRequest, serverNameOf } from "../model/match.ts";
import { documentProblems } from "../model/document-problems.ts";
import { refusalProblems } from "../model/problems.ts";
import type { Edge } from "./edge.ts";
import { Planner } from "./plan.ts";

const LIVE_MS_MAX = 2000;
const PEERS_MS_MAX = 500;
const LIVE_LOOKS = 4;
const LIVE_AGAIN_MS = 150;

type Ejected = Parameters<typeof buildStatusReport>[0]["ejected"];

export function apiInputs(edge: Edge): ApiInputs {
  // What nginx says of peers it says in its own metrics.
  const report = (): StatusReport => statusReport(edge, new Map());
  const metrics = createMetrics(report, () =>
    [...edge.builder.model.certificates.values()].flatMap(({ certificate }) => certificate ?? []),
  );
  const planner = new Planner(edge);
  return {
    report: async () => statusReport(edge, await ejectedPeers(edge)),
    explain: (query) => (query.live ? explainLive(edge, query) : buildExplainReport(explainInput(edge, query))),
    render: () => renderReport(edge),
    accept: (kind) => acceptReport(edge, kind),
    plan: (request, signal) => planner.plan(request, signal),
    health: () => [loopCheck(edge)],
    readiness: () => readiness(edge),
    metrics: () => metrics.text(),
    dataPlaneMetrics: (signal) => edge.nginx.metrics(signal),
  };
}

function explainInput(edge: Edge, query: ExplainQuery): ExplainInput {
  const { httpsPort, traffic } = edge.configurator.inForce;
  return {
    ...query,
    model: edge.builder.model,
    decide: (model, request) => decideRequest(model, request, traffic.http),
    serverNameOf,
    httpsPort,
    staleSince: edge.staleSince,
  };
}

/** With nginx's own answer. A difference is looked at again: a push may be in flight. */
async function explainLive(edge: Edge, query: ExplainQuery): Promise<ExplainReport> {
  const { url, target, headers } = query;
  const scheme = url.protocol === "https:" ? "https" : "http";
  const asked = { host: url.host, path: target, scheme, headers } as const;
  for (let look = 1; ; look++) {
    const live = await edge.nginx.explain(asked, AbortSignal.timeout(LIVE_MS_MAX));
    const { ejected, lastRequestAt } = live;
    const input = explainInput(edge, query);
    const differences = compareLive(input, live);
    if (differences.length === 0 || look === LIVE_LOOKS)
      return { ...buildExplainReport(input), live: { differences, ejected, lastRequestAt } };
    await delay(LIVE_AGAIN_MS);
  }
}

/** nginx may be down, or of before it knew: then nothing is said. */
async function ejectedPeers(edge: Edge): Promise<Ejected> {
  try {
    return await edge.nginx.ejected(AbortSignal.timeout(PEERS_MS_MAX));
  } catch (thrown) {
    if (!(thrown instanceof AgentError)) throw thrown;
    return new Map();
  }
}

function statusReport(edge: Edge, ejected: Ejected): StatusReport {
  const { config, facts } = edge.prepared;
  const { generation, appliedAt, pushes, documents } = edge.reconciler.facts;
  const down = edge.health.has("nginx-down");
  return buildStatusReport({
    edge: config.edge,
    version: VERSION,
    now: Date.now(),
    source: edge.source.state(),
    snapshotFrom: edge.snapshotFrom,
    model: edge.builder.model,
    problems: problems(edge),
    conditions: edge.health.list(),
    ejected,
    nginx: {
      state: down ? "down" : edge.nginx.masterPid === null ? "unknown" : "running",
      masterPid: edge.nginx.masterPid,
      version: facts.version,
      since: edge.nginxSince,
    },
    generation,
    appliedAt,
    reloads: edge.configurations.reloads,
    pushes: { total: pushes, documents },
  });
}

/** Problems that the values of the model do not hold. */
function problems(edge: Edge): readonly Problem[] {
  return [
    ...refusalProblems(edge.store.refusals()),
    ...documentProblems(edge.documents.refusals()),
    ...problemsOfNoKey(edge.store, edge.settings),
  ];
}

function loopCheck(edge: Edge): Check {
  const stuckMs = edge.reconciler.stuckMs();
  return stuckMs === null
    ? { name: "loop", state: "ok", detail: "" }
    : { name: "loop", state: "failed", detail: `a round is stuck for ${Math.round(stuckMs / 1000)} s` };
}

function readiness(edge: Edge): readonly Check[] {
  return buildChecks({
    source: edge.source.state(),
    snapshotLoaded: edge.restored,
    nginxRunning: edge.nginx.masterPid !== null && !edge.health.has("nginx-down"),
    dataPlaneVerified: edge.reconciler.facts.verified,
    conditions: edge.health.list(),
  });
}

function renderReport(edge: Edge): RenderReport {
  const documents = [...edge.builder.wanted.values()].map((document) => {
    return { kind: document.kind, key: document.key, value: shownValue(document) };
  });
  return { apiVersion: WIRE_VERSION, files: edge.configurator.runningFiles(), documents };
}

/** Throws AgentError usage when nothing of a named kind is held back. */
function acceptReport(edge: Edge, kind: string | null): AcceptReport {
  const held = edge.holds().map((hold) => hold.kind);
  const wanted = kind === null ? null : held.find((name) => name.toLowerCase() === kind.toLowerCase());
  if (wanted === undefined) {
    const hint = held.length === 0 ? "Nothing is held back." : `Held back are: ${held.join(", ")}.`;
    throw new AgentError("usage", `cannot accept ${JSON.stringify(kind)}: no list of that kind is held back`, { hint });
  }
  const accepted = [...edge.accept(wanted)].map(([name, objects]) => ({ kind: name, objects }));
  for (const fields of accepted) edge.prepared.log.info("A list that was held back is accepted", fields);
  return { apiVersion: WIRE_VERSION, accepted };
}
