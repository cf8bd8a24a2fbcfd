// Asks the peers of Services that want it whether they are well, once for this machine, and tells the data plane which
// are not. What it said holds for a while: an agent that is restarted changes nothing, one that is gone keeps nobody out.

import type { FailingPeers } from "../nginx/push-client.ts";
import { errorText } from "../lib/errors.ts";
import { hostPort } from "../lib/host-port.ts";
import type { Logger } from "../lib/log.ts";
import type { BackendKey } from "../model/edge-model.ts";
import type { PeerCheck } from "../model/peer-check.ts";
import { type CheckedAddress, type Probe, probePeer } from "./probe.ts";

export interface CheckedBackend {
  readonly key: BackendKey;
  readonly check: PeerCheck;
  readonly peers: readonly CheckedAddress[];
}

export interface PeerChecksOptions {
  readonly backends: () => Iterable<CheckedBackend>;
  /** Rejects where it was not taken: it is told again. */
  readonly tell: (failing: readonly FailingPeers[], signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
  /** As Math.random: checks of many peers do not begin together. */
  readonly random: () => number;
  /** probePeer unless told. */
  readonly probe?: Probe;
}

const TICK_MS = 500;
const PROBES_MAX = 64;
/** Of one backend; a backend with more of them has other troubles. */
const TOLD_MAX = 1000;
const TTL_S_MIN = 30;

interface PeerState {
  readonly peer: CheckedAddress;
  dueAt: number;
  running: boolean;
  /** In a row, since the last of the other. */
  passes: number;
  fails: number;
  out: { readonly cause: string; readonly since: number } | null;
}

interface BackendState {
  backend: CheckedBackend;
  peers: Map<string, PeerState>;
  /** When the data plane is to hear of it again; Infinity: there is nothing to say. */
  tellAt: number;
}

export class PeerChecks {
  readonly #options: PeerChecksOptions;
  readonly #probe: Probe;
  readonly #stopping = new AbortController();
  readonly #states = new Map<BackendKey, BackendState>();
  #timer: NodeJS.Timeout | null = null;
  #running = 0;
  #telling = false;

  constructor(options: PeerChecksOptions) {
    this.#options = options;
    this.#probe = options.probe ?? probePeer;
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopping.abort();
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Begins the checks that are due. For tests; `start` calls it. */
  tick(): void {
    this.#follow();
    const now = this.#options.now();
    for (const state of this.#states.values()) {
      for (const peer of state.peers.values()) {
        if (peer.running || peer.dueAt > now) continue;
        if (this.#running >= PROBES_MAX) return;
        void this.#check(state, peer);
      }
    }
    void this.#tell();
  }

  #follow(): void {
    const seen = new Set<BackendKey>();
    for (const backend of this.#options.backends()) {
      seen.add(backend.key);
      const state = this.#states.get(backend.key);
      if (state === undefined) this.#begin(backend);
      else if (state.backend.peers !== backend.peers) this.#followPeers(state, backend);
      else state.backend = backend;
    }
    for (const [key, state] of this.#states) {
      if (seen.has(key) || state.peers.size === 0) continue;
      state.peers = new Map();
      state.tellAt = 0;
    }
  }

  #begin(backend: CheckedBackend): void {
    const state: BackendState = { backend, peers: new Map(), tellAt: Infinity };
    this.#states.set(backend.key, state);
    this.#followPeers(state, backend);
  }

  #followPeers(state: BackendState, backend: CheckedBackend): void {
    const { now, random } = this.#options;
    const before = state.peers;
    state.backend = backend;
    state.peers = new Map(
      backend.peers.map((peer) => {
        const name = hostPort(peer.address, peer.port);
        const dueAt = now() + random() * Math.min(backend.check.intervalMs, 1000);
        return [name, before.get(name) ?? { peer, dueAt, running: false, passes: 0, fails: 0, out: null }];
      }),
    );
    if ([...before].some(([name, { out }]) => out !== null && !state.peers.has(name))) state.tellAt = 0;
  }

  async #check(state: BackendState, peer: PeerState): Promise<void> {
    const { check } = state.backend;
    const { signal } = this.#stopping;
    const port = check.port === 0 ? peer.peer.port : check.port;
    this.#running += 1;
    peer.running = true;
    const cause = await this.#probe({ address: peer.peer.address, port }, check, signal);
    this.#running -= 1;
    peer.running = false;
    peer.dueAt = this.#options.now() + check.intervalMs;
    if (signal.aborted) return;
    this.#take(state, peer, cause);
    await this.#tell();
  }

  #take(state: BackendState, peer: PeerState, cause: string | null): void {
    const { check, key } = state.backend;
    const { log, now } = this.#options;
    const facts = { backend: key, peer: hostPort(peer.peer.address, peer.peer.port) };
    if (cause === null) {
      peer.passes += 1;
      peer.fails = 0;
      if (peer.out === null || peer.passes < check.passes) return;
      log.info("Peer passes its checks", facts);
      peer.out = null;
    } else {
      peer.fails += 1;
      peer.passes = 0;
      if (peer.out !== null || peer.fails < check.fails) return;
      log.warn("Peer fails its checks", { ...facts, cause });
      peer.out = { cause, since: now() };
    }
    state.tellAt = 0;
  }

  async #tell(): Promise<void> {
    const { log, now, tell } = this.#options;
    const { signal } = this.#stopping;
    if (this.#telling || signal.aborted) return;
    const due = [...this.#states.values()].filter(({ tellAt }) => tellAt <= now());
    if (due.length === 0) return;
    this.#telling = true;
    const said = due.map((state) => failingOf(state));
    // Before: what changes while it is told is due anew.
    due.forEach((state, index) => (state.tellAt = nextTell(said[index], now())));
    try {
      await tell(said, signal);
      for (const { peers, backend } of due) if (peers.size === 0) this.#states.delete(backend.key);
    } catch (error) {
      if (!signal.aborted) log.debug("Cannot tell which peers fail", { error: errorText(error) });
      for (const state of due) state.tellAt = now() + 1000;
    } finally {
      this.#telling = false;
    }
  }
}

function failingOf({ backend, peers }: BackendState): FailingPeers {
  const { intervalMs, timeoutMs, fails } = backend.check;
  const failing = [...peers].flatMap(([address, { out }]) => (out === null ? [] : [{ address, ...out }]));
  return {
    backend: backend.key,
    // Long enough for the next agent to see it by itself.
    ttlS: Math.max(TTL_S_MIN, Math.ceil(((intervalMs + timeoutMs) * (fails + 1)) / 1000)),
    peers: failing.slice(0, TOLD_MAX),
  };
}

function nextTell(said: FailingPeers | undefined, now: number): number {
  return said === undefined || said.peers.length === 0 ? Infinity : now + (said.ttlS * 1000) / 3;
}
