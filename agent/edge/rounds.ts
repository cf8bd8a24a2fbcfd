// What no event tells of, and is looked at now and then: certificates that expire, addresses of this machine, peers
// that cannot be reached, and those that Services want checked.

import { type CheckedBackend, PeerChecks } from "../check/peer-checks.ts";
import type { HealthRegistry } from "../health/registry.ts";
import type { Logger } from "../lib/log.ts";
import type { EdgeBuilder } from "../loop/edge-builder.ts";
import type { Reconciler } from "../loop/reconciler.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import type { ModelSettings } from "../model/input.ts";
import { allKeys } from "../model/keys.ts";
import type { NginxControl } from "../nginx/nginx-control.ts";
import type { Source } from "../store/source.ts";
import type { Store } from "../store/store.ts";
import type { HostAddresses } from "./host-addresses.ts";
import { ReachWatch, reachTargets } from "./reach.ts";

const CERTIFICATES_EVERY_MS = 3_600_000;

/** What they look at and tell: of the edge. */
export interface RoundsParts {
  readonly settings: ModelSettings;
  readonly store: Store;
  readonly builder: EdgeBuilder;
  readonly health: HealthRegistry;
  readonly reconciler: Reconciler;
  readonly source: Source;
  readonly hostAddresses: HostAddresses;
  readonly nginx: NginxControl;
}

export interface RoundsOptions {
  /** Whether peers are tried. */
  readonly probe: boolean;
  readonly log: Logger;
}

export class Rounds {
  readonly #parts: RoundsParts;
  readonly #probe: boolean;
  readonly #reach: ReachWatch;
  readonly #checks: PeerChecks;
  #certificates: NodeJS.Timeout | null = null;

  constructor(parts: RoundsParts, { probe, log }: RoundsOptions) {
    const { settings, store, builder, health, nginx, source } = parts;
    this.#parts = parts;
    this.#probe = probe;
    this.#reach = new ReachWatch({
      targets: () => reachTargets(builder.model, store, settings),
      health,
      wantNodes: () => source.wantNodes("useful"),
      log: log.child("reach"),
    });
    this.#checks = new PeerChecks({
      backends: () => checkedBackends(builder),
      tell: (failing, signal) => nginx.tellFailing(failing, signal),
      log: log.child("check"),
      now: Date.now,
      random: Math.random,
    });
  }

  start(): void {
    this.#certificates = setInterval(() => this.#rebuild("certificate:"), CERTIFICATES_EVERY_MS);
    this.#parts.hostAddresses.start(() => this.#rebuild("backend:"));
    if (this.#probe) this.#reach.start();
    this.#checks.start();
  }

  stop(): void {
    if (this.#certificates !== null) clearInterval(this.#certificates);
    this.#parts.hostAddresses.stop();
    this.#reach.stop();
    this.#checks.stop();
  }

  #rebuild(prefix: "certificate:" | "backend:"): void {
    const { reconciler, store } = this.#parts;
    reconciler.rebuild(allKeys(store).filter((key: DirtyKey) => key.startsWith(prefix)));
  }
}

function* checkedBackends({ checked }: EdgeBuilder): Generator<CheckedBackend> {
  for (const { backends, check } of checked.values()) {
    if (check === undefined) continue;
    for (const { key, peers } of backends) yield { key, check, peers };
  }
}
