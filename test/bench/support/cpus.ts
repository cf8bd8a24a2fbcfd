// Which processor does what while CPU is measured: the worker has one alone, everything else shares the other. On two
// processors four programs would otherwise push each other about, and the same round costs half as much or twice.

import type { Machine } from "../../edges/machine.ts";

export const WORKER_CPU = 0;
export const REST_CPU = 1;

/** What stands before a command that runs on one processor alone. */
export function onCpu(cpu: number): readonly string[] {
  return ["taskset", "-c", String(cpu)];
}

/** Moves processes of a machine (their numbers inside it), with all their threads, to one processor. */
export async function moveTo(machine: Machine, cpu: number, pids: readonly number[]): Promise<void> {
  for (const pid of pids) await machine.exec(["taskset", "-a", "-c", "-p", String(cpu), String(pid)]);
}
