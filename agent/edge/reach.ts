// When reach is probed, with which targets, and what is said about it.

import type { HealthRegistry } from "../health/registry.ts";
import { buildBackends } from "../model/build-backends.ts";
import type { EdgeModel } from "../model/edge-model.ts";
import { endpointsModeOf } from "../model/endpoints-mode.ts";
import type { ModelInput, ModelSettings } from "../model/input.ts";
import { canConnect, type Finding, probeReach, type ReachReport, type ReachTarget } from "../reach/reach-probe.ts";

const FIRST_MS = 5_000;
const EVERY_MS = 300_000;
/** While something cannot be reached, its end should be seen soon. */
const EVERY_TROUBLED_MS = 15_000;
const SHOWN_MAX = 3;

export interface ReachOptions {
  readonly targets: () => readonly ReachTarget[];
  readonly health: HealthRegistry;
  /** Called when nothing answers: Nodes are needed to say whether they would. */
  readonly wantNodes: () => void;
}

/** Probes now and then while it runs. */
export class ReachWatch {
  readonly #options: ReachOptions;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ReachOptions) {
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
    this.#timer = setTimeout(() => void this.#probe(), ms);
    this.#timer.unref();
  }

  async #probe(): Promise<void> {
    const { targets, health, wantNodes } = this.#options;
    const { signal } = this.#stopping;
    const report = await probeReach(targets(), { canConnect, random: Math.random, signal });
    if (signal.aborted) return;
    if (report.unreachable.length > 0) wantNodes();
    tellReach(health, report);
    this.#arm(report.unreachable.length > 0 ? EVERY_TROUBLED_MS : EVERY_MS);
  }
}

/** All Services in use with peers, and where else they could be asked. */
export function reachTargets(model: EdgeModel, input: ModelInput, settings: ModelSettings): readonly ReachTarget[] {
  return [...model.backends].flatMap(([service, { backends }]) => {
    const found = input.service(service);
    if (found === undefined) return [];
    const mode = endpointsModeOf(found, settings) ?? settings.endpointsMode;
    const others = (): ReturnType<ReachTarget["others"]> =>
      (["pod", "nodePort", "clusterIP"] as const)
        .filter((other) => other !== mode)
        .map((other) => ({
          mode: other,
          peers: buildBackends(input, settings, service, other).backends.flatMap(({ peers }) => peers),
        }));
    return [{ service, mode, peers: backends.flatMap(({ peers }) => peers), others }];
  });
}

/** Turns a report into conditions: one when nothing answers, one for each Service when only some do not. */
export function tellReach(health: HealthRegistry, { sampled, unreachable }: ReachReport): void {
  const all = sampled > 0 && unreachable.length === sampled;
  const wanted = new Map(
    all ? [["", unreachable] as const] : unreachable.slice(0, SHOWN_MAX).map((one) => [one.service, [one]] as const),
  );
  for (const subject of health.subjects("peers-unreachable")) {
    if (!wanted.has(subject)) health.clear("peers-unreachable", subject);
  }
  for (const [subject, findings] of wanted) {
    const [first] = findings;
    if (first === undefined) continue;
    health.set({
      code: "peers-unreachable",
      subject,
      severity: all ? "error" : "warning",
      message: all
        ? `nothing answers at ${WORDS[first.mode] ?? first.mode}: ${sampled} Services were tried (${first.service} at ${first.tried.join(", ")})`
        : `Service ${first.service} does not answer at ${WORDS[first.mode] ?? first.mode}: ${first.tried.join(", ")}`,
      hint: hintOf(all, findings),
    });
  }
}

const WORDS: Readonly<Record<string, string>> = {
  pod: "the addresses of its Pods",
  nodePort: "its port on the nodes",
  clusterIP: "its cluster IP",
};

function hintOf(all: boolean, findings: readonly Finding[]): string {
  const answering = findings.map((finding) => finding.answering[0]).find((mode) => mode !== undefined);
  if (answering !== undefined) {
    return all
      ? `${answering} answers: set \`endpoints.mode: ${answering}\` in the configuration file.`
      : `${answering} answers: annotate the Service with headgate.dev/endpoints: ${answering}.`;
  }
  return "No other mode answers either. Look for a route and for firewalls between this machine and the cluster; docs/backends.md has what each mode needs.";
}
