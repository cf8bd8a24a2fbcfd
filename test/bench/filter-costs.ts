// What each filter adds to a request: the route of a row against a plain one, each on an edge of its own, asked at the
// same time. Then the edges change places, for no two processes cost the same. The full form alone.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Edge, HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { REPOSITORY } from "../edges/machine.ts";
import { moveTo, REST_CPU, WORKER_CPU } from "./support/cpus.ts";
import { ask, type DataPlaneState, dataPlaneState } from "./support/data-plane-state.ts";
import { ASKED_PATH, type FilterRow, hostOf, PLAIN_HOST, rowObjects, ROWS } from "./support/filter-rows.ts";
import { PEER_PORT, peersConfiguration } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { childrenOf } from "./support/process.ts";
import { type Figure, type Gate, gate, type Result, rounded, told } from "./support/result.ts";
import { askBoth, type Side } from "./support/side-by-side.ts";
import { median } from "./support/statistics.ts";
import { Wrk } from "./support/wrk.ts";

const PAIRS = 4;
const SECONDS = 2;
const CONNECTIONS = 32;
const IN_FORCE_WITHIN_MS = 20_000;
const WORKER_GONE_WITHIN_MS = 120_000;
const SCHEMA = join(REPOSITORY, "lua/schema/document.schema.json");

interface Place {
  readonly edge: Edge;
  readonly wrk: Wrk;
}
type Places = readonly [Place, Place];

export async function measureFilterCosts(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  if (options.short) return;
  const kinds = await knownKinds();
  const rows = ROWS.filter(({ kind }) => kind === null || kinds.includes(kind));
  const edges: Edge[] = [];
  try {
    const places: Place[] = [];
    for (const name of ["filters-1", "filters-2"]) {
      const edge = await Edge.prepare({ name, args: [], portFlags: false });
      edges.push(edge);
      places.push(await start(edge, rows));
    }
    const [one, two] = places;
    if (one === undefined || two === undefined) throw new Error("two edges are compared");
    done(await measure([one, two], rows, kinds));
  } finally {
    for (const edge of edges) await edge.stop();
  }
}

/** Kinds of filters that the data plane knows. */
async function knownKinds(): Promise<readonly string[]> {
  const schema = JSON.parse(await readFile(SCHEMA, "utf8")) as {
    definitions: { filter: { properties: { kind: { enum: string[] } } } };
  }; // our own file
  return schema.definitions.filter.properties.kind.enum;
}

async function start(edge: Edge, rows: readonly FilterRow[]): Promise<Place> {
  const { machine } = edge;
  const peers = await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
  await moveTo(machine, REST_CPU, await childrenOf(machine, peers.pidInside));
  const text = rowObjects(rows).map((object) => `${JSON.stringify(object)}\n---\n`);
  await edge.writeManifest("rows.yaml", text.join("")); // JSON is YAML
  await runOnManifests(edge, { workerProcesses: 1 });
  await edge.ready();
  const served = async (): Promise<boolean> => (await edge.ask({ host: PLAIN_HOST })).status === 200;
  await eventually("the plain host serves", served);
  // Some rows want a reload.
  const all = async (): Promise<boolean> => (await allFaults(edge, rows)).length === 0;
  await eventually("every row is in force", all, IN_FORCE_WITHIN_MS).catch(() => false); // a gate tells which is not
  return { edge, wrk: await Wrk.prepare(machine) };
}

async function allFaults(edge: Edge, rows: readonly FilterRow[]): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const row of rows) faults.push(...(await faultsOf(edge, row)));
  return faults;
}

/** Its worker, on the processor of workers. */
async function workersOf(edge: Edge): Promise<readonly number[]> {
  // The old one of a reload stays until the agent's connection to it ends.
  const only = async (): Promise<DataPlaneState | null> => {
    const state = await dataPlaneState(edge);
    return state.workers.length === 1 ? state : null;
  };
  const { workers } = await eventually("one worker", only, WORKER_GONE_WITHIN_MS);
  const pids = workers.map(({ pid }) => pid);
  await moveTo(edge.machine, WORKER_CPU, pids);
  return pids;
}

async function measure(places: Places, rows: readonly FilterRow[], kinds: readonly string[]): Promise<Result> {
  const figures: Figure[] = [];
  const faults: string[] = [];
  let failed = 0;
  for (const { edge } of places) faults.push(...(await allFaults(edge, rows)));
  for (const row of rows) {
    const { ratios, addedUs, errors } = await costOf(places, row);
    failed += errors;
    const text = `× ${rounded(median(ratios))} (${rounded(median(addedUs))} µs more)`;
    figures.push(told(`${row.name}`, text, [`ratios ${ratios.map(rounded).join(", ")}`]));
  }
  const without = kinds.filter((kind) => !ROWS.some((row) => row.kind === kind));
  const unknown = ROWS.filter((row) => !rows.includes(row)).map(({ name }) => name);
  figures.push(told("kinds of filters that are not measured", without.join(", ") || "none"));
  if (unknown.length > 0) figures.push(told("not in this data plane", unknown.join("; ")));
  return {
    title: "What filters add to a request",
    method: [
      "CPU per request of a route with the filter ÷ that of a plain one, as above, but with an edge of ours on both sides.",
      `They are asked at the same time and then change places; a figure is the median of ${PAIRS} such pairs of ${SECONDS} s.`,
      "Before, it is looked up in the route's document that the filter is there, and that its answer is the expected one.",
    ],
    figures,
    gates: [inForceGate(rows, faults), gate("answers with filters", failed === 0, `${failed} failed`)],
  };
}

function inForceGate(rows: readonly FilterRow[], faults: readonly string[]): Gate {
  return gate(
    "filters are in force",
    faults.length === 0,
    faults.length === 0 ? `${rows.length} routes are what they are called` : faults.join("; "),
  );
}

/** What shows that the row measures something else than it says. */
async function faultsOf(edge: Edge, row: FilterRow): Promise<readonly string[]> {
  const host = hostOf(row);
  const path = row.path ?? ASKED_PATH;
  const faults: string[] = [];
  const headers = Object.entries(row.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const argv = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", `Host: ${host}`, ...headers];
  const { stdout } = await edge.machine.exec([...argv, `http://127.0.0.1:${HTTP_PORT}${path}`]);
  const status = row.status ?? 200;
  if (Number(stdout) !== status) faults.push(`${row.name} answers ${stdout} instead of ${status}`);
  const query = new URLSearchParams({ host, path, scheme: "http", client: "127.0.0.1" });
  const { route, match } = (await ask(edge, `/v1/explain?${query.toString()}`)) as { route?: string; match?: string }; // docs/dataplane-api.md
  if (route === undefined) return [...faults, `${row.name} has no route`];
  if (row.kind === null) return match === "expression" ? faults : [...faults, `${row.name} is matched as ${match}`];
  const { value } = (await ask(edge, `/v1/documents/route/${route}`)) as { value: { filters: { kind: string }[] } }; // the same
  const kinds = value.filters.map(({ kind }) => kind);
  return kinds.includes(row.kind) ? faults : [...faults, `${row.name} has no ${row.kind} but ${kinds.join(", ")}`];
}

interface Cost {
  readonly ratios: readonly number[];
  readonly addedUs: readonly number[];
  readonly errors: number;
}

async function costOf([one, two]: Places, row: FilterRow): Promise<Cost> {
  const cost = { ratios: [] as number[], addedUs: [] as number[] };
  let errors = 0;
  const both = async (own: Place, other: Place): Promise<{ ratio: number; added: number }> => {
    const [filtered, plain] = await askBoth({ ours: await side(own, row), theirs: await side(other, null) });
    errors += filtered.errors + plain.errors;
    return { ratio: filtered.us / plain.us, added: filtered.us - plain.us };
  };
  await both(one, two); // connections are made, code is compiled
  await both(two, one);
  for (let pair = 0; pair < PAIRS; pair++) {
    const [here, there] = [await both(one, two), await both(two, one)];
    cost.ratios.push(Math.sqrt(here.ratio * there.ratio));
    cost.addedUs.push((here.added + there.added) / 2);
  }
  return { ...cost, errors };
}

/** The route of the row, or the plain one, on one of the edges; both are sent the same request but for its host. */
async function side({ edge, wrk }: Place, row: FilterRow | null): Promise<Side> {
  const load: Side["load"] = () =>
    wrk.run({
      port: HTTP_PORT,
      hosts: 1,
      host: row === null ? PLAIN_HOST : hostOf(row),
      seconds: SECONDS,
      connections: CONNECTIONS,
      ...(row?.path !== undefined && { path: row.path }),
      ...(row?.headers !== undefined && { headers: row.headers }),
    });
  return { machine: edge.machine, workers: await workersOf(edge), load };
}
