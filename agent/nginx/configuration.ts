// A new nginx configuration: test → swap → reload → verify → else the old one back.
// In: files of one generation. Out: a new worker has answered with that generation, or nothing has changed.

import { lstat, mkdir, readFile, readdir, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AgentError, errorText } from "../lib/errors.ts";
import { lastLines, runCommand } from "../lib/exec.ts";
import { isErrno } from "../lib/files.ts";
import { until } from "../lib/until.ts";
import type { RenderedFile } from "../render/files.ts";
import type { NginxPaths } from "./nginx-paths.ts";
import type { PushClient } from "./push-client.ts";

const TEST_MS_MAX = 60_000;
/** A reload of thousands of server blocks took 6 s (docs/adr/0003). */
const VERIFY_MS_MAX = 15_000;
const VERIFY_EVERY_MS = 20;
/** Old generations kept for a look back. */
const GENERATIONS_KEPT = 3;

export interface ConfigurationOptions {
  readonly binary: string;
  readonly paths: NginxPaths;
  readonly client: Pick<PushClient, "state">;
  /** Sends HUP to nginx's master. */
  readonly reload: (signal: AbortSignal) => Promise<void>;
}

/** Writes the files of a generation, tests them and makes them current, without a running nginx. */
export async function installConfiguration(
  options: ConfigurationOptions,
  generation: number,
  files: readonly RenderedFile[],
  signal: AbortSignal,
): Promise<void> {
  const folder = join(options.paths.generations, String(generation));
  await writeFiles(folder, files);
  try {
    await testCandidate(options, files, signal);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  await makeCurrent(options.paths, String(generation));
}

/** As `DataPlane.configure`. */
export async function configure(
  options: ConfigurationOptions,
  generation: number,
  files: readonly RenderedFile[],
  signal: AbortSignal,
): Promise<void> {
  const before = await currentGeneration(options.paths);
  const logOffset = await fileSize(options.paths.errorLog);
  await installConfiguration(options, generation, files, signal);
  try {
    await options.reload(signal);
    await verify(options.client, generation, signal);
  } catch (error) {
    if (before !== null) await makeCurrent(options.paths, before);
    await rm(join(options.paths.generations, String(generation)), { recursive: true, force: true });
    const said = await nginxSaid(options.paths.errorLog, logOffset);
    // A reload that is merely late must not win after all.
    if (said === null) await options.reload(signal).catch(() => undefined); // the error below is the one to tell
    throw new AgentError(
      "nginx-reload",
      `cannot reload nginx: generation ${generation}: ${said ?? errorText(error)}; ` +
        `nginx keeps running generation ${before ?? "none"}`,
      { cause: error, hint: `Read ${options.paths.errorLog}.` },
    );
  }
  await dropOldGenerations(options.paths, generation);
}

/** The generation that `current` points to, as a folder name; null before the first. */
export async function currentGeneration(paths: NginxPaths): Promise<string | null> {
  try {
    return await readlink(paths.current);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    throw error;
  }
}

/**
 * `nginx -t` on a copy that runs in a folder of its own: a test would otherwise bind the push socket and leave it
 * behind, and write into the pid file of the nginx that serves.
 */
async function testCandidate(
  options: ConfigurationOptions,
  files: readonly RenderedFile[],
  signal: AbortSignal,
): Promise<void> {
  const { paths } = options;
  const runDir = join(paths.runDir, "test");
  const folder = join(runDir, "conf");
  await rm(runDir, { recursive: true, force: true });
  await Promise.all([dirname(paths.pushSocket), paths.prefix, folder].map((path) => makeFolder(path, paths, runDir)));
  await writeFiles(
    folder,
    files.map((file) => ({ path: file.path, text: file.text.replaceAll(paths.runDir, runDir) })),
  );
  const result = await runCommand(
    options.binary,
    ["-t", "-q", "-c", join(folder, "nginx.conf"), "-p", join(runDir, "nginx"), "-e", join(runDir, "error.log")],
    { timeoutMs: TEST_MS_MAX, signal },
  );
  await rm(runDir, { recursive: true, force: true });
  if (result.kind === "exited" && result.exitCode === 0) return;
  const said = result.kind === "exited" ? lastLines(result.stderr, 3) : result.reason;
  throw new AgentError(
    "nginx-candidate",
    `cannot use the new nginx configuration: ${said.replaceAll(`${folder}/`, "")}`,
    {
      hint: /module '(cjson|resty\.[\w.]+)' not found/.test(said)
        ? "Install what Lua lacks: `apt install lua-cjson lua-resty-core`, or set nginx.luaPackagePath."
        : "The configuration before it keeps running. `headgate render` shows what nginx was given.",
    },
  );
}

async function makeFolder(path: string, paths: NginxPaths, runDir: string): Promise<void> {
  await mkdir(path.startsWith(runDir) ? path : path.replace(paths.runDir, runDir), { recursive: true, mode: 0o750 });
}

/** Waits until a worker of the new generation answers. Old workers do not accept any more once it does. */
async function verify(client: Pick<PushClient, "state">, generation: number, signal: AbortSignal): Promise<void> {
  const done = await until(
    async () => {
      try {
        return (await client.state(signal)).worker.configuration === generation;
      } catch (error) {
        if (error instanceof AgentError && error.code === "push-failed") return false;
        throw error;
      }
    },
    { everyMs: VERIFY_EVERY_MS, withinMs: VERIFY_MS_MAX, signal },
  );
  if (!done) throw new Error(`no new worker answered within ${VERIFY_MS_MAX / 1000} s`);
}

async function writeFiles(folder: string, files: readonly RenderedFile[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.text, { mode: 0o640 });
  }
}

async function makeCurrent(paths: NginxPaths, generation: string): Promise<void> {
  const temporary = `${paths.current}.new`;
  await rm(temporary, { force: true });
  await symlink(generation, temporary);
  await rename(temporary, paths.current);
}

async function dropOldGenerations(paths: NginxPaths, current: number): Promise<void> {
  const old = (await readdir(paths.generations))
    .filter((name) => /^\d+$/.test(name) && Number(name) < current)
    .toSorted((a, b) => Number(b) - Number(a));
  for (const name of old.slice(GENERATIONS_KEPT - 1)) {
    await rm(join(paths.generations, name), { recursive: true, force: true });
  }
}

async function fileSize(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  return found === null ? 0 : found.size;
}

/** nginx's own words since `offset` of its log: the first line that says why, or null. */
async function nginxSaid(path: string, offset: number): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size <= offset) return null;
  const text = (await readFile(path)).subarray(offset).toString("utf8");
  const line = text.split("\n").find((candidate) => /\[(emerg|alert|crit)\]/.test(candidate));
  return line?.replace(/^.*?\[(?:emerg|alert|crit)\] \d+#\d+: /, "") ?? null;
}
