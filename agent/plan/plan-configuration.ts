// (configuration that runs, configuration that is wanted) → a configure step with its reason, or nothing.

import type { BackendValue } from "../render/documents.ts";
import type { NginxView } from "../render/files.ts";

/** Everything of the view but its generation, which is a consequence and not a wish. */
export type NginxWish = Omit<NginxView, "generation">;

/**
 * Why nginx must be reloaded to get from `applied` to `wanted`: the names of what differs. null: it need not.
 * `applied` null: there is no configuration yet.
 */
export function configurationReason(applied: NginxWish | null, wanted: NginxWish): string | null {
  if (applied === null) return "first configuration";
  const before = new Map(Object.entries(applied));
  const changed = Object.entries(wanted)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before.get(name)))
    .map(([name]) => name)
    .toSorted();
  return changed.length === 0 ? null : `${changed.join(", ")} changed`;
}

/** Peers that differ in address or port, in documents of a snapshot: what an agent that was restarted begins with. */
export function countPeers(documents: Iterable<{ readonly kind: string; readonly text: string | null }>): number {
  const peers = new Set<string>();
  for (const { kind, text } of documents) {
    if (kind !== "backend" || text === null) continue;
    const { addresses, ports } = JSON.parse(text) as BackendValue; // our own rendering
    for (const [index, address] of addresses.entries()) peers.add(`${address}:${ports[index]}`);
  }
  return peers.size;
}

const PEERS_PER_BLOCK = 256;
const UPSTREAM_BLOCKS_MAX = 64;

/**
 * How many upstream blocks the backends are spread over. Finding a block costs a comparison each, at every request;
 * in a block, nginx searches the idle connections of all its peers one by one. So few peers have one block, and many
 * have more; a power of two that never shrinks, as each change is a reload.
 */
export function upstreamBlocks(peers: number, running: number): number {
  let blocks = Math.max(1, running);
  while (blocks < UPSTREAM_BLOCKS_MAX && blocks * PEERS_PER_BLOCK < peers) blocks *= 2;
  return blocks;
}

const MEGABYTE = 1024 * 1024;
const DICT_MB_MIN = 32;
/** Room for twice the documents, for what a shared dict adds to each, and for updates beside the old value. */
const ROOM = 4;

/**
 * Size of the shared dict of documents, in MB: a power of two, so that it grows seldom, and never smaller than what
 * runs (a smaller one would cost a reload for nothing).
 */
export function documentsDictMb(bytes: number, runningMb: number): number {
  let size = Math.max(DICT_MB_MIN, runningMb);
  while (size * MEGABYTE < bytes * ROOM) size *= 2;
  return size;
}
