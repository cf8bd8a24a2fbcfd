// Values for tests of reports.

import type { StatusInput } from "../../../agent/api/status-report.ts";
import type { Backend, BuiltHost, EdgeModel, Problem, Route } from "../../../agent/model/edge-model.ts";
import { type ClientRequest, type Decision, decideRequest } from "../../../agent/model/match.ts";
import { HTTPS_REDIRECTS } from "../../routing/cases.ts";
import { NO_TIMES } from "../../../agent/model/ingress/times.ts";

/** As without settings. */
export const decide = (edge: EdgeModel, request: ClientRequest): Decision =>
  decideRequest(edge, request, HTTPS_REDIRECTS);

export const NOW = 1_800_000_000_000;

export function route(host: string, service: string | null, more: Partial<Route> = {}): Route {
  return {
    key: `shop/${host}/${service ?? "closed"}`,
    ingress: { kind: "Ingress", namespace: "shop", name: "web" },
    host,
    path: "/",
    matchType: "Prefix",
    backend: service === null ? null : `shop/${service}/80`,
    closed: null,
    sslRedirect: "certificate",
    filters: [],
    protocol: "http",
    upstreamTls: null,
    times: NO_TIMES,
    balance: null,
    ...more,
  };
}

export function builtHost(name: string, routes: readonly Route[], problems: readonly Problem[] = []): BuiltHost {
  const prefixes = new Map(routes.map((each) => [each.path, each.key]));
  const host = {
    name,
    aliasOf: null,
    exact: new Map(),
    prefixes,
    expressions: [],
    fallback: null,
    strictPaths: false,
  };
  return { host, routes, serverName: null, problems, shadowed: [] };
}

export function backend(service: string, peers: number, more: Partial<Backend> = {}): Backend {
  return {
    key: `shop/${service}/80`,
    namespace: "shop",
    service,
    port: "80",
    peers: Array.from({ length: peers }, (_, index) => ({ address: `10.0.0.${index + 1}`, port: 8080, weight: 1 })),
    notReady: 0,
    draining: 0,
    reason: null,
    ...more,
  };
}

export function problem(more: Partial<Problem> = {}): Problem {
  return {
    code: "host-invalid",
    severity: "error",
    object: { kind: "Ingress", namespace: "shop", name: "web" },
    where: "shop.yaml:1",
    field: "spec.rules[0].host",
    message: '"a b" is no host name',
    fix: "write a host name",
    hosts: [],
    ...more,
  };
}

export function model(hosts: readonly BuiltHost[], backends: readonly Backend[]): EdgeModel {
  return {
    hosts: new Map(hosts.map((built) => [built.host?.name ?? "", built])),
    backends: new Map(
      backends.map((each) => [
        `${each.namespace}/${each.service}`,
        { backends: [each], problems: [], externalName: null },
      ]),
    ),
    certificates: new Map(),
  };
}

export function statusInput(more: Partial<StatusInput> = {}): StatusInput {
  return {
    edge: "edge-3",
    version: "0.1.0",
    now: NOW,
    source: { kind: "manifests", location: "/m", synced: true, lastEventAt: NOW - 4000, troubles: [] },
    snapshotFrom: null,
    model: model([], []),
    problems: [],
    conditions: [],
    ejected: new Map(),
    nginx: { state: "running", masterPid: 812, version: "1.26.3", since: NOW - 60_000 },
    generation: 42,
    appliedAt: NOW - 12_000,
    reloads: { total: 2, lastAt: NOW - 3 * 3_600_000, lastReason: "new listener" },
    pushes: { total: 7, documents: 30 },
    ...more,
  };
}
