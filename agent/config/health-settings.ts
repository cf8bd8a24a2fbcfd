// Settings of the health of peers: when one that fails gets no requests for a while.

import { type Setting, setting } from "./setting.ts";
import { count, flag, seconds } from "./setting-kinds.ts";

export const HEALTH_SETTINGS: readonly Setting[] = [
  setting("health.enabled", flag, "eject peers that fail for a while", { default: true }),
  setting("health.failures", count(1, 1000), "failures in a row, in one worker, after which a peer is ejected", {
    default: 3,
  }),
  setting("health.errorPercent", count(0, 100), "share of failures in a window that ejects a peer too; 0: never", {
    default: 50,
  }),
  setting("health.windowS", seconds(1, 3600), "how long a window is", { default: 10 }),
  setting("health.backOffS", seconds(1, 3600), "how long a peer is out at first; each time again so much longer", {
    default: 10,
  }),
  setting("health.backOffMaxS", seconds(1, 86_400), "how long at most", { default: 300 }),
  setting("health.ejectedPercentMax", count(1, 100), "share of a Service's peers that may be out; one always stays", {
    default: 50,
  }),
  setting("health.panicPercent", count(0, 100), "if more than this share is out, all are used", { default: 50 }),
];
