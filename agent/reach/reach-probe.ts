// Can this machine reach what it sends requests to? Tries a few peers by connecting, and where nothing of a Service
// answers, its addresses in the other modes: to say which one would do. It changes no routing.
// In: targets to choose from. Out: findings. A connection that is refused is an answer: there is a way to the machine.

import { connect } from "node:net";

export interface Address {
  readonly address: string;
  readonly port: number;
}

/** A Service's addresses, by the mode in which they are asked. */
export interface ReachTarget {
  /** "<namespace>/<service>" */
  readonly service: string;
  readonly mode: string;
  readonly peers: readonly Address[];
  /** What it would be asked at in other modes. */
  readonly others: () => readonly { readonly mode: string; readonly peers: readonly Address[] }[];
}

export interface Finding {
  readonly service: string;
  readonly mode: string;
  /** Addresses that were tried in vain, "10.244.0.1:8080". */
  readonly tried: readonly string[];
  /** Modes whose addresses answer. */
  readonly answering: readonly string[];
}

export interface ReachReport {
  /** Services that were tried. */
  readonly sampled: number;
  readonly unreachable: readonly Finding[];
}

const SERVICES_MAX = 8;
const PEERS_OF_EACH_MAX = 2;
const CONNECT_MS_MAX = 1000;

/** Whether a connection is answered, also by a refusal. */
export type CanConnect = (peer: Address, signal: AbortSignal) => Promise<boolean>;

/** Tries some of the targets; `random` (as Math.random) chooses which. */
export async function probeReach(
  targets: readonly ReachTarget[],
  options: { readonly canConnect: CanConnect; readonly random: () => number; readonly signal: AbortSignal },
): Promise<ReachReport> {
  const sample = chooseSome(
    targets.filter(({ peers }) => peers.length > 0),
    SERVICES_MAX,
    options.random,
  );
  const answers = async (peers: readonly Address[]): Promise<boolean> => {
    const some = chooseSome(peers, PEERS_OF_EACH_MAX, options.random);
    return (await Promise.all(some.map((peer) => options.canConnect(peer, options.signal)))).some(Boolean);
  };
  const findings = await Promise.all(
    sample.map(async ({ service, mode, peers, others }): Promise<Finding | null> => {
      const some = chooseSome(peers, PEERS_OF_EACH_MAX, options.random);
      if (await answers(some)) return null;
      const answering: string[] = [];
      for (const other of others())
        if (other.peers.length > 0 && (await answers(other.peers))) answering.push(other.mode);
      return { service, mode, tried: some.map(addressText), answering };
    }),
  );
  return { sampled: sample.length, unreachable: findings.filter((finding) => finding !== null) };
}

/** By TCP, without a byte sent. */
export function canConnect({ address, port }: Address, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: address,
    port,
    signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS_MAX)]),
  });
  socket.once("connect", () => resolve(true));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  return promise.finally(() => socket.destroy());
}

function chooseSome<T>(all: readonly T[], most: number, random: () => number): readonly T[] {
  if (all.length <= most) return all;
  const start = Math.floor(random() * all.length);
  return Array.from({ length: most }, (_, index) => all[(start + index) % all.length] as T); // within bounds by the modulus
}

function addressText({ address, port }: Address): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
