// How many requests one client may send, and how fast answers are written: limit-*.
// Limits are kept by each edge for itself, as by each replica of ingress-nginx.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import { parseCidr } from "../addresses.ts";
import type { Filter, Problem } from "../edge-model.ts";
import type { ModelSettings } from "../input.ts";
import { problemOf } from "../problems.ts";
import { type Draft, first, readNumber, shown } from "./annotation-values.ts";
import type { Claims } from "./claims.ts";
import type { Place } from "./route-backend.ts";

type Limit = Extract<Filter, { kind: "limit" }>;
type Bandwidth = Extract<Filter, { kind: "bandwidth" }>;

/** `key` is the Ingress's, and its name is not known here. */
export type LimitWish = Omit<Limit, "key">;

const LIMIT_MAX = 1_000_000;
const BURST_MULTIPLIER = 5;
const BURST_MULTIPLIER_MAX = 1000;
const EXEMPT_MAX = 2000;
const KILOBYTE = 1024;

/** null: no limit. */
export function readLimit(draft: Draft): LimitWish | null {
  const connections = readCount(draft, "limit-connections");
  const multiplier =
    readNumber(draft, "limit-burst-multiplier", { min: 0, max: BURST_MULTIPLIER_MAX, unit: "rates" }) ??
    BURST_MULTIPLIER;
  const rates = (
    [
      ["limit-rps", 1],
      ["limit-rpm", 60],
    ] as const
  ).flatMap(([name, periodS]) => {
    const requests = readCount(draft, name);
    return requests === 0 ? [] : [{ requests, periodS, burst: requests * multiplier }];
  });
  const exempt = readExempt(draft);
  const status = readStatus(draft);
  return connections === 0 && rates.length === 0 ? null : { kind: "limit", exempt, connections, rates, status };
}

/** null: as fast as the client reads. */
export function readBandwidth(draft: Draft): Bandwidth | null {
  const kilobytes = readCount(draft, "limit-rate");
  const after = readCount(draft, "limit-rate-after");
  if (kilobytes === 0) return null;
  return { kind: "bandwidth", bytesPerS: kilobytes * KILOBYTE, afterBytes: after * KILOBYTE };
}

/** What is to be said of a rate of answers that nginx cannot keep; null: nothing. */
export function bandwidthProblem(
  { name: host }: Place,
  { ingress, policy, routed }: Claims,
  { buffersAnswers }: Pick<ModelSettings, "buffersAnswers">,
): Problem | null {
  const [first] = [...routed].sort();
  const isBuffered = policy.transfer?.buffering ?? buffersAnswers;
  if (policy.bandwidth === null || isBuffered || host !== first) return null;
  return problemOf(ingress, {
    code: "annotation-unsupported",
    severity: "warning",
    field: `metadata.annotations["${NGINX_PREFIX}/limit-rate"]`,
    message: "holds back only answers that are buffered, as in ingress-nginx: they are written as fast as they come",
    fix: 'add proxy-buffering: "on", or set proxy.buffering: true in the configuration file',
    hosts: [...routed].sort(),
  });
}

/** 0 where nothing is written. What cannot be read closes: how much it was meant to let through is not known. */
function readCount(draft: Draft, name: string): number {
  const entry = first(draft, name);
  if (entry === null) return 0;
  const value = entry.value.trim();
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= LIMIT_MAX) return number;
  const message = `${shown(entry.value)} is no number from 0 to ${LIMIT_MAX}: its routes answer 503`;
  draft.closing.push({ key: entry.key, message, fix: 'write a whole number, like "10"; "0" is no limit' });
  return 0;
}

// An entry that cannot be read limits somebody who should not be; nobody gets past a limit by it.
function readExempt(draft: Draft): readonly string[] {
  const cidrs = new Set<string>();
  for (const { key, value } of ["limit-allowlist", "limit-whitelist"].flatMap((name) => draft.found.get(name) ?? [])) {
    const words = value.split(/[\s,]+/).filter((word) => word !== "");
    for (const word of words.slice(0, EXEMPT_MAX)) {
      const cidr = parseCidr(word);
      if (cidr !== null) {
        cidrs.add(cidr);
        continue;
      }
      const message = `${shown(word)} is neither an address nor a network: it has the limits of all`;
      draft.invalid.push({ key, message, fix: 'write networks like "192.0.2.0/24", separated by commas' });
    }
    if (words.length > EXEMPT_MAX) {
      const message = `has ${words.length} entries: those behind the first ${EXEMPT_MAX} have the limits of all`;
      draft.invalid.push({ key, message, fix: "write fewer and larger networks" });
    }
  }
  return [...cidrs].sort();
}

/** Ours: ingress-nginx has the status for all Ingresses. */
function readStatus(draft: Draft): LimitWish["status"] {
  const entry = first(draft, "limit-status");
  if (entry === null) return null;
  const value = entry.value.trim();
  if (value === "429") return 429;
  if (value === "503") return 503;
  draft.invalid.push({
    key: entry.key,
    message: `${shown(entry.value)} is no status of a limit: the configuration's holds`,
    fix: 'write "429" or "503"',
  });
  return null;
}
