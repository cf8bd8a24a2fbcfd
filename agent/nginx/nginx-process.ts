// nginx as a child of the agent (`headgate run`): starts it, takes over one that still serves, starts it again when it
// ends, stops it at the end. It outlives an agent that crashes: nothing is cut, and the next agent finds it.

import { mkdir, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { AgentError, errorText } from "../lib/errors.ts";
import { readFileIfThere } from "../lib/files.ts";
import type { Logger } from "../lib/log.ts";
import { masterThatShares, mayBeUpgrading } from "./binary-upgrade.ts";
import { until } from "../lib/until.ts";
import type { NginxPaths } from "./nginx-paths.ts";
import type { PushClient } from "./push-client.ts";

const START_MS_MAX = 15_000;
const POLL_MS = 20;
const MASTER_POLL_MS = 250;
const BACKOFF_MS = 200;
const BACKOFF_MS_MAX = 10_000;

export interface NginxProcessOptions {
  readonly binary: string;
  readonly paths: NginxPaths;
  readonly client: PushClient;
  /** How long connections may finish at the end. */
  readonly stopMsMax: number;
  readonly log: Logger;
  /** Awaited before each start. */
  readonly beforeStart: () => Promise<void>;
  /** Told each time nginx is found gone, and each time it serves again (then with the pid of its master). */
  readonly onDown: (reason: string) => void;
  readonly onUp: (masterPid: number) => void;
  /** Told when a second master is found beside the first one. */
  readonly onUpgrade: () => void;
}

/**
 * `start` returns when nginx answers on its push socket; from then on a held connection tells of its end within
 * milliseconds. A unit's nginx (`owns` false) is only watched.
 */
export class NginxProcess {
  readonly #options: NginxProcessOptions;
  readonly #owns: boolean;
  readonly #stopping = new AbortController();
  #masterPid: number | null = null;
  #upgrading = false;
  #watching: Promise<void> = Promise.resolve();
  #lastWords = "";

  constructor(options: NginxProcessOptions, owns: boolean) {
    this.#options = options;
    this.#owns = owns;
  }

  get masterPid(): number | null {
    return this.#masterPid;
  }

  /** Is an nginx of ours answering already (left by an agent that crashed, or run by a unit)? */
  async isServing(signal: AbortSignal): Promise<boolean> {
    try {
      this.#masterPid = (await this.#options.client.state(signal)).masterPid;
      return true;
    } catch (error) {
      if (error instanceof AgentError && error.code === "push-failed") return false;
      throw error;
    }
  }

  /** The master that answered last: after its binary was replaced it is another. */
  follow(masterPid: number): void {
    this.#masterPid = masterPid;
  }

  /** Throws `push-failed` while two masters share the push socket: a push would reach one of them by chance. */
  async assertOneMaster(): Promise<void> {
    const { client, paths } = this.#options;
    const old = await masterThatShares(paths.pidFile);
    if (old === null) return;
    // A kept connection is one to a worker of before.
    client.renew();
    throw new AgentError("push-failed", `nginx's binary is being replaced: two masters share the push socket`, {
      hint: `Nothing is pushed until the first one stops: \`kill -QUIT ${old}\`.`,
    });
  }

  /** Starts nginx unless it serves already. Throws `nginx-start` with nginx's own words. */
  async start(signal: AbortSignal): Promise<void> {
    if (!(await this.isServing(signal))) {
      if (this.#owns) await this.#spawn(signal);
      else await this.#waitForUnit(signal);
    }
    this.#options.onUp(this.#masterPid ?? 0);
    this.#watching = this.#watch();
  }

  /**
   * Sends HUP to the master. An nginx of ours gets it from here: its workers run as another user, and may not.
   * A unit's nginx is asked through the push API: there master and workers are one user, and the agent is another.
   */
  async reload(signal: AbortSignal): Promise<void> {
    const pid = this.#owns ? await this.#pidFromFile() : null;
    if (pid === null) await this.#options.client.reload(signal);
    else process.kill(pid, "SIGHUP");
  }

  /** Stops watching; an nginx of ours finishes what it serves, and is ended after `stopMsMax`. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    if (!this.#owns) return;
    const pid = await this.#pidFromFile();
    if (pid === null) return;
    signalProcess(pid, "SIGQUIT");
    if (await this.#isGone(pid, this.#options.stopMsMax)) return;
    this.#options.log.warn("Nginx still has connections; ending it", { pid, waitedMs: this.#options.stopMsMax });
    signalProcess(pid, "SIGTERM");
    if (!(await this.#isGone(pid, 5000))) signalProcess(pid, "SIGKILL");
  }

  async #spawn(signal: AbortSignal): Promise<void> {
    const { beforeStart, paths, binary, log } = this.#options;
    await beforeStart();
    // What an nginx that was killed leaves behind would stop the next one from listening.
    if ((await this.#pidFromFile()) === null) await rm(paths.pushSocket, { force: true });
    await mkdir(paths.prefix, { recursive: true, mode: 0o750 });
    await mkdir(dirname(paths.pushSocket), { recursive: true, mode: 0o750 });
    await mkdir(dirname(paths.errorLog), { recursive: true, mode: 0o750 });
    // Detached: a Ctrl-C in the terminal goes to the agent alone, which then lets nginx finish.
    const child = execa(binary, ["-c", paths.mainFile, "-p", paths.prefix, "-e", paths.errorLog, "-g", "daemon off;"], {
      reject: false,
      detached: true,
      cleanup: false,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      buffer: false,
      env: { LC_ALL: "C" },
    });
    let ended = false;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-2000);
    });
    void child.then((result) => {
      ended = true;
      log.debug("Nginx ended", { exitCode: result.exitCode, signal: result.signal });
    });
    const serving = await until(async () => ended || (await this.isServing(signal)), {
      everyMs: POLL_MS,
      withinMs: START_MS_MAX,
      signal,
    });
    if (ended || !serving) {
      const said = /\[emerg\] (?:\d+#\d+: )?(.*)/.exec(this.#lastWords)?.[1] ?? this.#lastWords.trim();
      throw new AgentError("nginx-start", `cannot start nginx: ${said === "" ? "it does not answer" : said}`, {
        hint: startHint(said, paths.errorLog),
      });
    }
    log.info("Nginx started", { pid: this.#masterPid });
  }

  async #waitForUnit(signal: AbortSignal): Promise<void> {
    this.#options.onDown("its unit does not run, or it does not answer on the push socket");
    while (!(await this.isServing(signal))) await delay(500, undefined, { signal });
  }

  /** Holds a connection to nginx; when it breaks, asks again, and when nobody answers, nginx is gone. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const { log, onDown, onUp, paths } = this.#options;
    let backoffMs = BACKOFF_MS;
    while (!signal.aborted) {
      await heldConnection(paths.pushSocket, () => this.#noticeUpgrade() || this.#masterIsGone(), signal);
      if (signal.aborted) return;
      try {
        if (await this.isServing(signal)) {
          if (!this.#masterIsGone()) {
            await delay(POLL_MS, undefined, { signal });
            continue;
          }
          await this.#releaseOrphans(signal);
        }
        const reason = await this.#goneReason();
        log.error("Nginx is gone", { pid: this.#masterPid, reason });
        onDown(reason);
        while (!(await this.isServing(signal))) {
          try {
            if (this.#owns) await this.#spawn(signal);
          } catch (error) {
            log.error("Cannot start nginx again", { error: errorText(error), nextTryMs: backoffMs });
            onDown(errorText(error));
          }
          await delay(backoffMs, undefined, { signal });
          backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
        }
        backoffMs = BACKOFF_MS;
        onUp(this.#masterPid ?? 0);
      } catch (error) {
        if (signal.aborted) return;
        log.error("Cannot watch nginx", { error: errorText(error) });
        await delay(BACKOFF_MS_MAX, undefined, { signal }).catch(() => undefined); // only an abort rejects it
      }
    }
  }

  /** Tells of the beginning of an upgrade; never true, for nothing ends with it. */
  #noticeUpgrade(): boolean {
    const upgrading = mayBeUpgrading(this.#options.paths.pidFile);
    if (upgrading && !this.#upgrading) {
      this.#options.log.warn("Nginx's binary is being replaced", { pid: this.#masterPid });
      this.#options.onUpgrade();
    }
    this.#upgrading = upgrading;
    return false;
  }

  /** A unit's nginx is its unit's to watch: its processes may be ones that the agent cannot see. */
  #masterIsGone(): boolean {
    return this.#owns && this.#masterPid !== null && !isAlive(this.#masterPid);
  }

  /** Workers go on without their master, and nobody could reload them: they finish, and make room for the next. */
  async #releaseOrphans(signal: AbortSignal): Promise<void> {
    const { workers } = await this.#options.client.state(signal);
    this.#options.log.error("Nginx lost its master", { pid: this.#masterPid, workers: workers.length });
    for (const { pid } of workers) signalProcess(pid, "SIGQUIT");
    await until(async () => !(await this.isServing(signal)), { everyMs: POLL_MS, withinMs: START_MS_MAX, signal });
  }

  async #goneReason(): Promise<string> {
    const pid = this.#masterPid;
    if (pid !== null && isAlive(pid)) return `process ${pid} runs but does not answer on the push socket`;
    return this.#lastWords.trim() === "" ? "the process ended" : `the process ended: ${this.#lastWords.trim()}`;
  }

  async #pidFromFile(): Promise<number | null> {
    const text = await readFileIfThere(this.#options.paths.pidFile);
    const pid = text === null ? this.#masterPid : Number(text.trim());
    return pid !== null && Number.isSafeInteger(pid) && pid > 1 && isAlive(pid) ? pid : null;
  }

  #isGone(pid: number, withinMs: number): Promise<boolean> {
    const { signal } = new AbortController();
    return until(() => Promise.resolve(!isAlive(pid)), { everyMs: POLL_MS, withinMs, signal });
  }
}

function startHint(said: string, errorLog: string): string {
  if (said.includes("Address already in use")) {
    return "Another program listens there: `ss -ltnp` names it. Choose other ports with --http and --https.";
  }
  if (said.includes("Permission denied")) {
    return "Ports below 1024 need root or CAP_NET_BIND_SERVICE; choose others with --http and --https.";
  }
  return `Read ${errorLog}.`;
}

/**
 * Resolves when a connection to the socket ends or cannot be made, or when `isOver` says so. It asks one thing: nginx
 * holds a connection without a request for no idle one, and a worker that is to end would wait a minute for it.
 */
function heldConnection(path: string, isOver: () => boolean, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const connection = createConnection({ path });
  connection.write("GET /v1/state HTTP/1.1\r\nHost: headgate\r\n\r\n");
  const poll = setInterval(() => {
    if (isOver()) end();
  }, MASTER_POLL_MS);
  const end = (): void => {
    clearInterval(poll);
    signal.removeEventListener("abort", end);
    connection.destroy();
    resolve();
  };
  signal.addEventListener("abort", end);
  connection.on("error", end).on("close", end).resume();
  if (signal.aborted) end();
  return promise;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself, which is what was asked for.
  }
}
