// What no event tells of, and is looked at now and then: certificates that expire, addresses of this machine, peers
// that cannot be reached.

import type { HealthRegistry } from "../health/registry.ts";
import type { Logger } from "../lib/log.ts";
import type { EdgeBuilder } from "../loop/edge-builder.ts";
import type { Reconciler } from "../loop/reconciler.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import type { ModelSettings } from "../model/input.ts";
import { allKeys } from "../model/keys.ts";
import type { Source } from "../store/source.ts";
import type { Store } from "../store/store.ts";
import type { HostAddresses } from "./host-addresses.ts";
import { ReachWatch, reachTargets } from "./reach.ts";

const CERTIFICATES_EVERY_MS = 3_600_000;

export interface RoundsOptions {
  readonly settings: ModelSettings;
  readonly store: Store;
  readonly builder: EdgeBuilder;
  readonly health: HealthRegistry;
  readonly reconciler: Reconciler;
  readonly source: Source;
  readonly hostAddresses: HostAddresses;
  /** Whether peers are tried. */
  readonly probe: boolean;
  readonly log: Logger;
}

export class Rounds {
  readonly #options: RoundsOptions;
  readonly #reach: ReachWatch;
  #certificates: NodeJS.Timeout | null = null;

  constructor(options: RoundsOptions) {
    const { settings, store, builder, health, source, log } = options;
    this.#options = options;
    this.#reach = new ReachWatch({
      targets: () => reachTargets(builder.model, store, settings),
      health,
      wantNodes: () => source.wantNodes("useful"),
      log,
    });
  }

  start(): void {
    this.#certificates = setInterval(() => this.#rebuild("certificate:"), CERTIFICATES_EVERY_MS);
    this.#options.hostAddresses.start(() => this.#rebuild("backend:"));
    if (this.#options.probe) this.#reach.start();
  }

  stop(): void {
    if (this.#certificates !== null) clearInterval(this.#certificates);
    this.#options.hostAddresses.stop();
    this.#reach.stop();
  }

  #rebuild(prefix: "certificate:" | "backend:"): void {
    const { reconciler, store } = this.#options;
    reconciler.rebuild(allKeys(store).filter((key: DirtyKey) => key.startsWith(prefix)));
  }
}
