// What the kernel and the unit allow, held against what nginx is told to take: told at the start, mended by nobody
// but the operator.

import { openFilesOf } from "../render/files.ts";

export interface LimitFault {
  /** What is too low, as the system calls it. */
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
}

export interface LimitWish {
  readonly workerConnections: number;
  /** null: as many as the connections want. */
  readonly openFiles: number | null;
  /** Of listening sockets, see nginx/templates/server.conf.njk. */
  readonly backlog: number;
  /** The master raises the limit of its workers itself where it is root. */
  readonly root: boolean;
}

/** `read` gives the text of a file of /proc, null where it is not there: then nothing is said about it. */
export async function checkLimits(
  read: (path: string) => Promise<string | null>,
  wish: LimitWish,
): Promise<readonly LimitFault[]> {
  const faults: LimitFault[] = [];
  const files = wish.openFiles ?? openFilesOf(wish.workerConnections);
  const needed = openFilesOf(wish.workerConnections);
  if (files < needed) {
    faults.push({
      subject: "nginx.openFiles",
      message: `nginx.openFiles is ${files}, and ${wish.workerConnections} connections of a worker want ${needed}: the last ones fail`,
      hint: "Raise nginx.openFiles, or remove it: then it fits.",
    });
  }
  const most = Number((await read("/proc/sys/fs/nr_open"))?.trim() ?? Number.NaN);
  const hard = wish.root ? Number.NaN : hardLimit(await read("/proc/self/limits"));
  const allowed = Math.min(...[most, hard].filter((limit) => !Number.isNaN(limit)));
  if (files > allowed) {
    const byUnit = allowed === hard;
    faults.push({
      subject: byUnit ? "LimitNOFILE" : "fs.nr_open",
      message: `a worker of nginx may open ${allowed} files and wants ${files}: connections beyond that fail`,
      hint: byUnit
        ? `Set LimitNOFILE=${files} in the unit, or lower nginx.workerConnections.`
        : `Run \`sysctl -w fs.nr_open=${files}\` and keep it in /etc/sysctl.d, or lower nginx.workerConnections.`,
    });
  }
  const somaxconn = Number((await read("/proc/sys/net/core/somaxconn"))?.trim() ?? Number.NaN);
  if (somaxconn < wish.backlog) {
    faults.push({
      subject: "net.core.somaxconn",
      message: `${somaxconn} connections may wait to be taken, and nginx asks for ${wish.backlog}: bursts of new clients are dropped`,
      hint: `Run \`sysctl -w net.core.somaxconn=${wish.backlog}\` and keep it in /etc/sysctl.d, then reload nginx.`,
    });
  }
  return faults;
}

/** "Max open files            1024                 1048576              files" */
function hardLimit(limits: string | null): number {
  const found = /^Max open files\s+\S+\s+(\S+)/m.exec(limits ?? "")?.[1];
  if (found === undefined) return Number.NaN;
  return found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found);
}
