// A cluster with the API server of 2021.

import { ensureOldApiserver } from "../kube/build-old.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";

/** Without the versions of APIs that are hidden; on loopback unless told another address. */
export async function startOld(hidden: readonly string[], address?: string): Promise<Cluster> {
  const flags =
    hidden.length === 0 ? [] : [`--runtime-config=${hidden.map((version) => `${version}=false`).join(",")}`];
  const apiserver = await ensureOldApiserver();
  const at = address === undefined ? {} : { address };
  return startCluster({ apiserver, apiserverFlags: flags, controllers: false, etcd: "3.4", ...at });
}
