// `npm test`: runs the lanes in order and ends with `N passed, N failed, N skipped`.
//   npm test                    everything but the long lanes
//   npm test -- unit lua        only these
//   npm test -- --all           the long lanes too
//   npm test -- --bench ...     only the figures, in full; what follows goes to bench/run.ts
// HEADGATE_FAKE_ONLY=1 leaves out what needs a real API server.

import { parseArgs } from "node:util";
import { LANES, needsCluster, type Lane, type LaneOptions } from "./lanes/lanes.ts";
import { prepare } from "./lanes/prepare.ts";
import { add, NOTHING, tallyText, type Tally } from "./lanes/tally.ts";

const EXIT_USAGE = 2;

interface Request {
  readonly lanes: readonly Lane[];
  readonly all: boolean;
  readonly figures: readonly string[] | null;
  readonly fakeOnly: boolean;
}

function parseRequest(argv: readonly string[]): Request | string {
  const figures = argv[0] === "--bench" ? argv.slice(1) : null;
  const options = { all: { type: "boolean" } } as const;
  const args = figures === null ? [...argv] : [];
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const names = figures === null ? positionals : ["bench"];
  const unknown = names.find((name) => !LANES.some((lane) => lane.name === name));
  if (unknown !== undefined) {
    const known = LANES.map((lane) => `  ${lane.name.padEnd(10)} ${lane.what}`).join("\n");
    return `no lane is called ${JSON.stringify(unknown)}. Lanes:\n${known}`;
  }
  const fakeOnly = process.env["HEADGATE_FAKE_ONLY"] === "1";
  const chosen = LANES.filter((lane) => names.length === 0 || names.includes(lane.name));
  const lanes = chosen.filter((lane) => !fakeOnly || !needsCluster(lane));
  return { lanes, all: values.all === true, figures, fakeOnly };
}

async function runLane(lane: Lane, options: LaneOptions): Promise<Tally> {
  process.stdout.write(`\n== ${lane.name}: ${lane.what}\n`);
  const started = performance.now();
  let tally: Tally;
  try {
    tally = await lane.run(options);
  } catch (error) {
    process.stdout.write(`FAILED ${lane.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    tally = { ...NOTHING, failed: 1 };
  }
  if (tally.passed + tally.failed === 0) {
    process.stdout.write(`FAILED ${lane.name}: ran no test\n`);
    tally = { ...tally, failed: 1 };
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stdout.write(`== ${lane.name}: ${tallyText(tally)} (${seconds} s)\n`);
  return tally;
}

async function main(): Promise<number> {
  let request: Request | string;
  try {
    request = parseRequest(process.argv.slice(2));
  } catch (error) {
    request = error instanceof Error ? error.message : String(error);
  }
  if (typeof request === "string") {
    process.stderr.write(`${request}\n`);
    return EXIT_USAGE;
  }
  const { lanes, fakeOnly } = request;
  const results: { readonly name: string; readonly tally: Tally }[] = [];
  try {
    await prepare(lanes, request);
    for (const lane of lanes) results.push({ name: lane.name, tally: await runLane(lane, request) });
  } catch (error) {
    process.stdout.write(`FAILED preparation: ${error instanceof Error ? error.message : String(error)}\n`);
    results.push({ name: "preparation", tally: { ...NOTHING, failed: 1 } });
  }
  const total = results.reduce((sum, result) => add(sum, result.tally), NOTHING);
  process.stdout.write("\n");
  for (const { name, tally } of results) process.stdout.write(`${name.padEnd(12)} ${tallyText(tally)}\n`);
  process.stdout.write(`${fakeOnly ? "fake only: " : ""}${tallyText(total)}\n`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

process.exitCode = await main();
