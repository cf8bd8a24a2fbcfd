// nginx on this machine as the rest of the agent sees it: the DataPlane port, and its beginning and end.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../lib/log.ts";
import { isErrno } from "../lib/files.ts";
import type { PushLine } from "../plan/steps.ts";
import type { RenderedFile } from "../render/files.ts";
import { configure, type ConfigurationOptions, currentGeneration, installConfiguration } from "./configuration.ts";
import type { DataPlane, DataPlaneState, HeldDocument, PushResult } from "./data-plane.ts";
import type { NginxPaths } from "./nginx-paths.ts";
import { NginxProcess } from "./nginx-process.ts";
import {
  type EjectedPeer,
  type ExplainedRequest,
  type Explanation,
  type FailingPeers,
  PushClient,
} from "./push-client.ts";

export interface NginxControlOptions {
  readonly binary: string;
  readonly paths: NginxPaths;
  /** The agent starts and stops it; false: a unit does. */
  readonly owns: boolean;
  readonly stopMsMax: number;
  readonly log: Logger;
  /** Awaited before nginx is started: what it loads at its start should be of now. */
  readonly beforeStart: () => Promise<void>;
  readonly onDown: (reason: string) => void;
  readonly onUp: (masterPid: number) => void;
  /** Its binary is being replaced: what was confirmed may not be what the second master holds. */
  readonly onUpgrade: () => void;
}

export class NginxControl implements DataPlane {
  readonly #client: PushClient;
  readonly #process: NginxProcess;
  readonly #configuration: ConfigurationOptions;
  /** Their process ids when they were last asked for. */
  #workers = "";

  constructor(options: NginxControlOptions) {
    this.#client = new PushClient(options.paths.pushSocket);
    this.#process = new NginxProcess({ ...options, client: this.#client }, options.owns);
    this.#configuration = {
      binary: options.binary,
      paths: options.paths,
      client: this.#client,
      reload: (signal) => this.#process.reload(signal),
    };
  }

  get masterPid(): number | null {
    return this.#process.masterPid;
  }

  /**
   * Starts nginx with what `render` gives for `generation`, or takes over one that serves already. Gives why a
   * reload is due: what serves has other files than are wanted; null when all is as wanted.
   */
  async start(
    generation: number,
    render: (generation: number) => readonly RenderedFile[],
    signal: AbortSignal,
  ): Promise<string | null> {
    if (!(await this.#process.isServing(signal))) {
      await installConfiguration(this.#configuration, generation, render(generation), signal);
      await this.#process.start(signal);
      return null;
    }
    await this.#process.start(signal);
    const { worker } = await this.#client.state(signal);
    const same = await this.#isInstalled(worker.configuration, render(worker.configuration));
    return same ? null : "the agent was started anew with another configuration";
  }

  stop(): Promise<void> {
    return this.#process.stop().finally(() => this.#client.close());
  }

  async push(lines: readonly PushLine[], signal: AbortSignal): Promise<readonly PushResult[]> {
    await this.#process.assertOneMaster();
    return this.#client.push(lines, signal);
  }

  async state(signal: AbortSignal): Promise<DataPlaneState> {
    await this.#process.assertOneMaster();
    const state = await this.#client.state(signal);
    this.#process.follow(state.masterPid);
    const workers = state.workers.map(({ pid }) => pid).join(" ");
    if (workers !== this.#workers) this.#client.renew();
    this.#workers = workers;
    return state;
  }

  held(signal: AbortSignal): Promise<readonly HeldDocument[]> {
    return this.#client.held(signal);
  }

  metrics(signal: AbortSignal): Promise<string> {
    return this.#client.metrics(signal);
  }

  explain(asked: ExplainedRequest, signal: AbortSignal): Promise<Explanation> {
    return this.#client.explain(asked, signal);
  }

  ejected(signal: AbortSignal): Promise<ReadonlyMap<string, readonly EjectedPeer[]>> {
    return this.#client.ejected(signal);
  }

  tellFailing(failing: readonly FailingPeers[], signal: AbortSignal): Promise<void> {
    return this.#client.tellFailing(failing, signal);
  }

  configure(generation: number, files: readonly RenderedFile[], signal: AbortSignal): Promise<void> {
    return configure(this.#configuration, generation, files, signal);
  }

  async #isInstalled(generation: number, files: readonly RenderedFile[]): Promise<boolean> {
    const { paths } = this.#configuration;
    if ((await currentGeneration(paths)) !== String(generation)) return false;
    for (const file of files) {
      try {
        if ((await readFile(join(paths.current, file.path), "utf8")) !== file.text) return false;
      } catch (error) {
        if (isErrno(error, "ENOENT")) return false;
        throw error;
      }
    }
    return true;
  }
}
