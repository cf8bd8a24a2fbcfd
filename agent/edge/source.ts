// Which source an edge has, from its configuration.

import type { Config } from "../config/config.ts";
import { ApiClient } from "../kubernetes/client.ts";
import { EventWriter, type RefusedEvents } from "../kubernetes/event-writer.ts";
import { loadKubeconfig } from "../kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../kubernetes/kubernetes-source.ts";
import { LIMITS } from "../kubernetes/limits.ts";
import { readAuthorities, readClientTrust } from "../certificates/authorities.ts";
import { inspectKeyPair } from "../certificates/key-pair.ts";
import type { Logger } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import { ManifestsSource } from "../manifests/manifests-source.ts";
import { trimObject } from "../objects/trim.ts";
import type { ObjectKind, ObjectRef } from "../objects/objects.ts";
import { ShrinkGuard, type ShrinkHold } from "../store/shrink-guard.ts";
import type { ChangeSink, Source, SourceState } from "../store/source.ts";
import type { Store } from "../store/store.ts";

export interface SourceTargets {
  readonly sink: ChangeSink;
  readonly onState: (state: SourceState) => void;
  readonly log: Logger;
}

export interface EventTargets {
  readonly uidOf: (ref: ObjectRef) => string | null;
  readonly onRefused: (refused: RefusedEvents | null) => void;
}

export interface MadeSource {
  readonly source: Source;
  /** null: nothing is written about objects. */
  readonly events: EventWriter | null;
}

/** Without Nodes, a cluster that is asked at its nodes would have no peers. Manifests may have none. */
export function requiredKinds({ endpoints, source }: Config): readonly ObjectKind[] {
  const nodes = endpoints.mode === "nodePort" && source.kind === "kubernetes";
  return ["Ingress", "Service", "EndpointSlice", ...(nodes ? (["Node"] as const) : [])];
}

/** Throws AgentError kubeconfig-invalid. Nothing is started yet. */
export function createSource(config: Config, targets: SourceTargets, events: EventTargets): MadeSource {
  const { source } = config;
  const now = (): number => Date.now();
  switch (source.kind) {
    case "manifests": {
      const { directory } = source;
      return {
        source: new ManifestsSource({ directory, inspectKeyPair, readAuthorities, readClientTrust, now, ...targets }),
        events: null,
      };
    }
    case "kubernetes": {
      const connection = loadKubeconfig({
        flag: source.kubeconfigIsExplicit ? source.kubeconfig : null,
        environment: process.env["KUBECONFIG"] ?? null,
        configured: source.kubeconfigIsExplicit ? null : source.kubeconfig,
        context: source.context,
      });
      const common = { now, random: Math.random };
      // A client of its own: what it waits for keeps nothing else waiting.
      const client = new ApiClient(connection, VERSION);
      const writer = { client, limits: LIMITS, edge: config.edge, log: targets.log, ...common, ...events };
      return {
        source: new KubernetesSource({
          connection,
          namespace: source.namespace,
          trim: (raw) =>
            trimObject(raw, { strict: false, position: null, inspectKeyPair, readAuthorities, readClientTrust }),
          version: VERSION,
          ...common,
          ...targets,
        }),
        events: source.events ? new EventWriter(writer) : null,
      };
    }
    default:
      return source satisfies never;
  }
}

/** Longer than an API server that comes back takes to be asked for all Secrets. */
const COLLECT_MS = 30_000;

export interface GuardTargets {
  readonly secrets: () => number;
  readonly sink: ChangeSink;
  readonly onChange: (holds: readonly ShrinkHold[]) => void;
  readonly onDue: (kind: ObjectKind) => void;
}

/** The guard of the store against lists of an API server; undefined for manifests, which are always believed. */
export function createGuard({ source }: Config, targets: GuardTargets): ShrinkGuard | undefined {
  if (source.kind === "manifests") return undefined;
  const { share, minimum, holdS } = source.shrink;
  const limits = { sharePercentMax: share, objectsMin: minimum, holdMs: holdS * 1000, collectMs: COLLECT_MS };
  return new ShrinkGuard({ limits, now: () => Date.now(), ...targets });
}

/** The uid of what a problem is about, as the store has it; null for what is not there, or not told as an Event. */
export function uidIn(store: Store, { kind, namespace, name }: ObjectRef): string | null {
  switch (kind) {
    case "Ingress":
      return store.ingress(`${namespace}/${name}`)?.meta.uid ?? null;
    case "Service":
      return store.service(`${namespace}/${name}`)?.meta.uid ?? null;
    case "IngressClass":
      return store.ingressClass(name)?.meta.uid ?? null;
    case "EndpointSlice":
    case "Endpoints":
    case "Secret":
    case "ConfigMap":
    case "Node":
      return null;
  }
}
