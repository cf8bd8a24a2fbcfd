// Headgate of an older commit beside that of today, to be installed on a test host as a package would be.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../edges/cache.ts";
import { type Machine, NODE, REPOSITORY } from "../../edges/machine.ts";

/**
 * The subject of the older commit: before balancers, redirects and CORS, whose filters its Lua does not know.
 * Not its hash, which another history of the same changes would not have.
 */
const OLDER = "test/e2e: ask again where shared memory grows by a reload";

/** What a package would put on the disk. */
const PARTS = ["bin", "dist", "lua", "nginx", "package.json"];

export type Version = "older" | "today";

/** Puts a version onto the disk of a machine, over the one that is there, and gives its folder. */
export function install(machine: Machine, version: Version): string {
  const home = join(machine.scratch, "headgate");
  const from = version === "today" ? REPOSITORY : olderTree();
  mkdirSync(home, { recursive: true });
  for (const part of PARTS) {
    rmSync(join(home, part), { recursive: true, force: true });
    cpSync(join(from, part), join(home, part), { recursive: true });
  }
  if (!existsSync(join(home, "node_modules"))) {
    symlinkSync(join(REPOSITORY, "node_modules"), join(home, "node_modules"));
  }
  return home;
}

/** The older tree with its bundles, made once. Throws where git does not have the commit and cannot get it. */
function olderTree(): string {
  const commit = olderCommit();
  const target = join(cacheDirectory(), `older-${commit.slice(0, 12)}`);
  if (existsSync(target)) return target;
  mkdirSync(cacheDirectory(), { recursive: true });
  const building = mkdtempSync(join(cacheDirectory(), "older-building-"));
  try {
    const archive = git("archive", "--format=tar", commit);
    execFileSync("tar", ["-x", "-C", building], { input: archive });
    symlinkSync(join(REPOSITORY, "node_modules"), join(building, "node_modules"));
    execFileSync(NODE, [join(building, "build.ts")], { stdio: ["ignore", "ignore", "inherit"] });
    if (!existsSync(target)) renameSync(building, target);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return target;
}

function olderCommit(): string {
  const found = findOlder() ?? (deepen() ? findOlder() : null);
  if (found !== null) return found;
  throw new Error(
    `the history of this clone has no commit "${OLDER}", whose agent and Lua this test runs. ` +
      "Get the whole history: git fetch --unshallow",
  );
}

function findOlder(): string | null {
  const subjects = git("log", "--format=%H %s").toString("utf8").split("\n");
  return subjects.find((line) => line.slice(line.indexOf(" ") + 1) === OLDER)?.split(" ")[0] ?? null;
}

/** Gets the rest of a clone's history; false where there is no more, or no way to it. */
function deepen(): boolean {
  if (git("rev-parse", "--is-shallow-repository").toString("utf8").trim() !== "true") return false;
  try {
    git("fetch", "--quiet", "--unshallow");
    return true;
  } catch {
    return false;
  }
}

function git(...args: readonly string[]): Buffer {
  // The clone may be another user's; what is run of it is run anyway.
  const safe = ["-c", `safe.directory=${REPOSITORY}`];
  return execFileSync("git", [...safe, "-C", REPOSITORY, ...args], { maxBuffer: 256 * 1024 * 1024 });
}
