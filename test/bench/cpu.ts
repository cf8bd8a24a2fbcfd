// CPU of nginx's workers for a request, against a hand-written static nginx.conf on the same machine; and what the
// edge needs while nothing happens.

import { Edge, HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { measureFootprint } from "./footprint.ts";
import { moveTo, REST_CPU, WORKER_CPU } from "./support/cpus.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import { startHandWritten } from "./support/hand-written.ts";
import { hostName, type Layout, manifests, PEER_PORT, peersConfiguration } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { childrenOf } from "./support/process.ts";
import { noErrorGate, ratioFigures, ratioGate } from "./support/compared.ts";
import type { Figure, Gate, Result } from "./support/result.ts";
import { compareLonger, type Side } from "./support/side-by-side.ts";
import { Wrk } from "./support/wrk.ts";

const WORKERS = 1;
const WORKER_CONNECTIONS = 16_384;
const STATIC_PORTS = { shared: 8081, own: 8082 } as const satisfies Record<Layout, number>;
const CONNECTIONS = 64;
const P99_RATIO_TARGET = 1.2;

/** How many hosts an edge has, and what its static side keeps for each upstream block. */
interface Setting {
  readonly hosts: number;
  /** With 64 for each of 10,000 the static side wanted 59,000 connections, and ran out of ports. */
  readonly keepalive: number;
  readonly loadedWithinMs: number;
}

const THOUSAND: Setting = { hosts: 1000, keepalive: 64, loadedWithinMs: 30_000 };
const TEN_THOUSAND: Setting = { hosts: 10_000, keepalive: 1, loadedWithinMs: 120_000 };

interface Sizes {
  readonly rounds: number;
  readonly seconds: number;
}

const SHORT: Sizes = { rounds: 7, seconds: 2 };
const FULL: Sizes = { rounds: 11, seconds: 4 };

interface Case {
  readonly name: string;
  /** Asked for in turn. */
  readonly hosts: number;
  readonly layout: Layout;
  /** What the ratio is to be. */
  readonly target: number;
  /** What it must be; null: it is only told. */
  readonly max: number | null;
}

const HOT: Case = { name: "one hot host", hosts: 1, layout: "shared", target: 1.22, max: 1.25 };
const SPREAD: Case = { name: "spread over 1000 hosts", hosts: 1000, layout: "shared", target: 1, max: 1.05 };
const OWN: Case = {
  name: "spread over 1000 hosts with endpoints of their own",
  hosts: 1000,
  layout: "own",
  target: 1.05,
  max: null,
};
const WIDE: Case = { name: "spread over 10000 hosts", hosts: 10_000, layout: "shared", target: 0.6, max: null };

export async function measureCpu(options: { readonly short: boolean }, done: (result: Result) => void): Promise<void> {
  const sizes = options.short ? SHORT : FULL;
  const edge = await Edge.prepare({ name: "cpu", args: [], portFlags: false });
  try {
    await startEdge(edge, THOUSAND);
    done(await measureFootprint(edge, THOUSAND.hosts));
    done(await compareCases(edge, THOUSAND, [HOT, SPREAD], sizes));
    if (options.short) return;
    // More peers want more upstream blocks, and these a reload: the worker is another one then.
    const { reloads } = await edge.status();
    await writeManifests(edge, THOUSAND, OWN.layout);
    await eventually("the reload", async () => (await edge.status()).reloads.total > reloads.total, 60_000);
    await eventually(
      "the old worker has gone",
      async () => (await dataPlaneState(edge)).workers.length === WORKERS,
      60_000,
    );
    done(await compareCases(edge, THOUSAND, [OWN], sizes));
  } finally {
    await edge.stop();
  }
}

/** The full form alone: the static side takes a minute to read its 10,000 server blocks. */
export async function measureCpuOfTenThousand(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  if (options.short) return;
  const edge = await Edge.prepare({ name: "cpu-10000", args: [], portFlags: false });
  try {
    await startEdge(edge, TEN_THOUSAND);
    done(await compareCases(edge, TEN_THOUSAND, [WIDE], FULL));
  } finally {
    await edge.stop();
  }
}

async function startEdge(edge: Edge, setting: Setting): Promise<void> {
  const { machine } = edge;
  const peers = await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
  await moveTo(machine, REST_CPU, await childrenOf(machine, peers.pidInside));
  await writeManifests(edge, setting, "shared");
  await runOnManifests(edge, { workerProcesses: WORKERS, workerConnections: WORKER_CONNECTIONS });
  await edge.ready(setting.loadedWithinMs);
  const host = hostName(setting.hosts - 1);
  const served = async (): Promise<boolean> => (await edge.ask({ host })).status === 200;
  await eventually("the last host serves", served, setting.loadedWithinMs);
}

async function writeManifests(edge: Edge, { hosts }: Setting, layout: Layout): Promise<void> {
  for (const [name, text] of manifests(hosts, layout)) await edge.writeManifest(name, text);
}

async function compareCases(
  edge: Edge,
  setting: Setting,
  cases: readonly [Case, ...(readonly Case[])],
  sizes: Sizes,
): Promise<Result> {
  const { machine } = edge;
  const { layout } = cases[0];
  const wrk = await Wrk.prepare(machine);
  const port = STATIC_PORTS[layout];
  const theirWorkers = await startHandWritten(edge, `static-${layout}`, {
    count: setting.hosts,
    layout,
    port,
    workers: WORKERS,
    // Its kept connections are counted for each upstream block, ours for all.
    connections: WORKER_CONNECTIONS * 2,
    keepalive: setting.keepalive,
  });
  const ourWorkers = (await dataPlaneState(edge)).workers.map(({ pid }) => pid);
  await moveTo(machine, WORKER_CPU, ourWorkers);
  const gates: Gate[] = [];
  const figures: Figure[] = [];
  for (const { name, hosts, target, max } of cases) {
    const load = (to: number): Side["load"] => {
      return () => wrk.run({ port: to, hosts, seconds: sizes.seconds, connections: CONNECTIONS });
    };
    const ours = { machine, workers: ourWorkers, load: load(HTTP_PORT) };
    const theirs = { machine, workers: theirWorkers, load: load(port) };
    const compared = await compareLonger({ ours, theirs }, sizes.rounds, max ?? target);
    figures.push(...ratioFigures(name, compared, { target, p99Target: P99_RATIO_TARGET }));
    if (max === null) gates.push(noErrorGate(`answers ${name}`, compared));
    else gates.push(ratioGate(`CPU ${name}`, compared, max));
  }
  return { title: TITLES[layout](setting), method: methodLines(setting, layout, sizes), figures, gates };
}

const TITLES = {
  shared: ({ hosts }) => (hosts === THOUSAND.hosts ? "CPU per request" : `CPU per request, ${hosts} hosts`),
  own: () => "CPU per request, endpoints not shared",
} as const satisfies Record<Layout, (setting: Setting) => string>;

function methodLines({ hosts, keepalive }: Setting, layout: Layout, sizes: Sizes): readonly string[] {
  return [
    `Both sides run on one machine with ${WORKERS} worker each, the same modules, an access log, and 1 kB answers from one nginx.`,
    "The two workers share one processor, everything else has the other.",
    `The static side has a server block and an upstream block with \`keepalive ${keepalive}\` for each of ${hosts} hosts, and sends the same headers to the endpoints.`,
    layout === "shared"
      ? "All hosts have the same 5 endpoints, so that our connections to an endpoint serve every host."
      : "Each host has 5 endpoints that no other host has: 5,000 in all.",
    `Both are asked at the same time, each by a wrk over ${CONNECTIONS} kept connections, in ${sizes.rounds} rounds of ${sizes.seconds} s; the figure is the median of their ratios.`,
    "Asked one after the other, the same code had ratios from 0.8 to 2.0: what else the host of the machine does falls on one side alone.",
    "CPU is the workers' time on a processor as the kernel counts it, in nanoseconds.",
    "p99 is what each wrk saw in the same rounds.",
  ];
}
