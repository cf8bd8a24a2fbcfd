// The model's decision about a request held against nginx's own: they were made from the same documents by other code.

import type { Decision } from "../model/match.ts";
import { backendOf, decisionOf, type ExplainInput, peerText } from "./explain.ts";
import type { ExplainDifference } from "./wire.ts";

/** What nginx answers to GET /v1/explain (docs/dataplane-api.md); null where it says nothing. */
export interface LiveAnswer {
  readonly action: string;
  readonly status: number | null;
  readonly reason: string | null;
  /** Names and keys of the documents it used. */
  readonly host: string | null;
  readonly route: string | null;
  readonly backend: string | null;
  readonly peers: readonly string[];
}

const ON_ITS_WAY =
  "A change may be on its way: run it again. If it stays, look for push-failing and document-refused in `headgate status`.";
const PEERS =
  "The documents of the backend differ: compare with `headgate render`, and look into the log of the agent.";

/** Everything in which the two differ; empty where they agree. */
export function compareLive(input: ExplainInput, live: LiveAnswer): readonly ExplainDifference[] {
  const decision = decisionOf(input);
  const differences: ExplainDifference[] = [];
  const compare = (what: string, ours: string | null, nginxs: string | null, hint: string): void => {
    if (ours !== nginxs) differences.push({ what, model: ours ?? "none", nginx: nginxs ?? "none", hint });
  };
  const { match, status } = decision;
  compare("action", modelAction(status), liveAction(live), live.reason === null ? ON_ITS_WAY : said(live.reason));
  // A request that is no request is refused before its host is looked at.
  if (status === 400 && live.status === 400) return differences;
  compare("host", match.table, live.host, ON_ITS_WAY);
  if (match.outcome.kind === "route") compare("route", match.outcome.route.key, live.route, ON_ITS_WAY);
  if (status === 200 && live.action === "proxy") {
    compare("target", decision.instead ?? decision.chosen?.backend ?? null, live.backend, ON_ITS_WAY);
    compare("peers", modelPeers(decision, input), sorted(live.peers), PEERS);
  }
  return differences;
}

function said(reason: string): string {
  return `nginx says: ${reason}. ${ON_ITS_WAY}`;
}

function modelAction(status: Decision["status"]): string {
  return status === 200 ? "proxy" : answerText(status);
}

function liveAction({ action, status }: LiveAnswer): string {
  return status === null ? action : answerText(status);
}

function answerText(status: number): string {
  return status >= 300 && status < 400 ? `redirect ${status}` : `answer ${status}`;
}

function modelPeers({ chosen, instead }: Decision, { model }: ExplainInput): string {
  return sorted((backendOf(model, instead ?? chosen?.backend ?? "")?.peers ?? []).map(peerText));
}

/** Without the brackets of IPv6, which documents do not have. */
function sorted(peers: readonly string[]): string {
  return peers
    .map((peer) => peer.replaceAll(/[[\]]/g, ""))
    .toSorted()
    .join(" ");
}
