// The agent as a process: configuration, signals, exit codes. SIGHUP reads the configuration anew, SIGTERM and SIGINT end.

import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Config } from "./config/config.ts";
import { loadConfig } from "./config/load-config.ts";
import { Edge } from "./edge/edge.ts";
import { prepare } from "./edge/prepare.ts";
import { AgentError, errorText } from "./lib/errors.ts";
import { createLogger, type Logger } from "./lib/log.ts";
import { VERSION } from "./lib/version.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.title = "headgate-agent";
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
  try {
    const config = await readConfig(argv);
    await run(argv, config, createLogger(config.log), stopping.signal);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    const hint = error instanceof AgentError && error.hint !== null ? `\n${error.hint}` : "";
    process.stderr.write(`headgate: ${errorText(error)}${hint}\n`);
    const usage = error instanceof AgentError && (error.code === "usage" || error.code === "config-invalid");
    return usage ? EXIT_USAGE : EXIT_FAILED;
  }
}

async function run(argv: readonly string[], config: Config, log: Logger, signal: AbortSignal): Promise<void> {
  log.info("Headgate starts", { version: VERSION, edge: config.edge, stateDir: config.stateDir });
  const edge = await putTogether(config, log, signal);
  try {
    await edge.start(signal);
    process.on("SIGHUP", () => void reload(argv, edge, log));
    await ended(signal);
    log.info("Headgate ends", { edge: config.edge });
  } finally {
    await edge.stop();
  }
}

/** Not in `run`, which lasts as long as the agent and would keep all that was loaded for the start. */
async function putTogether(config: Config, log: Logger, signal: AbortSignal): Promise<Edge> {
  // The bundle is dist/agent.js, the source agent/main.ts: both are one folder below the root.
  return new Edge(await prepare({ config, log, root: join(import.meta.dirname, "..") }, signal));
}

/** A configuration that cannot be used changes nothing. */
async function reload(argv: readonly string[], edge: Edge, log: Logger): Promise<void> {
  try {
    await edge.reconfigure(await readConfig(argv));
  } catch (error) {
    log.error("Cannot use the changed configuration", { error: errorText(error) });
  }
}

function readConfig(argv: readonly string[]): Promise<Config> {
  return loadConfig(argv, {
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? -1,
    hostname: hostname(),
    ipv6: existsSync("/proc/net/if_inet6"),
  });
}

function ended(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
