// Root file systems for test machines, made by mmdebstrap once and kept in the cache.
// In: a suite. Out: a directory that nobody writes to (machines put an overlay on it).

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory, recipeKey } from "./cache.ts";

const run = promisify(execFile);

/** trixie (Debian 13) is the reference; bookworm (Debian 12) must work. */
export type Suite = "trixie" | "bookworm";

export const SUITES: readonly Suite[] = ["trixie", "bookworm"];

export interface RootRecipe {
  readonly suite: Suite;
  readonly packages: readonly string[];
  /** Further suites to take packages from, as `trixie-backports`. */
  readonly alsoFrom: readonly string[];
  /** Part of the directory's name. */
  readonly purpose: string;
}

const MIRROR = "http://deb.debian.org/debian";
const BUILD_TIMEOUT_MS = 15 * 60_000;

/** What a test host has. etcd-server is here because both etcd versions under test are Debian's. */
const HOST_PACKAGES = [
  "ca-certificates",
  "curl",
  "etcd-server",
  "iproute2",
  "libnginx-mod-http-lua",
  "lua-cjson",
  "mount",
  "nginx",
  "openssl",
  "procps",
];

/** The root of a test host of `suite`, made if it is missing (25 to 60 s, needs root, mmdebstrap and the mirror). */
export async function ensureRoot(suite: Suite): Promise<string> {
  return ensureRootOf({ suite, packages: HOST_PACKAGES, alsoFrom: [], purpose: "host" });
}

/** The same for any recipe. `HEADGATE_REFRESH_ROOTS=1` makes it anew, for newer packages. */
export async function ensureRootOf(recipe: RootRecipe): Promise<string> {
  const directory = rootDirectory(recipe);
  const refresh = process.env["HEADGATE_REFRESH_ROOTS"] === "1" && !refreshed.has(directory);
  if (!refresh && existsSync(directory)) return directory;
  refreshed.add(directory);
  const building = `${directory}.tmp-${process.pid}`;
  mkdirSync(join(cacheDirectory(), "roots"), { recursive: true });
  try {
    await build(recipe, building);
    publish(building, directory);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return directory;
}

const refreshed = new Set<string>(); // so that one process refreshes a root once

function rootDirectory(recipe: RootRecipe): string {
  const key = recipeKey([MIRROR, recipe.suite, ...recipe.alsoFrom, "packages", ...recipe.packages]);
  return join(cacheDirectory(), "roots", `${recipe.suite}-${recipe.purpose}-${key}`);
}

async function build(recipe: RootRecipe, target: string): Promise<void> {
  process.stderr.write(`Making the ${recipe.suite} root file system (${recipe.purpose}), about a minute\n`);
  const sources = [recipe.suite, ...recipe.alsoFrom].map((suite) => `deb ${MIRROR} ${suite} main`);
  const argv = ["--variant=apt", "--quiet", `--include=${recipe.packages.join(",")}`, recipe.suite, target, ...sources];
  try {
    await run("mmdebstrap", argv, { timeout: BUILD_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    throw new Error(
      `cannot make the ${recipe.suite} root file system: mmdebstrap failed. ` +
        "It needs root, the package mmdebstrap (`apt-get install mmdebstrap`) and the Debian mirror",
      { cause: error },
    );
  }
}

/** Puts the finished root in place at once; of two builders the second one's work is thrown away. */
function publish(building: string, directory: string): void {
  const old = `${directory}.old-${process.pid}`;
  if (existsSync(directory)) renameSync(directory, old);
  try {
    renameSync(building, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}
