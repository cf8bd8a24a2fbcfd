// Asks DNS for the addresses of a name. The servers are those of /etc/resolv.conf; /etc/hosts is not looked at.

import { Resolver } from "node:dns/promises";
import type { Answer, FamilyAnswer } from "./answers.ts";

/** Of one try at one server; c-ares doubles it for the second. */
const TRY_MS = 2_000;
const TRIES = 2;
/** Of all servers and tries together: the place is wanted for another name. */
const LOOKUP_MS_MAX = 10_000;

/** Never throws. */
export type Lookup = (name: string, signal: AbortSignal) => Promise<Answer>;

const NONE: Readonly<Record<string, string>> = {
  ENOTFOUND: "NXDOMAIN",
  ENODATA: "no A or AAAA record",
};
const FAILED: Readonly<Record<string, string>> = {
  ETIMEOUT: "timeout",
  ECANCELLED: "timeout",
  ECONNREFUSED: "no server answers",
  ESERVFAIL: "SERVFAIL",
  EREFUSED: "REFUSED",
};

/** Asks for A and AAAA at once. */
export const lookUp: Lookup = async (name, signal) => {
  // A new one each time: it reads /etc/resolv.conf when it is made, and can be cancelled alone.
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  const cancel = (): void => resolver.cancel();
  const timer = setTimeout(cancel, LOOKUP_MS_MAX);
  signal.addEventListener("abort", cancel);
  try {
    const [IPv4, IPv6] = await Promise.all([
      answerOf(resolver.resolve4(name, { ttl: true })),
      answerOf(resolver.resolve6(name, { ttl: true })),
    ]);
    return { IPv4, IPv6 };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
};

async function answerOf(
  asked: Promise<readonly { readonly address: string; readonly ttl: number }[]>,
): Promise<FamilyAnswer> {
  try {
    const entries = await asked;
    return entries.length === 0 ? { kind: "none", cause: NONE["ENODATA"] ?? "" } : { kind: "addresses", entries };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const none = NONE[code];
    if (none !== undefined) return { kind: "none", cause: none };
    return { kind: "failed", cause: FAILED[code] ?? (code === "" ? "cannot be asked" : code) };
  }
}
