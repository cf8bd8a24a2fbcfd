// A host with thousands of paths and hundreds of patterns against one with three paths: what a request costs nginx,
// and what the change of one route costs everything. The full form alone.

import { setTimeout as delay } from "node:timers/promises";
import { Edge, HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, type IngressSpec, service, slice } from "../e2e/support/objects.ts";
import type { KubeObject } from "../kube/paths.ts";
import { moveTo, REST_CPU, WORKER_CPU } from "./support/cpus.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import { hostName, PEER_PORT, peersConfiguration } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { agentPid, childrenOf, cpuNs } from "./support/process.ts";
import { atMost, type Result, rounded, told } from "./support/result.ts";
import { median } from "./support/statistics.ts";
import { Wrk } from "./support/wrk.ts";

const PATHS = 3000;
const PATTERNS = 200;
const PATHS_PER_INGRESS = 100;
const SMALL = 0;
const BIG = 1;
const SERVICES = ["web", "other"] as const;
const ROUNDS = 15;
const CHANGES = 40;
const CHANGE_PAUSE_MS = 150;
const REQUEST_RATIO_MAX = 1.3;
const CHANGE_RATIO_MAX = 2;

export async function measureBigHost(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  if (options.short) return;
  const edge = await Edge.prepare({ name: "big", args: [], portFlags: false });
  try {
    await start(edge);
    const workers = (await dataPlaneState(edge)).workers.map(({ pid }) => pid);
    const change = { small: [] as number[], big: [] as number[] };
    for (let round = 0; round < 3; round++) {
      change.small.push(await costOfRoute(edge, workers, SMALL));
      change.big.push(await costOfRoute(edge, workers, BIG));
    }
    await moveTo(edge.machine, WORKER_CPU, workers);
    const request = await costOfRequest(edge, workers);
    done(tell(request, change));
  } finally {
    await edge.stop();
  }
}

interface Costs {
  readonly small: readonly number[];
  readonly big: readonly number[];
}

function tell(request: Costs, change: Costs): Result {
  const ratios = request.big.map((us, at) => us / (request.small[at] ?? Number.NaN));
  return {
    title: "A host with many paths",
    method: [
      `One host has 3 paths, the other ${PATHS} paths and ${PATTERNS} regular expressions; both are asked for a path that their "/" takes.`,
      "A request's cost is the worker's processor time, in alternating rounds of one second; a change's cost is that of the agent and the worker together.",
    ],
    figures: [
      atMost("CPU per request on the host with many paths ÷ with 3, ratio", median(ratios), REQUEST_RATIO_MAX, {
        unit: "",
        runs: [`ratios ${ratios.map(rounded).join(", ")}`],
      }),
      told("CPU per request", `${rounded(median(request.big))} µs; ${rounded(median(request.small))} µs with 3 paths`),
      atMost(
        "cost of one route's change on the host with many paths ÷ with 3, ratio",
        median(change.big) / median(change.small),
        CHANGE_RATIO_MAX,
        {
          unit: "",
          runs: [
            `many paths: ${change.big.map(rounded).join(", ")} µs; 3 paths: ${change.small.map(rounded).join(", ")} µs`,
          ],
        },
      ),
    ],
    gates: [],
  };
}

async function start(edge: Edge): Promise<void> {
  const { machine } = edge;
  const peers = await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
  await moveTo(machine, REST_CPU, await childrenOf(machine, peers.pidInside));
  await write(
    edge,
    "services",
    SERVICES.flatMap((name, at) => [service(name), slice(name, peersOf(at))]),
  );
  const root = { path: "/", service: SERVICES[0] };
  const some = [root, { path: "/one", service: SERVICES[0] }];
  await write(edge, "small", [ingress({ ...named("small", SMALL), paths: some })]);
  await write(edge, "big-root", [ingress({ ...named("big-root", BIG), paths: [root] })]);
  for (let from = 0; from < PATHS; from += PATHS_PER_INGRESS) {
    const paths = range(PATHS_PER_INGRESS).map((at) => ({ path: `/part/${from + at}`, service: SERVICES[0] }));
    await write(edge, `big-${from}`, [ingress({ ...named(`big-${from}`, BIG), paths })]);
  }
  const patterns = range(PATTERNS).map((at) => ({
    path: `/pattern-${at}/[a-z]+/(\\d+)$`,
    service: SERVICES[0],
    pathType: "ImplementationSpecific" as const,
  }));
  const annotations = { "nginx.ingress.kubernetes.io/use-regex": "true" };
  await write(edge, "big-patterns", [ingress({ ...named("big-patterns", BIG), annotations, paths: patterns })]);
  await changeRoute(edge, SMALL, 0);
  await changeRoute(edge, BIG, 0);
  await runOnManifests(edge, { workerProcesses: 1 });
  await edge.ready();
  for (const path of [`/part/${PATHS - 1}`, `/pattern-${PATTERNS - 1}/abc/12`]) {
    const host = hostName(BIG);
    await eventually(`${path} serves`, async () => (await edge.ask({ host, path })).status === 200, 30_000);
  }
}

function peersOf(at: number): readonly { readonly address: string; readonly port: number }[] {
  return range(5).map((peer) => ({ address: `127.1.${at}.${1 + peer}`, port: PEER_PORT }));
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at);
}

function named(name: string, host: number): Pick<IngressSpec, "name" | "host" | "className"> {
  return { name, host: hostName(host), className: null };
}

async function write(edge: Edge, name: string, objects: readonly KubeObject[]): Promise<void> {
  await edge.writeManifest(`${name}.yaml`, objects.map((object) => `${JSON.stringify(object)}\n---\n`).join(""));
}

/** One route of the host changes its Service. */
async function changeRoute(edge: Edge, host: number, index: number): Promise<void> {
  const paths = [{ path: "/changing", service: SERVICES[index % 2] ?? SERVICES[0] }];
  await write(edge, `changing-${host}`, [ingress({ ...named(`changing-${host}`, host), paths })]);
}

/** Microseconds of the agent and the workers for each change. */
async function costOfRoute(edge: Edge, workers: readonly number[], host: number): Promise<number> {
  const pids = [await agentPid(edge), ...workers];
  const spent = (): Promise<number> => cpuNs(edge.machine, pids);
  const before = await spent();
  for (let index = 1; index <= CHANGES; index++) {
    await changeRoute(edge, host, index);
    await edge.ask({ host: hostName(host), path: "/changing" });
    await delay(CHANGE_PAUSE_MS);
  }
  return ((await spent()) - before) / 1000 / CHANGES;
}

async function costOfRequest(edge: Edge, workers: readonly number[]): Promise<Costs> {
  const wrk = await Wrk.prepare(edge.machine);
  const one = async (first: number): Promise<number> => {
    const spent = (): Promise<number> => cpuNs(edge.machine, workers);
    const before = await spent();
    const { requests, errors } = await wrk.run({ port: HTTP_PORT, hosts: 1, first, seconds: 1, connections: 64 });
    if (errors > 0) throw new Error(`${errors} requests failed`);
    return ((await spent()) - before) / 1000 / requests;
  };
  const costs = { small: [] as number[], big: [] as number[] };
  await one(SMALL);
  await one(BIG);
  for (let round = 0; round < ROUNDS; round++) {
    costs.small.push(await one(SMALL));
    costs.big.push(await one(BIG));
  }
  return costs;
}
