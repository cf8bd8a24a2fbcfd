// Which of the Services of a route gets a request, for `headgate explain`. The data plane has its own:
// lua/headgate/split.lua. Here nothing is drawn by lot: where weights decide, the greatest share is told.

import type { Alternative } from "./alternative.ts";
import type { BackendKey, Route } from "./edge-model.ts";

/** Headers of a request, by name in lower case. */
export type RequestHeaders = Readonly<Record<string, string>>;

export interface Chosen {
  readonly backend: BackendKey | null;
  /** null: the route has one Service alone. */
  readonly split: {
    readonly why: string;
    /** Of requests that say nothing, from 0 to 1: that of the route first. */
    readonly shares: readonly { readonly backend: BackendKey; readonly share: number }[];
  } | null;
}

/** Longer ones are not looked at. */
const HEADER_BYTES_MAX = 4096;
const NO_PEERS = "the one chosen has no peers";

/** The Service of a request. One without peers is stood in for by others that the request does not refuse. */
export function chooseService(
  route: Route,
  headers: RequestHeaders,
  hasPeers: (backend: BackendKey) => boolean,
): Chosen {
  const { backend: main } = route;
  const split = route.filters.find((filter) => filter.kind === "split");
  if (split === undefined || main === null) return { backend: main, split: null };
  const { alternatives } = split;
  const rest = 1 - alternatives.reduce((sum, { rule }) => sum + shareOf(rule), 0);
  const shares = [
    { backend: main, share: Math.max(0, rest) },
    ...alternatives.map(({ backend, rule }) => ({ backend, share: shareOf(rule) })),
  ];
  const { wanted, why, open } = asked(alternatives, headers);
  const chosen = why === "weight" ? (greatest(open) ?? main) : (wanted?.backend ?? main);
  const told = (backend: BackendKey, by: string): Chosen => ({ backend, split: { why: by, shares } });
  if (hasPeers(chosen)) return told(chosen, why);
  if (chosen !== main && hasPeers(main)) return told(main, NO_PEERS);
  const other = open.find(({ backend }) => hasPeers(backend));
  return other === undefined ? told(main, why) : told(other.backend, NO_PEERS);
}

interface Asked {
  readonly wanted: Alternative | null;
  readonly why: "header" | "cookie" | "weight";
  /** Those that a request may get by weight. */
  readonly open: readonly Alternative[];
}

function asked(alternatives: readonly Alternative[], headers: RequestHeaders): Asked {
  const refused = new Set<Alternative>();
  const open = (): readonly Alternative[] => alternatives.filter((one) => one.rule.weight > 0 && !refused.has(one));
  for (const alternative of alternatives) {
    const said = saidOf(alternative, headers);
    if (said?.wanted === true) return { wanted: alternative, why: said.why, open: open() };
    if (said?.wanted === false) refused.add(alternative);
  }
  return { wanted: null, why: "weight", open: open() };
}

function saidOf(
  { rule }: Alternative,
  headers: RequestHeaders,
): { readonly wanted: boolean; readonly why: "header" | "cookie" } | null {
  const header = rule.header === null ? undefined : headers[rule.header.toLowerCase()];
  if (header !== undefined && header.length <= HEADER_BYTES_MAX) {
    const plain = rule.value === "" && rule.pattern === "";
    if (rule.value !== "" && header === rule.value) return { wanted: true, why: "header" };
    if (rule.value === "" && rule.pattern !== "" && new RegExp(rule.pattern).test(header)) {
      return { wanted: true, why: "header" };
    }
    if (plain && (header === "always" || header === "never")) return { wanted: header === "always", why: "header" };
  }
  const cookie = rule.cookie === null ? null : cookieOf(headers["cookie"] ?? "", rule.cookie);
  return cookie === "always" || cookie === "never" ? { wanted: cookie === "always", why: "cookie" } : null;
}

/** The first cookie of a name, without regard to case, as nginx finds it. */
function cookieOf(header: string, name: string): string | null {
  for (const part of header.split(";")) {
    const [key = "", ...value] = part.trim().split("=");
    if (key.toLowerCase() === name.toLowerCase()) return value.join("=");
  }
  return null;
}

/** The one that more requests get by weight than any other, the first Service among them; null: that one. */
function greatest(open: readonly Alternative[]): BackendKey | null {
  let most = 1 - open.reduce((sum, { rule }) => sum + shareOf(rule), 0);
  let best: BackendKey | null = null;
  for (const { backend, rule } of open) {
    if (shareOf(rule) > most) [best, most] = [backend, shareOf(rule)];
  }
  return best;
}

function shareOf({ weight, total }: Alternative["rule"]): number {
  return weight / total;
}
