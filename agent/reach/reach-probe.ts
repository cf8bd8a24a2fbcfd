// Can this machine reach what it sends requests to? Tries a few peers by connecting, and where nothing of a Service
// answers, its addresses in the other modes: to say which one would do. It changes no routing.
// In: targets to choose from. Out: findings.

import { connect } from "node:net";
import { hostPort } from "../lib/host-port.ts";

export interface Address {
  readonly address: string;
  readonly port: number;
}

/** A Service's addresses, by the mode in which they are asked. */
export interface ReachTarget {
  /** "<namespace>/<service>" */
  readonly service: string;
  readonly mode: string;
  /** The Service says its mode itself. */
  readonly annotated: boolean;
  readonly peers: readonly Address[];
  /** What it would be asked at in other modes; peers null: that is not known. */
  readonly others: () => readonly { readonly mode: string; readonly peers: readonly Address[] | null }[];
}

export interface Finding {
  readonly service: string;
  readonly mode: string;
  readonly annotated: boolean;
  /** Addresses that were tried in vain, "10.244.0.1:8080". */
  readonly tried: readonly string[];
  /** Modes whose addresses answer. */
  readonly answering: readonly string[];
  /** Modes of which it is not known where they would ask. */
  readonly unknown: readonly string[];
}

export interface ReachReport {
  /** Services that were tried. */
  readonly sampled: number;
  readonly unreachable: readonly Finding[];
}

const SERVICES_MAX = 8;
/** Of these, Services that did not answer the last time: what is said of them must end when they do. */
const AGAIN_MAX = 4;
const PEERS_OF_EACH_MAX = 2;
const CONNECT_MS_MAX = 1000;

/** What becomes of a connection: something listens, the machine says that nothing does, or nobody says anything. */
export type Answer = "open" | "refused" | "silent";

/** Never rejects. */
export type TryConnect = (peer: Address, signal: AbortSignal) => Promise<Answer>;

export interface ReachOptions {
  readonly tryConnect: TryConnect;
  /** As Math.random: chooses which targets are tried. */
  readonly random: () => number;
  /** Services to try before others. */
  readonly again: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/** Tries some of the targets. Findings are in the order of `again`, then of the targets. */
export async function probeReach(targets: readonly ReachTarget[], options: ReachOptions): Promise<ReachReport> {
  const sample = chooseTargets(targets, options);
  const findings = await Promise.all(sample.map((target) => probeTarget(target, options)));
  return { sampled: sample.length, unreachable: findings.filter((finding) => finding !== null) };
}

function chooseTargets(targets: readonly ReachTarget[], { again, random }: ReachOptions): readonly ReachTarget[] {
  const usable = targets.filter(({ peers }) => peers.length > 0);
  const first = [...again].flatMap((service) => usable.find((target) => target.service === service) ?? []);
  const chosen = new Set(first.slice(0, AGAIN_MAX));
  const rest = usable.filter((target) => !chosen.has(target));
  return [...chosen, ...chooseSome(rest, SERVICES_MAX - chosen.size, random)];
}

async function probeTarget(target: ReachTarget, options: ReachOptions): Promise<Finding | null> {
  const { service, mode, annotated } = target;
  const ask = async (peers: readonly Address[]): Promise<readonly Answer[]> => {
    const some = chooseSome(peers, PEERS_OF_EACH_MAX, options.random);
    return Promise.all(some.map((peer) => options.tryConnect(peer, options.signal)));
  };
  const some = chooseSome(target.peers, PEERS_OF_EACH_MAX, options.random);
  // A Pod that refuses is one that is reached. A node port or cluster IP that does has nobody behind it.
  const reached = (answer: Answer): boolean => answer === "open" || (mode === "pod" && answer === "refused");
  if ((await ask(some)).some(reached)) return null;
  const answering: string[] = [];
  const unknown: string[] = [];
  for (const { mode: other, peers } of target.others()) {
    if (peers === null) unknown.push(other);
    else if ((await ask(peers)).includes("open")) answering.push(other);
  }
  return {
    service,
    mode,
    annotated,
    tried: some.map(({ address, port }) => hostPort(address, port)),
    answering,
    unknown,
  };
}

/** By TCP, without a byte sent. */
export function tryConnect({ address, port }: Address, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const socket = connect({
    host: address,
    port,
    signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS_MAX)]),
  });
  socket.once("connect", () => resolve("open"));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED" ? "refused" : "silent"));
  return promise.finally(() => socket.destroy());
}

function chooseSome<T>(all: readonly T[], most: number, random: () => number): readonly T[] {
  if (all.length <= most) return all;
  const start = Math.floor(random() * all.length);
  return Array.from({ length: most }, (_, index) => all[(start + index) % all.length] as T); // within bounds by the modulus
}
