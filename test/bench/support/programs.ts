// Programs beside this file, run with Node inside a machine on the processor of everything but nginx's workers.

import { join } from "node:path";
import { type Machine, NODE } from "../../edges/machine.ts";
import type { Running } from "../../edges/sandbox.ts";
import { onCpu, REST_CPU } from "./cpus.ts";

function argvOf(program: string, args: readonly (string | number)[]): readonly string[] {
  return [...onCpu(REST_CPU), NODE, join(import.meta.dirname, `${program}-program.ts`), ...args.map(String)];
}

/** Runs one to its end, at most `seconds`. Returns its last line, which is JSON. */
export async function runToEnd(
  machine: Machine,
  program: string,
  args: readonly (string | number)[],
  seconds: number,
): Promise<unknown> {
  const { stdout } = await machine.exec(argvOf(program, args), { timeoutMs: seconds * 1000 });
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
}

/** Starts one that goes on until the machine ends. */
export function startProgram(machine: Machine, program: string, args: readonly (string | number)[]): Promise<Running> {
  return machine.spawn(argvOf(program, args));
}
