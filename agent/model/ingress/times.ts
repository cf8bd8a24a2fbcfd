// How long a backend may take and how often another peer is tried: proxy-*-timeout and proxy-next-upstream*.

import type { RouteTimes } from "../edge-model.ts";
import { type Draft, first, readNumber, shown } from "./annotation-values.ts";

const SECONDS_MAX = 86_400;
const TRIES_MAX = 100;

export const NO_TIMES: RouteTimes = {
  connectMs: null,
  sendMs: null,
  readMs: null,
  retryTries: null,
  retryTimeoutMs: null,
};

const NAMES = [
  "proxy-connect-timeout",
  "proxy-send-timeout",
  "proxy-read-timeout",
  "proxy-next-upstream",
  "proxy-next-upstream-timeout",
  "proxy-next-upstream-tries",
];

/** What is said of them; numbers are whole seconds, as in ingress-nginx. A value that cannot be used is a remark. */
export function readTimes(draft: Draft): RouteTimes {
  if (!NAMES.some((name) => draft.found.has(name))) return NO_TIMES;
  const milliseconds = (name: string, min: number): number | null => {
    const seconds = readNumber(draft, name, { min, max: SECONDS_MAX, unit: "seconds" });
    return seconds === null ? null : seconds * 1000;
  };
  const tries = readNumber(draft, "proxy-next-upstream-tries", { min: 0, max: TRIES_MAX, unit: "tries" });
  return {
    connectMs: milliseconds("proxy-connect-timeout", 1),
    sendMs: milliseconds("proxy-send-timeout", 1),
    readMs: milliseconds("proxy-read-timeout", 1),
    // 0 is nginx's word for no limit; no peer is asked twice anyway.
    retryTries: isOff(draft) ? 1 : tries === 0 ? TRIES_MAX : tries,
    retryTimeoutMs: milliseconds("proxy-next-upstream-timeout", 0),
  };
}

/** Of the conditions only "off" is of a route; the others are nginx's, for all of them. */
function isOff(draft: Draft): boolean {
  const entry = first(draft, "proxy-next-upstream");
  if (entry === null) return false;
  if (entry.value.trim().toLowerCase() === "off") return true;
  draft.unsupported.push({
    key: entry.key,
    message: `${shown(entry.value)} is not used: the conditions are those of the configuration`,
    fix: 'set `proxy.retryOn` in the configuration file for all routes and remove it, or write "off"',
  });
  return false;
}
