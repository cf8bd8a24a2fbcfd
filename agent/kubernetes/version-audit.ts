// Notices that the API server went back in time: etcd was restored from a backup. A watch that continues from a version
// of the future is silent, and nothing else would ever tell. So after each doubt, and now and then, the server is asked
// for its version of each kind, with a list of one item; a lower one than ours means that it went back. Versions are
// compared where both are numbers, which etcd's are, and only within a kind: kinds may live in different etcds.

import type { ApiClient } from "./client.ts";
import { backoffMs } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { readVersion } from "./list.ts";
import type { Resource } from "./resources.ts";
import { sleep } from "./sleep.ts";

export interface HeldVersion {
  readonly resource: Resource;
  /** null: nothing was read yet. */
  readonly version: string | null;
}

export interface VersionAuditOptions {
  readonly client: ApiClient;
  readonly limits: Limits;
  readonly random: () => number;
  /** What the watches continue from now. */
  readonly held: () => readonly HeldVersion[];
  /** The server has `server` where we have `ours`: all is to be read anew. */
  readonly onBack: (back: WentBack) => void;
}

export interface WentBack {
  readonly resource: Resource;
  readonly ours: string;
  readonly server: string;
}

export class VersionAudit {
  readonly #options: VersionAuditOptions;
  readonly #aborter = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #asked = false;
  #busy = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: VersionAuditOptions) {
    this.#options = options;
  }

  start(): void {
    const { auditMs } = this.#options.limits;
    // Edges that were started together do not ask together.
    this.#timer = setTimeout(
      () => {
        this.doubt();
        this.start();
      },
      auditMs * (0.75 + this.#options.random() / 2),
    );
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#aborter.abort();
    await this.#running;
  }

  /** A watch was taken up again after something went wrong: look. Doubts that come together are one. */
  doubt(): void {
    this.#asked = true;
    if (!this.#busy && !this.#aborter.signal.aborted) this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { limits, random } = this.#options;
    const { signal } = this.#aborter;
    this.#busy = true;
    for (let failures = 0; this.#asked && !signal.aborted;) {
      this.#asked = false;
      try {
        await this.#compare();
        failures = 0;
      } catch {
        // What is wrong with the server is the reflectors' to say. The doubt stays for some tries, then for the audit.
        if (++failures >= limits.versionTriesMax) break;
        this.#asked = true;
        await sleep(backoffMs(failures, limits, random), signal);
      }
    }
    this.#busy = false;
  }

  async #compare(): Promise<void> {
    const { client, limits, held, onBack } = this.#options;
    for (const { resource, version: ours } of highestOfEachKind(held())) {
      const call = { client, resource, limits, signal: this.#aborter.signal };
      const server = await readVersion(call);
      if (this.#aborter.signal.aborted) return;
      const number = toNumber(server);
      if (number === null || number >= ours) continue;
      onBack({ resource, ours: String(ours), server });
      return;
    }
  }
}

function highestOfEachKind(
  held: readonly HeldVersion[],
): Iterable<{ readonly resource: Resource; readonly version: bigint }> {
  const highest = new Map<string, { readonly resource: Resource; readonly version: bigint }>();
  for (const { resource, version: text } of held) {
    const version = toNumber(text);
    const known = highest.get(resource.kind);
    if (version === null || (known !== undefined && known.version >= version)) continue;
    highest.set(resource.kind, { resource, version });
  }
  return highest.values();
}

function toNumber(version: string | null): bigint | null {
  return version !== null && /^\d{1,20}$/.test(version) ? BigInt(version) : null;
}
