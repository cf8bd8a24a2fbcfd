// What a store is told about its surroundings.

import type { ModelSettings, NameAddresses } from "../model/input.ts";
import type { ObjectKind } from "../objects/objects.ts";
import type { ShrinkGuard } from "./shrink-guard.ts";

export interface StoreOptions {
  readonly settings: ModelSettings;
  /** Kinds that must have been listed once (`replace`) before anything is built. */
  readonly requiredKinds: readonly ObjectKind[];
  /** Told once when there is something to build, and then again only after `takeDirty`. */
  readonly onDirty: () => void;
  /** Told when the set of Secrets that are wanted changed, also before the store is synced. */
  readonly onWantedSecrets: (keys: ReadonlySet<string>) => void;
  /** The same for ConfigMaps; absent where the source gives all there are. */
  readonly onWantedConfigMaps?: (keys: ReadonlySet<string>) => void;
  /** Told once, when a Service is asked at its port on the nodes: then Nodes must be known. */
  readonly onWantedNodes?: () => void;
  /** What is known of DNS names; without it none is resolved. */
  readonly names?: Pick<ReadonlyMap<string, NameAddresses>, "get">;
  /** Judges lists that take much away. Without one every list is believed. */
  readonly guard?: ShrinkGuard | undefined;
}
