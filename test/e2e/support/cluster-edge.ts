// An edge that follows a test cluster.

import type { Cluster } from "../../kube/cluster.ts";
import { Edge } from "./edge.ts";

export function startClusterEdge(name: string, cluster: Cluster, more: readonly string[] = []): Promise<Edge> {
  return Edge.start({
    name,
    args: ["--kubeconfig", cluster.kubeconfig, ...more],
    binds: [`ro:${cluster.dir}`],
  });
}
