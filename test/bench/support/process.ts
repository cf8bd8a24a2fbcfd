// What the kernel counts of processes inside a machine, and which they are.

import type { Edge } from "../../e2e/support/edge.ts";
import type { Machine } from "../../edges/machine.ts";

export async function agentPid(edge: Edge): Promise<number> {
  const { stdout } = await edge.machine.exec(["pgrep", "-o", "-x", "-f", "headgate-agent"]);
  return Number(stdout.trim());
}

export async function childrenOf(machine: Machine, pid: number): Promise<readonly number[]> {
  const { stdout } = await machine.exec(["cat", `/proc/${pid}/task/${pid}/children`]);
  return stdout
    .split(" ")
    .filter((text) => text.trim() !== "")
    .map(Number);
}

/** Time on a processor of all threads of these processes, in nanoseconds. */
export async function cpuNs(machine: Machine, pids: readonly number[]): Promise<number> {
  const files = pids.map((pid) => `/proc/${pid}/task/*/schedstat`).join(" ");
  const { stdout } = await machine.exec(["sh", "-c", `cat ${files}`]);
  const lines = stdout.trim().split("\n");
  return lines.reduce((sum, line) => sum + Number(line.split(" ")[0]), 0);
}

/** Resident memory of a process, in MB. */
export function residentMb(machine: Machine, pid: number): Promise<number> {
  return megabytes(machine, `/proc/${pid}/status`, "VmRSS");
}

/** What of that no file backs. */
export function anonymousMb(machine: Machine, pid: number): Promise<number> {
  return megabytes(machine, `/proc/${pid}/status`, "RssAnon");
}

/** Resident memory of a process with what it shares divided by those that share it, in MB. */
export function proportionalMb(machine: Machine, pid: number): Promise<number> {
  return megabytes(machine, `/proc/${pid}/smaps_rollup`, "Pss");
}

async function megabytes(machine: Machine, file: string, field: string): Promise<number> {
  const { stdout } = await machine.exec(["cat", file]);
  const kb = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(stdout)?.[1];
  if (kb === undefined) throw new Error(`${file} has no ${field}`);
  return Number(kb) / 1024;
}
