// What would happen to a request, and why: the model's own decision, told step by step.

import type { Candidate, ClientRequest, Decision, Match } from "../model/match.ts";
import type { EdgeModel, Filter, Peer } from "../model/edge-model.ts";
import { hostPort } from "../lib/host-port.ts";
import { refText } from "../objects/objects.ts";
import { WIRE_VERSION } from "./wire.ts";
import type { ExplainAnswer, ExplainCandidate, ExplainReport, ExplainStep } from "./wire.ts";

export interface ExplainInput {
  readonly method: string;
  readonly url: URL;
  /** Path and query as they were written: a URL resolves "/../" before anybody can say what nginx makes of it. */
  readonly target: string;
  /** By name in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly model: EdgeModel;
  /** The model's matcher: this room shows what is decided and decides nothing. */
  readonly decide: (model: EdgeModel, request: ClientRequest) => Decision;
  readonly serverNameOf: (hosts: EdgeModel["hosts"], host: string) => string | null;
  /** The port that http requests are redirected to. */
  readonly httpsPort: number;
  readonly staleSince: number | null;
}

/** What the model decides about the request. */
export function decisionOf({ decide, model, url, target, headers = {} }: ExplainInput): Decision {
  return decide(model, { host: url.host, target, client: null, secure: url.protocol === "https:", headers });
}

export function buildExplainReport(input: ExplainInput): ExplainReport {
  const { method, url, target, model } = input;
  const decision = decisionOf(input);
  const { match } = decision;
  return {
    apiVersion: WIRE_VERSION,
    request: { method, url: url.href, host: match.host, path: match.path },
    steps: [
      listenStep(input, match),
      ...hostStep(match),
      ...pathStep(decision),
      ...certificateStep(decision),
      ...guardSteps(decision.match),
      ...askStep(decision),
      ...targetStep(decision, model),
    ],
    candidates: match.candidates.map(candidate),
    answer: answerOf(decision, input, target),
    staleSince: input.staleSince,
    live: null,
  };
}

function listenStep({ url, model, serverNameOf }: ExplainInput, match: Match): ExplainStep {
  if (url.protocol === "http:") return { step: "listen", value: "http", why: "" };
  const name = serverNameOf(model.hosts, match.host);
  const { certificate = null, second } = (name === null ? null : model.hosts.get(name)?.serverName) ?? {};
  const beside = second === undefined ? "" : ` or ${second}`;
  const value = certificate === null ? "https, default certificate" : `https, certificate ${certificate}${beside}`;
  const why = name === null ? "no Ingress has this name in `tls`" : `name ${name}`;
  return { step: "listen", value, why };
}

function hostStep({ host, table }: Match): readonly ExplainStep[] {
  if (table === null) return [];
  return [{ step: "host", value: table === "_" ? "(any)" : table, why: whyTable(host, table) }];
}

function whyTable(host: string, table: string): string {
  if (table === host) return "exact";
  if (table === "_") return "no host name matches";
  return table.startsWith("*.") ? "wildcard" : "by server-alias";
}

function pathStep({ match }: Decision): readonly ExplainStep[] {
  const { outcome } = match;
  if (outcome.kind === "refuse") return [];
  const { route, by } = outcome;
  const value = by === "fallback" || by === "default" ? "default backend" : `${route.matchType} ${route.path}`;
  const reasons = {
    exact: "an exact path wins",
    prefix: "the longest prefix wins",
    expression: "the longest expression that matches wins",
    fallback: "no path of the host matches",
    default: "no path matches, and the host has no default backend",
  } as const satisfies Record<typeof by, string>;
  return [{ step: "path", value, why: `${refText(route.ingress)}: ${reasons[by]}` }];
}

// Whether a client has one is not known here: the answer is that to a client who has.
function certificateStep({ match: { outcome } }: Decision): readonly ExplainStep[] {
  if (outcome.kind === "refuse") return [];
  const guard = outcome.route.filters.find((filter) => filter.kind === "client_certificate");
  if (guard === undefined) return [];
  const { verify, match, policy } = guard;
  const whose = match === "" ? "" : `, of a subject that matches ${match}`;
  return [{ step: "client certificate", value: `${verify}${whose}`, why: `policy ${policy}` }];
}

// Nobody is asked for an explanation.
function askStep({ match: { outcome }, status }: Decision): readonly ExplainStep[] {
  if (outcome.kind === "refuse" || status !== 200) return [];
  const auth = outcome.route.filters.find((filter) => filter.kind === "external_auth");
  if (auth === undefined) return [];
  return [{ step: "ask", value: `${auth.scheme}://${auth.host}`, why: "auth-url: only what it lets pass goes on" }];
}

function guardSteps({ outcome }: Match): readonly ExplainStep[] {
  if (outcome.kind === "refuse" || outcome.route.closed !== null) return [];
  return outcome.route.filters.flatMap((filter) => guardStep(filter) ?? []);
}

// What is left out of the decision: it depends on who asks, and how often.
function guardStep(filter: Filter): ExplainStep | null {
  if (filter.kind === "access") {
    return { step: "guard", value: "addresses", why: "taken as let in: the client's address is not known" };
  }
  if (filter.kind === "limit") {
    const rates = filter.rates.map(({ requests, periodS, burst }) => `${requests} in ${periodS}s (burst ${burst})`);
    const most = [...rates, ...(filter.connections === 0 ? [] : [`${filter.connections} at a time`])];
    return { step: "guard", value: "limit", why: `taken as let in: requests of a client, ${most.join(", ")}` };
  }
  if (filter.kind === "basic_auth") {
    return { step: "guard", value: "password", why: `would ask for a user of ${filter.users}` };
  }
  return null;
}

function targetStep({ match, rewritten, chosen, instead }: Decision, model: EdgeModel): readonly ExplainStep[] {
  if (match.outcome.kind === "refuse" || match.outcome.route.backend === null) return [];
  const key = instead ?? chosen?.backend ?? match.outcome.route.backend;
  const backend = backendOf(model, key);
  const left = [
    backend === undefined || backend.notReady === 0 ? "" : `${backend.notReady} not ready`,
    backend === undefined || backend.draining === 0 ? "" : `${backend.draining} draining`,
  ].filter((part) => part !== "");
  const peers = backend === undefined || backend.peers.length === 0 ? "no peer" : `${backend.peers.length} ready`;
  const target: ExplainStep = { step: "target", value: serviceText(key), why: [peers, ...left].join(", ") };
  if (instead !== null) return [{ ...target, why: `${target.why}; ${match.outcome.route.backend} has no peer` }];
  const steps = [...splitStep(chosen?.split ?? null), target];
  return rewritten === null ? steps : [{ step: "rewrite", value: rewritten, why: "rewrite-target" }, ...steps];
}

/** Of a route with canaries: what of the requests that ask for none of its Services each of them gets, and what decided. */
function splitStep(split: NonNullable<Decision["chosen"]>["split"]): readonly ExplainStep[] {
  if (split === null) return [];
  const shares = split.shares.map(
    ({ backend, share }) => `${serviceText(backend)} ${Math.round(share * 100_000) / 1000} %`,
  );
  const why = split.why === "weight" ? "by weight; the greatest share is shown" : `by ${split.why}`;
  return [{ step: "split", value: shares.join(", "), why }];
}

function candidate({ ingress, host, path, matchType, lost }: Candidate): ExplainCandidate {
  return { object: refText(ingress), host, path, pathType: matchType, lost };
}

function answerOf(decision: Decision, { httpsPort, model }: ExplainInput, target: string): ExplainAnswer {
  const { match, status, reason, location, chosen, instead } = decision;
  const { outcome } = match;
  if (location === "https") {
    const port = httpsPort === 443 ? "" : `:${httpsPort}`;
    return { kind: "redirect", status, location: `https://${match.host}${port}${target}` };
  }
  if (location !== null) return { kind: "redirect", status, location };
  if (status !== 200 || outcome.kind === "refuse") return { kind: "refuse", status, reason };
  const key = instead ?? chosen?.backend ?? outcome.route.backend ?? "";
  return { kind: "proxy", service: serviceText(key), peers: (backendOf(model, key)?.peers ?? []).map(peerText) };
}

/** The backend of a key, undefined where the model has none. */
export function backendOf(model: EdgeModel, key: string) {
  const [namespace = "", service = ""] = key.split("/");
  return model.backends.get(`${namespace}/${service}`)?.backends.find((backend) => backend.key === key);
}

/** "10.0.0.1:8080" */
export function peerText({ address, port }: Peer): string {
  return hostPort(address, port);
}

/** "shop/web/80" → "shop/web:80" */
function serviceText(key: string): string {
  return key.replace(/\/([^/]*)$/, ":$1");
}
