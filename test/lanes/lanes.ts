// The lanes of `npm test`, in their order. A lane returns what it counted; a lane that counted nothing is a failure.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NODE, REPOSITORY } from "../edges/machine.ts";
import { runInMachine, runOnHost, testFiles, type NodeTests } from "./node-tests.ts";
import { runProgram } from "./run-program.ts";
import { add, NOTHING, type Tally } from "./tally.ts";

export interface LaneOptions {
  /** The long lanes too. */
  readonly all: boolean;
  /** Arguments of bench/run.ts: the figures in full, and without any they rewrite docs/benchmarks.md. null: their gates in short form. */
  readonly figures: readonly string[] | null;
}

/** What must be there before a lane runs. */
export type Need = "bundles" | "roots" | "kube";

export interface Lane {
  readonly name: string;
  readonly what: string;
  readonly needs: readonly Need[];
  run(options: LaneOptions): Promise<Tally>;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
/** bench/run.ts has a limit of its own, which knows how long it was asked to soak. */
const BENCH_MS_MAX = 24 * 60 * MINUTE_MS;
const TEST_DIRECTORY = join(REPOSITORY, "test");

function files(folders: readonly string[], concurrency: number, testTimeoutMs: number): NodeTests {
  return { files: testFiles(folders), concurrency, testTimeoutMs };
}

const PURE_FOLDERS = ["unit", "golden", "arch", "scenario", "lanes"];

export const LANES: readonly Lane[] = [
  { name: "check", what: "types, lint, format, dead code, Lua, imports", needs: [], run: runCheck },
  {
    name: "unit",
    what: "everything that needs neither nginx nor a cluster",
    needs: ["bundles"],
    run: () => runOnHost(files(PURE_FOLDERS, 2, 2 * MINUTE_MS), "host"),
  },
  { name: "lua", what: "busted: the Lua that needs no nginx", needs: [], run: runBusted },
  {
    name: "edges",
    what: "the test machines themselves",
    needs: ["roots"],
    run: () => runOnHost(files(["edges"], 1, 2 * MINUTE_MS), "lab"),
  },
  { name: "dataplane", what: "Lua in real nginx, Debian 13's and Debian 12's", needs: ["roots"], run: runDataplane },
  {
    name: "kube",
    what: "the real API server, and the fake one held to it",
    needs: ["bundles", "roots", "kube"],
    // The old API server takes minutes to build: with the long lanes alone.
    run: ({ all }) => runOnHost(files(["kube", "contract", ...(all ? ["kube-old"] : [])], 1, 15 * MINUTE_MS), "lab"),
  },
  {
    name: "e2e",
    what: "cluster, agent, nginx and backends, all real",
    needs: ["bundles", "roots", "kube"],
    run: runE2e,
  },
  {
    name: "hostile",
    what: "bad input, with a prober beside it",
    needs: ["bundles", "roots"],
    run: () => runOnHost(files(["hostile"], 1, 5 * MINUTE_MS), "lab"),
  },
  { name: "bench", what: "the gates of the figures, short form", needs: ["bundles", "roots", "kube"], run: runBench },
];

/** Lanes that need a real cluster: without one (`HEADGATE_FAKE_ONLY=1`) they do not run, and the last line says so. */
export function needsCluster(lane: Lane): boolean {
  return lane.needs.includes("kube");
}

async function runCheck(): Promise<Tally> {
  const { ok, output } = await runProgram([NODE, join(TEST_DIRECTORY, "check.ts")], { timeoutMs: 5 * MINUTE_MS });
  const passed = output.match(/^ok +/gm)?.length ?? 0;
  const failed = output.match(/^FAILED +/gm)?.length ?? 0;
  return { passed, failed: ok ? 0 : Math.max(failed, 1), skipped: 0 };
}

async function runBusted(): Promise<Tally> {
  const argv = ["busted", "--lpath=lua/?.lua;test/lua/?.lua", "--output=TAP", "--pattern=_spec", "test/lua"];
  const { ok, output } = await runProgram(argv, { timeoutMs: 5 * MINUTE_MS, show: false });
  const lines = output.split("\n");
  const skipped = lines.filter((line) => /^ok .*# SKIP/i.test(line)).length;
  const passed = lines.filter((line) => line.startsWith("ok ")).length - skipped;
  const failed = lines.filter((line) => line.startsWith("not ok ")).length;
  if (!ok) process.stdout.write(lines.filter((line) => !line.startsWith("ok ")).join("\n"));
  return { passed, skipped, failed: ok ? failed : Math.max(failed, 1) };
}

async function runDataplane(): Promise<Tally> {
  const tests = files(["lua"], 1, 5 * MINUTE_MS);
  let tally = NOTHING;
  for (const suite of ["trixie", "bookworm"] as const) {
    process.stdout.write(`in ${suite}\n`);
    tally = add(tally, await runInMachine(tests, suite));
  }
  return tally;
}

/** The real lane must not shrink unseen: fewer tests than test/e2e/MINIMUM says is a failure. */
async function runE2e(options: LaneOptions): Promise<Tally> {
  const tests = files(["e2e"], 1, 5 * MINUTE_MS);
  const first = await runOnHost(tests, "lab");
  const minimum = e2eMinimum();
  const ran = first.passed + first.failed;
  let tally = first;
  if (ran < minimum) {
    process.stdout.write(`FAILED e2e ran ${ran} tests, test/e2e/MINIMUM asks for ${minimum}\n`);
    tally = add(tally, { ...NOTHING, failed: 1 });
  }
  if (!options.all) return tally;
  process.stdout.write("in bookworm\n");
  return add(tally, await runOnHost({ ...tests, env: { HEADGATE_TEST_SUITE: "bookworm" } }, "lab"));
}

function e2eMinimum(): number {
  const file = join(TEST_DIRECTORY, "e2e/MINIMUM");
  const minimum = existsSync(file) ? Number(readFileSync(file, "utf8").trim()) : Number.NaN;
  if (!Number.isInteger(minimum) || minimum < 1) throw new Error(`${file} must hold a number of at least 1`);
  return minimum;
}

/** Each line `gate NAME: passed|failed|skipped ...` of the bench is one test. */
async function runBench(options: LaneOptions): Promise<Tally> {
  const script = join(TEST_DIRECTORY, "bench/run.ts");
  const form = options.figures ?? ["--short"];
  const { ok, output } = await runProgram([NODE, script, ...form], { timeoutMs: BENCH_MS_MAX });
  const gates = (result: string): number => output.match(new RegExp(`^gate .+: ${result}\\b`, "gm"))?.length ?? 0;
  const failed = gates("failed");
  // A part that was asked for by its name may have figures alone.
  const named = ok && options.figures !== null && options.figures.length > 0 ? 1 : 0;
  return {
    passed: Math.max(gates("passed"), named),
    skipped: gates("skipped"),
    failed: ok ? failed : Math.max(failed, 1),
  };
}
