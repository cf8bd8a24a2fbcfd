// Lanes of node:test files: on this host, in a network of their own, or inside test machines.

import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { NODE, REPOSITORY, startMachine } from "../edges/machine.ts";
import type { Suite } from "../edges/roots.ts";
import { readReport } from "./report.ts";
import { runProgram } from "./run-program.ts";
import { NOTHING, type Tally } from "./tally.ts";

export interface NodeTests {
  readonly files: readonly string[];
  /** Files at a time. Files that use a cluster or network namespaces run one at a time. */
  readonly concurrency: number;
  /** For one test; a file that stays alive without a test is ended by quiet-limit.ts. */
  readonly testTimeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Say nothing, only count. */
  readonly quiet?: boolean;
}

const COUNTER = join(REPOSITORY, "test/lanes/count-reporter.ts");
/** Ends a file that hangs. */
export const QUIET_LIMIT = join(REPOSITORY, "test/lanes/quiet-limit.ts");
const LAB = join(REPOSITORY, "test/edges/lab.sh");
const LANE_TIMEOUT_MS = 30 * 60_000;

/** Test files under these folders of test/, sorted. */
export function testFiles(folders: readonly string[]): readonly string[] {
  const patterns = folders.map((folder) => `test/${folder}/**/*.test.ts`);
  return globSync(patterns, { cwd: REPOSITORY }).toSorted();
}

/** On this host. `lab`: in a fresh network namespace with only loopback, so that nothing reaches the host's network. */
export async function runOnHost(tests: NodeTests, place: "host" | "lab"): Promise<Tally> {
  if (tests.files.length === 0) return NOTHING;
  const directory = mkdtempSync(join(tmpdir(), "headgate-lane-"));
  try {
    const counts = join(directory, "counts");
    const prefix = place === "lab" ? ["sh", LAB] : [];
    const argv = [...prefix, ...nodeTestArguments(tests, counts)];
    const { ok } = await runProgram(argv, {
      timeoutMs: LANE_TIMEOUT_MS,
      show: tests.quiet !== true,
      env: tests.env ?? {},
    });
    return tallyOf(tests, counts, ok);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Inside a machine of `suite`, where the repository is at its own path, read-only. */
export async function runInMachine(tests: NodeTests, suite: Suite): Promise<Tally> {
  if (tests.files.length === 0) return NOTHING;
  const machine = await startMachine({ name: "lane", suite });
  try {
    const counts = join(machine.scratch, "counts");
    const env = { ...tests.env, HEADGATE_TEST_SUITE: suite };
    const argv = nodeTestArguments(tests, counts);
    const onOutput = (text: string): void => {
      process.stdout.write(text);
    };
    const result = await machine.exec(argv, {
      cwd: REPOSITORY,
      env,
      onOutput,
      reject: false,
      timeoutMs: LANE_TIMEOUT_MS,
    });
    return tallyOf(tests, counts, result.exitCode === 0);
  } finally {
    await machine.stop();
  }
}

function nodeTestArguments(tests: NodeTests, counts: string): readonly string[] {
  return [
    NODE,
    "--test",
    `--test-concurrency=${tests.concurrency}`,
    `--test-timeout=${tests.testTimeoutMs}`,
    // Not --test-force-exit: it ends a file's process before its last reports are out, and they are lost.
    `--import=${QUIET_LIMIT}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${COUNTER}`,
    `--test-reporter-destination=${counts}`,
    ...tests.files,
  ];
}

function tallyOf(tests: NodeTests, counts: string, ok: boolean): Tally {
  const text = existsSync(counts) ? readFileSync(counts, "utf8") : "";
  const files = tests.files.map((file) => resolve(REPOSITORY, file));
  const { tally, problems } = readReport(text, files, ok);
  if (tests.quiet !== true) for (const problem of problems) process.stdout.write(`FAILED ${problem}\n`);
  return tally;
}
