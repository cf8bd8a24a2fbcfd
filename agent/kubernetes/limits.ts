// Every time and size limit of the Kubernetes source, in one place. Tests pass smaller ones.

export interface Limits {
  /** Objects per page of a list. Halved when a page is larger than `pageBytesMax`. */
  readonly pageItems: number;
  /** One page of a list, in bytes of JSON. */
  readonly pageBytesMax: number;
  /** One event of a watch. etcd holds objects of at most 1.5 MB; JSON is larger than what is stored. */
  readonly lineBytesMax: number;
  /** How often a list begins anew because its continue token expired, before it asks for everything at once. */
  readonly listRestartsMax: number;
  /** One page, from the request to its last byte. */
  readonly listMsMax: number;
  /** From a watch request to the head of its answer, connecting included. */
  readonly answerMsMax: number;
  /** Kubeconfig's exec plugin, from start to credential. */
  readonly credentialMsMax: number;
  /** WatchList: silence before the bookmark that ends the initial events. Servers before 1.27 never send it. */
  readonly initialQuietMsMax: number;
  /** WatchList: all initial events. */
  readonly initialMsMax: number;
  /** The server ends each watch after a random time between these. */
  readonly watchSMin: number;
  readonly watchSMax: number;
  /**
   * A watch without a byte for so long is given up and taken up again from its last resourceVersion. Bookmarks come
   * about once a minute, but a server whose etcd sends no progress may be silent for 10 minutes: silence alone is
   * no trouble. Together with `answerMsMax` a dead peer is named in less than 2 minutes.
   */
  readonly quietMsMax: number;
  /** A watch that lived so long ends a row of failures. */
  readonly steadyMs: number;
  /** A watch that was answered with 200 and then says nothing counts as working after this. */
  readonly proofMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** What a server may ask for with Retry-After. */
  readonly retryAfterMsMax: number;
  /** How often, about, the server is asked whether it went back to an older state. */
  readonly auditMs: number;
  /** How often that is tried in a row. */
  readonly versionTriesMax: number;
  /** A watch that the server ends in order, but so long before its time, is a reason to ask. */
  readonly earlyMs: number;
  /** How long something must be wrong, or mended, before it is worth an Event. */
  readonly eventsSettleMs: number;
  /** So many Events at once, then one in so many milliseconds. */
  readonly eventsBurst: number;
  readonly eventEveryMs: number;
  /** Objects that wait for theirs. */
  readonly eventsPendingMax: number;
  /** Names of written Events that are remembered, and how long: API servers keep Events for an hour. */
  readonly eventsWrittenMax: number;
  readonly eventsKeptMs: number;
  /** Where Events are refused they are tried again after this. */
  readonly eventsRefusedMs: number;
  /** After so long a refused IngressClass (403, 404) no longer holds up the first sync. */
  readonly refusedMs: number;
  /** Between two looks at which versions a server has, while something is refused or not found. */
  readonly rediscoverMs: number;
  /** First reads of single Secrets at one time. */
  readonly secretStartsMax: number;
  /** Single Secrets named one by one in the state; the others are counted. */
  readonly secretTroublesMax: number;
}

export const LIMITS: Limits = {
  pageItems: 500,
  pageBytesMax: 64 * 1024 * 1024,
  lineBytesMax: 16 * 1024 * 1024,
  listRestartsMax: 2,
  listMsMax: 60_000,
  answerMsMax: 15_000,
  credentialMsMax: 60_000,
  initialQuietMsMax: 5_000,
  initialMsMax: 60_000,
  watchSMin: 300,
  watchSMax: 600,
  quietMsMax: 100_000,
  steadyMs: 30_000,
  proofMs: 1_000,
  backoffMsMin: 1_000,
  backoffMsMax: 30_000,
  retryAfterMsMax: 300_000,
  auditMs: 600_000,
  versionTriesMax: 5,
  earlyMs: 5_000,
  eventsSettleMs: 5_000,
  eventsBurst: 20,
  eventEveryMs: 500,
  eventsPendingMax: 5_000,
  eventsWrittenMax: 10_000,
  eventsKeptMs: 3_600_000,
  eventsRefusedMs: 1_800_000,
  refusedMs: 10_000,
  rediscoverMs: 30_000,
  secretStartsMax: 16,
  secretTroublesMax: 10,
};

/**
 * How long to wait after the `failures`th failure in a row (from 1): doubling from backoffMsMin to backoffMsMax, of
 * which a random half to whole is taken, so that edges that lost one API server do not come back in step.
 */
export function backoffMs(failures: number, limits: Limits, random: () => number): number {
  const full = Math.min(limits.backoffMsMax, limits.backoffMsMin * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + random() / 2));
}
