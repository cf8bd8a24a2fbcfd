// Which source an edge has, from its configuration.

import type { Config } from "../config/config.ts";
import { loadKubeconfig } from "../kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../kubernetes/kubernetes-source.ts";
import { inspectKeyPair } from "../certificates/key-pair.ts";
import type { Logger } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import { ManifestsSource } from "../manifests/manifests-source.ts";
import { trimObject } from "../objects/trim.ts";
import type { ObjectKind } from "../objects/objects.ts";
import { ShrinkGuard, type ShrinkHold } from "../store/shrink-guard.ts";
import type { ChangeSink, Source, SourceState } from "../store/source.ts";

export interface SourceTargets {
  readonly sink: ChangeSink;
  readonly onState: (state: SourceState) => void;
  readonly log: Logger;
}

/** Throws AgentError kubeconfig-invalid. The source is not started yet. */
export function createSource(config: Config, targets: SourceTargets): Source {
  const { source } = config;
  const now = (): number => Date.now();
  switch (source.kind) {
    case "manifests":
      return new ManifestsSource({ directory: source.directory, inspectKeyPair, now, ...targets });
    case "kubernetes":
      return new KubernetesSource({
        connection: loadKubeconfig({
          flag: source.kubeconfigIsExplicit ? source.kubeconfig : null,
          environment: process.env["KUBECONFIG"] ?? null,
          configured: source.kubeconfigIsExplicit ? null : source.kubeconfig,
          context: source.context,
        }),
        namespace: source.namespace,
        trim: (raw) => trimObject(raw, { strict: false, position: null, inspectKeyPair }),
        now,
        random: Math.random,
        version: VERSION,
        ...targets,
      });
    default:
      return source satisfies never;
  }
}

export interface GuardTargets {
  readonly onChange: (holds: readonly ShrinkHold[]) => void;
  readonly onDue: (kind: ObjectKind) => void;
}

/** The guard of the store against lists of an API server; undefined for manifests, which are always believed. */
export function createGuard({ source }: Config, targets: GuardTargets): ShrinkGuard | undefined {
  if (source.kind === "manifests") return undefined;
  const { share, minimum, holdS } = source.shrink;
  const limits = { sharePercentMax: share, objectsMin: minimum, holdMs: holdS * 1000 };
  return new ShrinkGuard({ limits, now: () => Date.now(), ...targets });
}
