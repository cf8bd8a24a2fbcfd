// What an answer of DNS makes of what was known of a name, and when to ask again. Pure; time is a parameter.
//
// A name that served must not stop because DNS does: whatever is not a good answer leaves the addresses as they are.
// Only a server that says for an hour that there are none is believed.

import type { NameAddresses } from "../model/input.ts";

/** Below it a name that rotates would be asked, and its peers pushed, with every breath; TTL 0 is common. */
const TTL_S_MIN = 5;
/** Above it a move of the name would be seen too late, whatever its TTL promised before the move. */
const TTL_S_MAX = 300;
/** After a failure, doubled each time; at most a minute, so that the end of an outage is seen soon. */
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 60_000;
/** How long a name that does not exist any more, or is empty, is taken for a mistake: a zone is put back within it. */
export const GONE_MS_MAX = 3_600_000;

/** What DNS said of one family (A or AAAA). `none`: NXDOMAIN or no such record; `failed`: no answer to believe. */
export type FamilyAnswer =
  | { readonly kind: "addresses"; readonly entries: readonly { readonly address: string; readonly ttl: number }[] }
  | { readonly kind: "none"; readonly cause: string }
  | { readonly kind: "failed"; readonly cause: string };

export interface Answer {
  readonly IPv4: FamilyAnswer;
  readonly IPv6: FamilyAnswer;
}

/** What is known of a name. Times in milliseconds since 1970. */
export interface NameRecord {
  readonly name: string;
  /** Sorted. */
  readonly addresses: readonly string[];
  /** When they were last told; null: never. */
  readonly heardAt: number | null;
  /** Since when every answer has said that there are none; null: the last one that said something had some. */
  readonly goneSince: number | null;
}

/** A record and what only the running agent knows of it. */
export interface NameState {
  readonly record: NameRecord;
  /** Failures in a row. */
  readonly failures: number;
  /** The first cause of these failures, so that the text stays while they last; null: none. */
  readonly trouble: { readonly kind: "gone" | "failed"; readonly cause: string } | null;
}

/** The state after an answer, and in how many milliseconds to ask again. */
export function nextState(
  before: NameState,
  answer: Answer,
  now: number,
): { readonly state: NameState; readonly nextMs: number } {
  const families = [answer.IPv4, answer.IPv6];
  const entries = families.flatMap((family) => (family.kind === "addresses" ? family.entries : []));
  const failed = families.find((family) => family.kind === "failed");
  const failures = before.failures + 1;
  const retryMs = Math.min(RETRY_MS * 2 ** before.failures, RETRY_MS_MAX);
  const { record } = before;
  if (entries.length > 0) {
    const fresh = entries.map(({ address }) => address);
    const kept = record.addresses.filter((address) => familyOf(answer, address).kind === "failed");
    const heardAt = kept.length > 0 ? record.heardAt : now;
    const addresses = [...new Set([...fresh, ...kept])].sort();
    const heard = { name: record.name, addresses, heardAt, goneSince: null };
    // A family that fails and never had addresses is nobody's trouble: many servers do not know AAAA.
    const trouble = failed !== undefined && kept.length > 0 ? sameTrouble(before, "failed", failed.cause) : null;
    const nextMs = trouble === null ? ttlMs(entries.map(({ ttl }) => ttl)) : retryMs;
    return { state: { record: heard, failures: trouble === null ? 0 : failures, trouble }, nextMs };
  }
  if (failed !== undefined) {
    return { state: { record, failures, trouble: sameTrouble(before, "failed", failed.cause) }, nextMs: retryMs };
  }
  const goneSince = record.goneSince ?? now;
  const addresses = now - goneSince >= GONE_MS_MAX ? [] : record.addresses;
  const cause = answer.IPv4.kind === "none" ? answer.IPv4.cause : "";
  const trouble = sameTrouble(before, "gone", cause);
  return { state: { record: { ...record, addresses, goneSince }, failures, trouble }, nextMs: retryMs };
}

/** What the model is told of it. */
export function viewOf({ record, trouble }: NameState): NameAddresses {
  const { addresses, heardAt, goneSince } = record;
  if (trouble === null) return { addresses, trouble: null };
  const ends = trouble.kind === "gone" && goneSince !== null && addresses.length > 0;
  return {
    addresses,
    trouble: {
      cause: trouble.cause,
      heard: heardAt === null ? "" : minuteText(heardAt),
      until: ends ? minuteText(goneSince + GONE_MS_MAX) : null,
    },
  };
}

function ttlMs(ttls: readonly number[]): number {
  return Math.min(TTL_S_MAX, Math.max(TTL_S_MIN, Math.min(...ttls))) * 1000;
}

function familyOf(answer: Answer, address: string): FamilyAnswer {
  return address.includes(":") ? answer.IPv6 : answer.IPv4;
}

function sameTrouble({ trouble }: NameState, kind: "gone" | "failed", cause: string): NameState["trouble"] {
  return trouble?.kind === kind ? trouble : { kind, cause };
}

/** To the minute: edges that heard of it together say the same, and it is written as one Event. */
function minuteText(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}
