// Which nginx configuration is wanted, and when a reload is due. The only place that submits configure steps.

import type { ConfigurationLane } from "../apply/configuration-lane.ts";
import { configurationReason, documentsDictMb, type NginxWish, upstreamBlocks } from "../plan/plan-configuration.ts";
import { choosePolicies, isSameMutualTls } from "../plan/choose-policies.ts";
import type { RenderedFile, VerifiedProfile } from "../render/files.ts";
import type { VariantProfile } from "../render/variants.ts";
import { admitVariants } from "../plan/admit-variants.ts";
import type { MutualTls } from "../render/mutual-tls.ts";

export interface ClusterSize {
  readonly documentBytes: number;
  /** Addresses and ports that differ. */
  readonly peers: number;
  /** Profiles that routes need, sorted by name. */
  readonly verified: readonly VerifiedProfile[];
  /** Variants of profiles that routes ask for, sorted by name. */
  readonly variants: readonly VariantProfile[];
  /** Server blocks that hosts need: all there are, also more than there may be. */
  readonly mutualTls: MutualTls;
}

export interface ConfiguratorOptions {
  readonly lane: ConfigurationLane;
  readonly nextGeneration: () => number;
  readonly render: (wish: NginxWish, generation: number) => readonly RenderedFile[];
  /** Writes the snapshot now: a reload that changes the size of a dict is filled from it. */
  readonly flushSnapshot: () => Promise<void>;
}

export interface Forecast {
  readonly reason: string | null;
  readonly before: readonly RenderedFile[];
  readonly after: readonly RenderedFile[];
}

export class Configurator {
  readonly #options: ConfiguratorOptions;
  #applied: NginxWish | null = null;
  #wanted: NginxWish;
  #submitted: { readonly generation: number; readonly wish: NginxWish } | null = null;

  constructor(options: ConfiguratorOptions, wanted: NginxWish) {
    this.#options = options;
    this.#wanted = wanted;
  }

  /** What nginx runs: not what it was last asked for, where it could not take that. */
  get inForce(): NginxWish {
    return this.#applied ?? this.#wanted;
  }

  files(generation: number): readonly RenderedFile[] {
    return this.#options.render(this.#wanted, generation);
  }

  /** The files as they are wanted now, under the number of the last generation. */
  runningFiles(): readonly RenderedFile[] {
    return this.files(this.#submitted?.generation ?? 0);
  }

  /** nginx runs what is wanted, or (`reason`) something else, so that a reload is due at once. */
  async running(reason: string | null): Promise<void> {
    if (reason === null) this.#applied = this.#wanted;
    else await this.#submit(reason);
  }

  /** A new wish, from a configuration file that changed. What has grown with the cluster stays as it is. */
  async want(wanted: NginxWish): Promise<void> {
    const { documentsDictMb, versionsDictMb, upstreamBlocks: blocks, verified, variants, mutualTls } = this.#wanted;
    this.#wanted = {
      ...wanted,
      documentsDictMb,
      versionsDictMb,
      upstreamBlocks: blocks,
      verified,
      variants,
      mutualTls,
    };
    await this.#plan();
  }

  /** Before nginx runs: what it must have from the start, for no document may name what is not there. */
  expect(size: ClusterSize): void {
    this.#wanted = grown(this.#wanted, size) ?? this.#wanted;
  }

  /** Tells how much there is; shared dicts, upstream blocks and profiles grow when they need to. */
  async grow(size: ClusterSize): Promise<void> {
    const after = grown(this.#wanted, size);
    if (after === null) return;
    this.#wanted = after;
    await this.#plan();
  }

  /** What `grow` would do, without doing it: why nginx would reload (null: it would not), and the files for that. */
  forecast(size: ClusterSize): Forecast {
    const before = this.runningFiles();
    const after = grown(this.#wanted, size);
    if (after === null) return { reason: null, before, after: before };
    const files = this.#options.render(after, this.#submitted?.generation ?? 0);
    return { reason: configurationReason(this.#wanted, after), before, after: files };
  }

  /** A step was verified: what was wanted then is what runs now. */
  applied(generation: number): void {
    if (this.#submitted?.generation === generation) this.#applied = this.#submitted.wish;
  }

  async #plan(): Promise<void> {
    const reason = configurationReason(this.#applied, this.#wanted);
    if (reason !== null) await this.#submit(reason);
  }

  async #submit(reason: string): Promise<void> {
    await this.#options.flushSnapshot();
    const generation = this.#options.nextGeneration();
    this.#submitted = { generation, wish: this.#wanted };
    this.#options.lane.submit({ kind: "configure", generation, files: this.files(generation), reason });
  }
}

/**
 * A larger wish, or null where what is wanted suffices. What is not used any more goes with the next reload, but for
 * client certificates: a host that asks for them no more would go on to.
 */
function grown(before: NginxWish, size: ClusterSize): NginxWish | null {
  const { documentBytes, peers, verified, variants } = size;
  const megabytes = documentsDictMb(documentBytes, before.documentsDictMb);
  const blocks = upstreamBlocks(peers, before.upstreamBlocks);
  const names = new Set(before.verified.map(({ name }) => name));
  const more = verified.some(({ name }) => !names.has(name));
  const mutualTls = choosePolicies(before.mutualTls, size.mutualTls);
  const sameTls = isSameMutualTls(before.mutualTls, mutualTls);
  const due = megabytes !== before.documentsDictMb || blocks !== before.upstreamBlocks || more || !sameTls;
  const admitted = admitVariants(before.variants, variants, due);
  if (!due && admitted === before.variants) return null;
  return {
    ...before,
    documentsDictMb: megabytes,
    versionsDictMb: Math.ceil((before.versionsDictMb * megabytes) / before.documentsDictMb),
    upstreamBlocks: blocks,
    verified: due ? verified : before.verified,
    variants: admitted,
    mutualTls,
  };
}
