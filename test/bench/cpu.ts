// CPU of nginx's workers for a request, against a hand-written static nginx.conf on the same machine; and what the
// edge needs while nothing happens.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Edge, HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import type { Machine } from "../edges/machine.ts";
import { measureFootprint } from "./footprint.ts";
import { moveTo, REST_CPU, WORKER_CPU } from "./support/cpus.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import {
  hostName,
  type Layout,
  manifests,
  PEER_PORT,
  peersConfiguration,
  staticConfiguration,
} from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { childrenOf, cpuNs } from "./support/process.ts";
import { atMost, type Figure, type Gate, gate, type Result, rounded, told } from "./support/result.ts";
import { median } from "./support/statistics.ts";
import { Wrk } from "./support/wrk.ts";

const HOSTS = 1000;
const WORKERS = 1;
const WORKER_CONNECTIONS = 16_384;
const STATIC_PORTS = { shared: 8081, own: 8082 } as const satisfies Record<Layout, number>;
const CONNECTIONS = 64;
const HOT_RATIO_MAX = 1.25;
const SPREAD_RATIO_MAX = 1.05;

interface Side {
  readonly port: number;
  /** As the machine sees them. */
  readonly workers: readonly number[];
}

interface Sizes {
  readonly rounds: number;
  readonly seconds: number;
}

const SHORT: Sizes = { rounds: 7, seconds: 2 };
const FULL: Sizes = { rounds: 11, seconds: 4 };

interface Case {
  readonly name: string;
  readonly hosts: number;
  readonly layout: Layout;
  readonly max: number;
  readonly gated: boolean;
}

const HOT: Case = { name: "one hot host", hosts: 1, layout: "shared", max: HOT_RATIO_MAX, gated: true };
const SPREAD: Case = {
  name: `spread over ${HOSTS} hosts`,
  hosts: HOSTS,
  layout: "shared",
  max: SPREAD_RATIO_MAX,
  gated: true,
};
const OWN: Case = {
  name: `spread over ${HOSTS} hosts with endpoints of their own`,
  hosts: HOSTS,
  layout: "own",
  max: SPREAD_RATIO_MAX,
  gated: false,
};

export async function measureCpu(options: { readonly short: boolean }, done: (result: Result) => void): Promise<void> {
  const sizes = options.short ? SHORT : FULL;
  const edge = await Edge.prepare({ name: "cpu", args: [], portFlags: false });
  try {
    await startEdge(edge);
    done(await measureFootprint(edge, HOSTS));
    const wrk = await Wrk.prepare(edge.machine);
    done(await compare(edge, wrk, [HOT, SPREAD], sizes));
    if (options.short) return;
    // More peers want more upstream blocks, and these a reload: the worker is another one then.
    const { reloads } = await edge.status();
    await writeManifests(edge, OWN.layout);
    await eventually("the reload", async () => (await edge.status()).reloads.total > reloads.total, 60_000);
    await eventually(
      "the old worker has gone",
      async () => (await dataPlaneState(edge)).workers.length === WORKERS,
      60_000,
    );
    done(await compare(edge, wrk, [OWN], sizes));
  } finally {
    await edge.stop();
  }
}

async function startEdge(edge: Edge): Promise<void> {
  const { machine } = edge;
  const peers = await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
  await moveTo(machine, REST_CPU, await childrenOf(machine, peers.pidInside));
  await writeManifests(edge, HOT.layout);
  await runOnManifests(edge, { workerProcesses: WORKERS, workerConnections: WORKER_CONNECTIONS });
  await edge.ready();
  const host = hostName(HOSTS - 1);
  await eventually("the last host serves", async () => (await edge.ask({ host })).status === 200, 30_000);
}

async function writeManifests(edge: Edge, layout: Layout): Promise<void> {
  for (const [name, text] of manifests(HOSTS, layout)) await edge.writeManifest(name, text);
}

async function compare(edge: Edge, wrk: Wrk, cases: readonly Case[], sizes: Sizes): Promise<Result> {
  const layout = cases[0]?.layout ?? "shared";
  const sides = { hand: await startStatic(edge, layout), ours: await ourSide(edge) };
  const gates: Gate[] = [];
  const figures: Figure[] = [];
  for (const { name, hosts, max, gated } of cases) {
    const measured = await measureLonger(edge.machine, wrk, sides, { ...sizes, hosts, max });
    const ratio = median(measured.ratios);
    const runs = measured.ratios.map(rounded).join(", ");
    figures.push(
      atMost(`CPU per request, ${name}, ratio`, ratio, max, { unit: "", runs: [`ratios ${runs}`] }),
      told(
        `CPU per request, ${name}`,
        `${rounded(median(measured.ours))} µs ours, ${rounded(median(measured.hand))} µs static`,
      ),
    );
    const errors = measured.errors === 0 ? "" : `; ${measured.errors} failed requests`;
    const text = `ratio ${rounded(ratio)} of at most ${max} (${runs})${errors}`;
    if (gated) gates.push(gate(`CPU ${name}`, ratio <= max && measured.errors === 0, text));
  }
  return {
    title: layout === "shared" ? "CPU per request" : "CPU per request, endpoints not shared",
    method: [
      `Both sides run on one machine with ${WORKERS} worker each, the same modules, an access log, and 1 kB answers from one nginx.`,
      "The two workers share one processor, everything else has the other.",
      `The static side has a server block and an upstream block with \`keepalive 64\` for each of ${HOSTS} hosts, and sends the same headers to the endpoints.`,
      layout === "shared"
        ? "All hosts have the same 5 endpoints, so that our connections to an endpoint serve every host."
        : "Each host has 5 endpoints that no other host has: 5,000 in all.",
      `Both are asked at the same time, each by a wrk over ${CONNECTIONS} kept connections, in ${sizes.rounds} rounds of ${sizes.seconds} s; the figure is the median of their ratios.`,
      "Asked one after the other, the same code had ratios from 0.8 to 2.0: what else the host of the machine does falls on one side alone.",
      "CPU is the workers' time on a processor as the kernel counts it, in nanoseconds.",
    ],
    figures,
    gates,
  };
}

async function startStatic(edge: Edge, layout: Layout): Promise<Side> {
  const { machine } = edge;
  const port = STATIC_PORTS[layout];
  const rendered = join(edge.stateDir, "nginx/current");
  const main = await readFile(join(rendered, "nginx.conf"), "utf8");
  const text = staticConfiguration(machine, {
    count: HOSTS,
    layout,
    port,
    workers: WORKERS,
    // Its kept connections are counted for each upstream block, ours for all.
    connections: WORKER_CONNECTIONS * 2,
    accessLog: join(machine.scratch, "static-access.log"),
    // $hg_route is a constant of each location there.
    logFormat: (/log_format headgate[^;]*;/.exec(main)?.[0] ?? "")
      .replace("$hg_route", "shop/host/host")
      .replace("$hg_request_id", "$request_id"),
    modules: main.match(/^load_module .*;$/gm) ?? [],
    location: handWritten(await readFile(join(rendered, "profiles/http.conf"), "utf8")),
  });
  const running = await startNginx(machine, `static-${layout}`, text, port);
  const workers = await childrenOf(machine, running.pidInside);
  await moveTo(machine, WORKER_CPU, workers);
  return { port, workers };
}

/** The profile's own directives, with nginx's variables in place of those that Lua sets, and no WebSockets. */
function handWritten(profile: string): readonly string[] {
  return profile
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("proxy_") && !line.startsWith("proxy_pass "))
    .map((line) => line.replace("$hg_request_id", "$request_id").replace(/\$hg_(connection|upgrade)/, '""'));
}

async function ourSide(edge: Edge): Promise<Side> {
  const workers = (await dataPlaneState(edge)).workers.map(({ pid }) => pid);
  await moveTo(edge.machine, WORKER_CPU, workers);
  return { port: HTTP_PORT, workers };
}

interface Measured {
  readonly ratios: readonly number[];
  /** Microseconds for a request, a round each. */
  readonly ours: readonly number[];
  readonly hand: readonly number[];
  readonly errors: number;
}

/** A ratio over its limit is measured twice as long once more, and all rounds count: noise must not decide. */
async function measureLonger(
  machine: Machine,
  wrk: Wrk,
  sides: { readonly hand: Side; readonly ours: Side },
  options: Sizes & { readonly hosts: number; readonly max: number },
): Promise<Measured> {
  const first = await measure(machine, wrk, sides, options);
  if (median(first.ratios) <= options.max) return first;
  const more = await measure(machine, wrk, sides, { ...options, rounds: options.rounds * 2 });
  return {
    ratios: [...first.ratios, ...more.ratios],
    ours: [...first.ours, ...more.ours],
    hand: [...first.hand, ...more.hand],
    errors: first.errors + more.errors,
  };
}

async function measure(
  machine: Machine,
  wrk: Wrk,
  sides: { readonly hand: Side; readonly ours: Side },
  options: Sizes & { readonly hosts: number },
): Promise<Measured> {
  const ratios: number[] = [];
  const spent = { ours: [] as number[], hand: [] as number[] };
  let failed = 0;
  const ask = async ({ workers, port }: Side): Promise<number> => {
    const before = await cpuNs(machine, workers);
    const { requests, errors } = await wrk.run({ ...options, port, connections: CONNECTIONS });
    failed += errors;
    return ((await cpuNs(machine, workers)) - before) / 1000 / requests;
  };
  const round = (): Promise<readonly [number, number]> => Promise.all([ask(sides.hand), ask(sides.ours)]);
  // Connections to endpoints are made, documents decoded, code compiled.
  await round();
  for (let index = 0; index < options.rounds; index++) {
    const [hand, ours] = await round();
    spent.hand.push(hand);
    spent.ours.push(ours);
    ratios.push(ours / hand);
  }
  return { ratios, ...spent, errors: failed };
}
