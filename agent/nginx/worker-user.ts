// Which user nginx's workers run as, and whether that user can reach what a worker opens by its path.

import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { AgentError } from "../lib/errors.ts";

const CANDIDATES = ["headgate-nginx", "www-data", "nginx", "nobody"] as const;

/** The first of the usual users that exists; null where the agent is not root and nginx keeps its user. */
export async function workerUser(): Promise<string | null> {
  if (process.getuid?.() !== 0) return null;
  const users = new Set((await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":")[0]));
  return CANDIDATES.find((candidate) => users.has(candidate)) ?? null;
}

/**
 * A worker writes large bodies into files under `folder`: every folder above it must let it pass. Throws
 * `state-unwritable` naming the one that does not.
 */
export async function assertReachable(folder: string, user: string): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    const { mode, uid } = await stat(path);
    if ((mode & 0o001) === 0 && uid === 0) {
      throw new AgentError(
        "state-unwritable",
        `nginx's workers (${user}) cannot reach ${folder}: ${path} is closed to them`,
        {
          hint: `Run \`chmod o+x ${path}\`, or choose another folder with --state-dir.`,
        },
      );
    }
    if (path === dirname(path)) return;
  }
}
