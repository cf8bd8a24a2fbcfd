// When reach is probed, and with which targets.

import type { HealthRegistry } from "../health/registry.ts";
import { errorText } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { buildBackends } from "../model/build-backends.ts";
import type { EdgeModel, Peer } from "../model/edge-model.ts";
import { modeInEffect, modeNow } from "../model/endpoints-mode.ts";
import type { EndpointsMode, ModelInput, ModelSettings } from "../model/input.ts";
import { ENDPOINTS_ANNOTATION } from "../objects/annotation-keys.ts";
import { probeReach, type ReachTarget, tryConnect, type TryConnect } from "../reach/reach-probe.ts";
import { tellReach } from "./tell-reach.ts";

/** Also until there is something to try. */
const FIRST_MS = 5_000;
const EVERY_MS = 300_000;
/** While something cannot be reached, its end should be seen soon. */
const EVERY_TROUBLED_MS = 15_000;

export interface ReachWatchOptions {
  readonly targets: () => readonly ReachTarget[];
  readonly health: HealthRegistry;
  /** Called when nothing answers: Nodes are needed to say whether they would. */
  readonly wantNodes: () => void;
  readonly log: Logger;
  /** tryConnect unless told. */
  readonly tryConnect?: TryConnect;
}

/** Probes now and then while it runs. */
export class ReachWatch {
  readonly #options: ReachWatchOptions;
  readonly #stopping = new AbortController();
  #unreachable: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ReachWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#arm(FIRST_MS);
  }

  stop(): void {
    this.#stopping.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #arm(ms: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#turn(), ms);
    this.#timer.unref();
  }

  async #turn(): Promise<void> {
    try {
      this.#arm(await this.#probe());
    } catch (error) {
      // A fault of ours, and nothing that traffic waits for.
      this.#options.log.error("Cannot probe reach", { error: errorText(error) });
      this.#arm(EVERY_MS);
    }
  }

  /** Gives when to probe next. */
  async #probe(): Promise<number> {
    const { targets, health, wantNodes } = this.#options;
    const { signal } = this.#stopping;
    const report = await probeReach(targets(), {
      tryConnect: this.#options.tryConnect ?? tryConnect,
      random: Math.random,
      again: this.#unreachable,
      signal,
    });
    if (signal.aborted) return EVERY_MS;
    const begins = this.#unreachable.size === 0 && report.unreachable.length > 0;
    this.#unreachable = new Set(report.unreachable.map(({ service }) => service));
    if (report.unreachable.length > 0) wantNodes();
    tellReach(health, report);
    // What is unknown at first is soon known.
    if (report.sampled === 0 || begins) return FIRST_MS;
    return report.unreachable.length > 0 ? EVERY_TROUBLED_MS : EVERY_MS;
  }
}

/** All Services in use with peers, and where else they could be asked. */
export function reachTargets(model: EdgeModel, input: ModelInput, settings: ModelSettings): readonly ReachTarget[] {
  return [...model.backends].flatMap(([service, { backends }]) => {
    const found = input.service(service);
    // Another name is asked at its addresses, whatever the mode.
    if (found === undefined || found.type === "ExternalName") return [];
    const mode = modeNow(modeInEffect(found, settings), input.nodes());
    const annotated = Object.hasOwn(found.meta.annotations, ENDPOINTS_ANNOTATION);
    const others = (): ReturnType<ReachTarget["others"]> =>
      (["pod", "nodePort", "clusterIP"] as const)
        .filter((other) => other !== mode)
        .map((other) => ({ mode: other, peers: peersIn(input, settings, service, other) }));
    return [{ service, mode, annotated, peers: backends.flatMap(({ peers }) => peers), others }];
  });
}

function peersIn(
  input: ModelInput,
  settings: ModelSettings,
  service: string,
  mode: EndpointsMode,
): readonly Peer[] | null {
  if (mode === "nodePort" && input.nodes() === null) return null;
  return buildBackends(input, settings, service, mode).backends.flatMap(({ peers }) => peers);
}
