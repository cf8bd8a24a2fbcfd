// Settings of the way to backends.

import { type Setting, setting } from "./setting.ts";
import { count, flag, kilobytes, other, same, seconds, words } from "./setting-kinds.ts";

const CONDITIONS =
  "error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent".split(
    " ",
  );

export const PROXY_SETTINGS: readonly Setting[] = [
  setting("proxy.connectTimeoutMs", count(10, 300_000), "to connect to a peer", {
    default: 5000,
    counterparts: same("proxy-connect-timeout", "5 (seconds)"),
  }),
  setting("proxy.sendTimeoutS", seconds(1), "between two writes to a peer", {
    default: 60,
    counterparts: same("proxy-send-timeout", "60"),
  }),
  setting("proxy.readTimeoutS", seconds(1), "between two reads from a peer", {
    default: 60,
    counterparts: same("proxy-read-timeout", "60"),
  }),
  setting(
    "proxy.buffering",
    flag,
    "take an answer from the peer as fast as it comes, and keep what the client has not read",
    {
      default: false,
      counterparts: same("proxy-buffering", "off"),
    },
  ),
  setting("proxy.bufferKb", kilobytes, "buffer for the headers of an answer, and size of the others", {
    default: 4,
    counterparts: same("proxy-buffer-size", "4k"),
  }),
  setting("proxy.buffers", count(2, 256), "buffers for one answer", {
    default: 4,
    counterparts: same("proxy-buffers-number", "4"),
  }),
  setting("proxy.requestBuffering", flag, "take a whole request body before a peer gets it", {
    default: true,
    counterparts: same("proxy-request-buffering", "on"),
  }),
  setting(
    "proxy.retryOn",
    words(new RegExp(`^(${CONDITIONS.join("|")})$`), "error"),
    "after what the next peer is asked",
    {
      default: ["error", "timeout"],
      counterparts: [...same("proxy-next-upstream", "error timeout"), ...same("retry-non-idempotent", "false")],
    },
  ),
  setting("proxy.retryTries", count(1, 100), "peers that are asked for one request", {
    default: 3,
    counterparts: same("proxy-next-upstream-tries", "3"),
  }),
  setting("proxy.retryTimeoutMs", count(0, 3_600_000), "no new try after it; 0: no limit", {
    default: 0,
    counterparts: same("proxy-next-upstream-timeout", "0"),
  }),
  setting(
    "proxy.retryBudgetPercent",
    count(0, 1000),
    "retries of a Service, as a share of its requests of the last 10 s: beyond it the client gets the first failure",
    { default: 20 },
  ),
  setting(
    "proxy.retryBudgetMinPerS",
    count(0, 1_000_000),
    "retries of a Service that are always allowed, each second",
    {
      default: 10,
    },
  ),
  setting(
    "proxy.loadBalance",
    { kind: "choice", values: ["round_robin", "ewma", "least_conn"] },
    "in turn, by how soon peers answer and how much they have to do, or to the one with the fewest requests",
    {
      default: "round_robin",
      counterparts: same("load-balance", "round_robin"),
    },
  ),
  setting("proxy.slowStartS", seconds(0, 3600), "for how long the share of a new peer grows from a tenth; 0: off", {
    default: 0,
  }),
  setting(
    "proxy.keepaliveConnections",
    count(1, 100_000),
    "idle connections to peers that a worker keeps, in one upstream block",
    {
      nullable: true,
      counterparts: other(
        "upstream-keepalive-connections",
        "320",
        "by default half of a worker's connections: the pool is shared by all backends",
      ),
    },
  ),
  setting("proxy.keepaliveTimeoutS", seconds(1, 3600), "how long an idle one stays", {
    default: 60,
    counterparts: same("upstream-keepalive-timeout", "60"),
  }),
  setting("proxy.keepaliveRequests", count(1, 1_000_000), "requests on one connection to a peer", {
    default: 10_000,
    counterparts: same("upstream-keepalive-requests", "10000"),
  }),
];
