// What the kernel counts of a process inside a machine.

import type { Machine } from "../../edges/machine.ts";

/** Time on a processor of all threads of a process, in nanoseconds. */
export async function cpuNs(machine: Machine, pid: number): Promise<number> {
  const { stdout } = await machine.exec(["sh", "-c", `cat /proc/${pid}/task/*/schedstat`]);
  let sum = 0;
  for (const line of stdout.trim().split("\n")) sum += Number(line.split(" ")[0]);
  return sum;
}

/** Resident memory of a process, in MB. */
export async function residentMb(machine: Machine, pid: number): Promise<number> {
  return kilobytes(machine, `/proc/${pid}/status`, "VmRSS");
}

/** Resident memory of a process with what it shares divided by those that share it, in MB. */
export async function proportionalMb(machine: Machine, pid: number): Promise<number> {
  return kilobytes(machine, `/proc/${pid}/smaps_rollup`, "Pss");
}

async function kilobytes(machine: Machine, file: string, field: string): Promise<number> {
  const { stdout } = await machine.exec(["cat", file]);
  const kb = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(stdout)?.[1];
  if (kb === undefined) throw new Error(`${file} has no ${field}`);
  return Number(kb) / 1024;
}
