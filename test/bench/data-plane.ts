// What one changed endpoint costs nginx's workers, and what backends take of memory, at any number of backends.

import { type Machine, startMachine } from "../edges/machine.ts";
import type { ChangeCost, MemoryUse } from "./support/data-plane-program.ts";
import { runToEnd } from "./support/programs.ts";
import { atMost, gate, type Result, rounded, told } from "./support/result.ts";

const SIZES = [10, 1000, 10_000] as const;
const MEMORY_BACKENDS = 10_000;
const PROGRAM_SECONDS_MAX = 300;
const CHANGE_US_MAX = 100;
/** A cost that grew with the number of backends would be a thousand times as much. */
const GROWTH_MAX = 2.5;
const DICT_BYTES_MAX = 2048;
const WORKER_BYTES_MAX = 5120;

export async function measureDataPlane(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  const machine = await startMachine({ name: "data-plane", suite: "trixie" });
  try {
    const costs: Cost[] = [];
    for (const size of options.short ? [SIZES[0], SIZES[2]] : SIZES) {
      const cost = (await run(machine, ["change", size])) as ChangeCost; // written by the program
      costs.push({ size, ...cost });
    }
    done(tellChanges(costs));
    if (options.short) return;
    done(tellMemory((await run(machine, ["memory", MEMORY_BACKENDS])) as MemoryUse)); // the same
  } finally {
    await machine.stop();
  }
}

interface Cost extends ChangeCost {
  readonly size: number;
}

function run(machine: Machine, args: readonly (string | number)[]): Promise<unknown> {
  return runToEnd(machine, "data-plane", args, PROGRAM_SECONDS_MAX);
}

function tellChanges(costs: readonly Cost[]): Result {
  const first = costs[0];
  const last = costs.at(-1);
  if (first === undefined || last === undefined) throw new Error("nothing was measured");
  const growth = last.pushUs / first.pushUs;
  return {
    title: "What a changed endpoint costs nginx",
    method: [
      "nginx alone with two workers, and documents of so many hosts, routes and backends of 10 peers; the backends lose a peer or get it back, one after the other, one push each, in 9 rounds.",
      "CPU is that of both workers, without what they need in the same time when nobody asks.",
      "Seen: with the next request to that backend, without what a request costs that finds nothing changed.",
    ],
    figures: costs.flatMap(({ size, pushUs, seenUs }) => [
      atMost(`nginx's CPU for an endpoint change among ${size} backends, seen`, seenUs, CHANGE_US_MAX, { unit: "µs" }),
      told(`nginx's CPU for an endpoint change among ${size} backends, the push alone`, `${rounded(pushUs)} µs`),
    ]),
    gates: [
      gate(
        "an endpoint change costs the same at any size",
        growth <= GROWTH_MAX,
        `a push ${rounded(last.pushUs)} µs among ${last.size} backends, ${rounded(first.pushUs)} µs among ${first.size}: ratio ${rounded(growth)} of at most ${GROWTH_MAX}`,
      ),
    ],
  };
}

function tellMemory({ dictBytes, residentBytes, luaBytes }: MemoryUse): Result {
  return {
    title: "Memory of backends",
    method: [
      `nginx alone with one worker and ${MEMORY_BACKENDS} hosts, each asked once: with a backend of 10 peers for each, less the same with one backend for all.`,
      "Resident is what no file backs; held by Lua is what is left after a collection of garbage.",
    ],
    figures: [
      atMost("shared memory for a backend of 10 peers", dictBytes, DICT_BYTES_MAX, { unit: "bytes" }),
      atMost("memory of a worker for a backend of 10 peers", residentBytes, WORKER_BYTES_MAX, { unit: "bytes" }),
      told("held by Lua for a backend of 10 peers", `${rounded(luaBytes)} bytes`),
    ],
    gates: [],
  };
}
