// One backend as a value: made without peers, kept once for each key.

import { compareText } from "../objects/objects.ts";
import type { Backend, Peer } from "./edge-model.ts";

/** A backend without peers, for this reason. `port` as in its key. */
export function emptyBackend(serviceKey: string, port: string, reason: string): Backend {
  const [namespace = "", service = ""] = serviceKey.split("/");
  const key = `${serviceKey}/${port}`;
  return { key, namespace, service, port, peers: [], notReady: 0, draining: 0, reason };
}

/** Two names for one port are one backend. */
export function keepBackend(backends: Map<string, Backend>, backend: Backend): void {
  if (!backends.has(backend.key)) backends.set(backend.key, backend);
}

/** The order of a backend's peers. */
export function comparePeers(a: Peer, b: Peer): number {
  return compareText(a.address, b.address) || a.port - b.port;
}
