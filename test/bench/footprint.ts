// Memory of an edge that has nothing to do, and the time of `headgate status`.

import { join } from "node:path";
import type { Edge } from "../e2e/support/edge.ts";
import { REPOSITORY } from "../edges/machine.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import { agentPid, anonymousMb, residentMb } from "./support/process.ts";
import { type Figure, atMost, type Result, rounded, told } from "./support/result.ts";
import { median } from "./support/statistics.ts";

const STATUS_MS_MAX = 100;
const STATUS_RUNS = 9;

export async function measureFootprint(edge: Edge, hosts: number): Promise<Result> {
  const statusMs = await timeStatus(edge);
  const { workers } = await dataPlaneState(edge);
  const figures: Figure[] = [
    told(`agent's memory at ${hosts} hosts`, await memory(edge, await agentPid(edge))),
    told(
      `workers' memory at ${hosts} hosts`,
      (await Promise.all(workers.map(({ pid }) => memory(edge, pid)))).join("; "),
    ),
    atMost(`headgate status at ${hosts} hosts`, median(statusMs), STATUS_MS_MAX, {
      unit: "ms",
      runs: [statusMs.map(rounded).join(", ")],
    }),
  ];
  return {
    title: "Footprint",
    method: ["Memory is what the kernel counts as resident and, of that, as anonymous, before any host was asked."],
    figures,
    gates: [],
  };
}

async function memory({ machine }: Edge, pid: number): Promise<string> {
  const [resident, anonymous] = await Promise.all([residentMb(machine, pid), anonymousMb(machine, pid)]);
  return `${Math.round(resident)} MB resident, ${Math.round(anonymous)} MB anonymous`;
}

// The clock runs inside the machine: entering it takes longer than the command.
const STOPWATCH = `runs=$1; shift
while [ "$runs" -gt 0 ]; do
    runs=$((runs - 1)); begin=$EPOCHREALTIME; "$@" > /dev/null || exit 1; end=$EPOCHREALTIME
    echo $(((\${end/./} - \${begin/./})))
done`;

async function timeStatus(edge: Edge): Promise<readonly number[]> {
  const argv = [
    "bash",
    "-c",
    STOPWATCH,
    "stopwatch",
    String(STATUS_RUNS),
    join(REPOSITORY, "bin/headgate"),
    "status",
    "--state-dir",
    edge.stateDir,
  ];
  const { stdout } = await edge.machine.exec(argv);
  return stdout
    .trim()
    .split("\n")
    .map((microseconds) => Number(microseconds) / 1000);
}
