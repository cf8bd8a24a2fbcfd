// The figures: `npm run bench`, or `run.ts --short` for the gates alone in a small form. Prints a line
// `gate NAME: passed|failed …` for each gate; counts and ratios are gates, times are only told.
//   NAME, --only NAME   these parts alone, in the order of PARTS below; some have no short form
//   --short             fewer samples; writes nothing
//   --quiet S           seconds for which nothing changes in a large cluster, 20 unless told: 3600 shows a quiet hour
//   --minutes N         how long `soak` lasts: 60 where it is asked for by name, 5 in a run of everything

import { join } from "node:path";
import { parseArgs } from "node:util";
import { NODE, REPOSITORY } from "../edges/machine.ts";
import { runProgram } from "../lanes/run-program.ts";
import { measureAtSize } from "./at-size.ts";
import { measureBigHost } from "./big-host.ts";
import { measureChanges } from "./changes.ts";
import { measureCpu, measureCpuOfTenThousand } from "./cpu.ts";
import { measureDeadPeer } from "./dead-peer.ts";
import { measureManyHosts } from "./five-thousand.ts";
import { writeReport } from "./report.ts";
import { measureDataPlane } from "./data-plane.ts";
import { measureFilterCosts } from "./filter-costs.ts";
import { measureSlowPeer } from "./slow-peer.ts";
import { measureSoak } from "./soak.ts";
import { measureTls } from "./tls.ts";
import type { Figure, Gate, Result } from "./support/result.ts";

const EXIT_USAGE = 2;
const LAB = join(REPOSITORY, "test/edges/lab.sh");
const RUN_MS_MAX = 120 * 60_000;
const SOAK_MINUTES = { named: 60, all: 5 };

export interface BenchOptions {
  readonly short: boolean;
  readonly quietSeconds: number;
  readonly soakMinutes: number;
}

const PARTS = {
  changes: measureChanges,
  cpu: measureCpu,
  "cpu-10000": measureCpuOfTenThousand,
  soak: measureSoak,
  "data-plane": measureDataPlane,
  tls: measureTls,
  filters: measureFilterCosts,
  "dead-peer": measureDeadPeer,
  "slow-peer": measureSlowPeer,
  size: measureAtSize,
  "big-host": measureBigHost,
  "five-thousand": measureManyHosts,
} as const satisfies Record<string, (options: BenchOptions, done: (result: Result) => void) => Promise<void>>;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function figureLine({ name, value, target, met }: Figure): string {
  const verdict = met === null ? "" : met ? ` (target ${target}: met)` : ` (target ${target}: MISSED)`;
  return `figure ${name}: ${value}${verdict}`;
}

function gateLine({ name, passed, text }: Gate): string {
  return `gate ${name}: ${passed ? "passed" : "failed"} ${text}`;
}

/** A part that breaks off is a failed gate of its name; the others still run. */
async function measure(parts: readonly string[], options: BenchOptions): Promise<readonly Result[]> {
  const results: Result[] = [];
  const done = (result: Result): void => {
    results.push(result);
    for (const figure of result.figures) say(figureLine(figure));
    for (const one of result.gates) say(gateLine(one));
  };
  for (const [name, part] of Object.entries(PARTS)) {
    if (parts.length > 0 && !parts.includes(name)) continue;
    const started = performance.now();
    try {
      await part(options, done);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      done({ title: name, method: [], figures: [], gates: [{ name, passed: false, text: `broke off: ${text}` }] });
    }
    say(`part ${name}: ${Math.round((performance.now() - started) / 1000)} s`);
  }
  return results;
}

async function main(argv: readonly string[]): Promise<number> {
  const options = {
    short: { type: "boolean" },
    only: { type: "string", multiple: true },
    quiet: { type: "string", default: "20" },
    minutes: { type: "string" },
    "in-lab": { type: "boolean" },
  } as const;
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
  const parts = [...positionals, ...(values.only ?? [])];
  const unknown = parts.find((part) => !Object.hasOwn(PARTS, part));
  const soakMinutes = Number(values.minutes ?? SOAK_MINUTES[parts.includes("soak") ? "named" : "all"]);
  const quietSeconds = Number(values.quiet);
  if (unknown !== undefined || !(soakMinutes > 0) || !(quietSeconds > 0)) {
    process.stderr.write(`cannot measure ${unknown ?? "for that long"}. Parts: ${Object.keys(PARTS).join(", ")}\n`);
    return EXIT_USAGE;
  }
  if (values["in-lab"] !== true) {
    // In a network of its own: its bridge, addresses and load meet nothing of this host.
    const inside = ["sh", LAB, NODE, join(import.meta.dirname, "run.ts"), "--in-lab", ...argv];
    return (await runProgram(inside, { timeoutMs: RUN_MS_MAX + soakMinutes * 60_000 })).ok ? 0 : 1;
  }
  const short = values.short === true;
  const results = await measure(parts, { short, quietSeconds, soakMinutes });
  if (!short && parts.length === 0) await writeReport(results);
  const gates = results.flatMap((result) => result.gates);
  // A part that was asked for may have figures alone; a run of everything without a gate has measured nothing.
  return (gates.length > 0 || parts.length > 0) && gates.every((one) => one.passed) ? 0 : 1;
}

// A part that broke off may have left a timer or a connection: they must not hold the run up.
process.exit(await main(process.argv.slice(2)));
