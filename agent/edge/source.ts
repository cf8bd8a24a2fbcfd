// Which source an edge has, from its configuration.

import type { Config } from "../config/config.ts";
import { loadKubeconfig } from "../kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../kubernetes/kubernetes-source.ts";
import { inspectKeyPair } from "../certificates/key-pair.ts";
import type { Logger } from "../lib/log.ts";
import { VERSION } from "../lib/version.ts";
import { ManifestsSource } from "../manifests/manifests-source.ts";
import { trimObject } from "../objects/trim.ts";
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
