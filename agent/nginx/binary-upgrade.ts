// nginx's binary is replaced while it serves (USR2, as the packages of Debian do it): a second master and its workers
// take requests beside the first ones, from the same sockets. Each side has shared memory of its own, and whoever
// connects to the push socket reaches one of them by chance.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { readFileIfThere } from "../lib/files.ts";

/** Where the first master's pid stands until it ends. */
function oldPidFile(pidFile: string): string {
  return `${pidFile}.oldbin`;
}

/** Cheap, to be asked often: an upgrade has begun and its first master has not gone. */
export function mayBeUpgrading(pidFile: string): boolean {
  return existsSync(oldPidFile(pidFile));
}

/**
 * The first master of two, while a worker of it still takes connections; else null. Workers that only end what they
 * serve take none any more: a WebSocket must not hold up pushes.
 */
export async function masterThatShares(pidFile: string): Promise<number | null> {
  const pid = Number((await readFileIfThere(oldPidFile(pidFile)))?.trim());
  if (!Number.isSafeInteger(pid) || pid < 2 || !existsSync(`/proc/${pid}`)) return null;
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    const titles = await Promise.all(children.split(" ").filter(Boolean).map(titleOf));
    return titles.some((title) => /^nginx: worker process(?! is shutting down)/.test(title)) ? pid : null;
  } catch {
    // It ended just now, or the kernel does not tell: then its pid file decides.
    return existsSync(`/proc/${pid}`) ? pid : null;
  }
}

async function titleOf(pid: string): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""); // it ended
}
