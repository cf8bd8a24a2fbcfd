// The same change on a small cluster and on a large one, and what the large one costs the agent. The full form alone:
// thousands of objects take the API server longer to store than the short form may last.

import { setTimeout as delay } from "node:timers/promises";
import { startClusterEdge } from "../e2e/support/cluster-edge.ts";
import type { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress } from "../e2e/support/objects.ts";
import type { Cluster } from "../kube/cluster.ts";
import { sampleEndpointLatency, summary } from "./endpoint-latency.ts";
import { oneIngress } from "./new-ingress.ts";
import { Changes, type ClusterSize, create, FILLER, grow, NOTHING } from "./support/large-cluster.ts";
import { agentPid, cpuNs, residentMb } from "./support/process.ts";
import { atMost, type Figure, gate, type Result, rounded, told } from "./support/result.ts";
import { type Stage, startStage, WEB } from "./support/stage.ts";
import { median, percentile } from "./support/statistics.ts";

const LARGE: ClusterSize = { services: 2000, slices: 3000, ingresses: 1000 };
const TENTH: ClusterSize = { services: 200, slices: 300, ingresses: 100 };
const LATENCY = { runs: 1, samplesPerRun: 300 };
const NEW_INGRESSES = 30;
const INGRESSES_MAX = 3000;
const CHANGES = 300;
const LATENCY_RATIO_MAX = 1.2;
const INGRESS_RATIO_MAX = 1.3;
const COST_RATIO_MAX = 1.2;
const SYNC_MS_MAX = 1500;
const RSS_MB_MAX = 120;
const IDLE_PERCENT_MAX = 1;

export async function measureAtSize(
  { short, quietSeconds }: { readonly short: boolean; readonly quietSeconds: number },
  done: (result: Result) => void,
): Promise<void> {
  if (short) return;
  const stage = await startStage();
  try {
    await stage.cluster.apply(FILLER.service);
    await stage.cluster.apply(FILLER.slice);
    const changes = new Changes(stage.cluster);
    const smallLatency = await changes.during(() => sampleEndpointLatency(stage, LATENCY));
    const smallIngress = await changes.during(() => newIngresses(stage, 0));

    await grow(stage.cluster, NOTHING, TENTH);
    changes.seen(TENTH);
    const tenthCost = await costOfChanges(stage.edge, changes);

    await grow(stage.cluster, TENTH, LARGE);
    changes.seen(LARGE);
    done(await agentAtSize(stage, tenthCost, changes, quietSeconds));

    const largeLatency = await changes.during(() => sampleEndpointLatency(stage, LATENCY));
    const further = { ...LARGE, ingresses: INGRESSES_MAX - NEW_INGRESSES };
    await grow(stage.cluster, LARGE, further);
    await settled(stage.edge, stage.cluster);
    const largeIngress = await changes.during(() => newIngresses(stage, NEW_INGRESSES));
    done(compare(smallLatency, largeLatency, smallIngress, largeIngress));
  } finally {
    await stage.stop();
  }
}

type Latency = Awaited<ReturnType<typeof sampleEndpointLatency>>;

function compare(small: Latency, large: Latency, first: readonly number[], last: readonly number[]): Result {
  const before = small.raw.flat();
  const after = large.raw.flat();
  const ratio = (share: number): number => percentile(after, share) / percentile(before, share);
  const faults = large.watch.stale + large.watch.failures.length;
  return {
    title: "A change in a large cluster",
    method: [
      `The large cluster has ${LARGE.services} Services, ${LARGE.slices} EndpointSlices with 10,000 endpoints and ${LARGE.ingresses} Ingresses, the small one 10 endpoints.`,
      "Both are measured in one run, as above, while 20 other EndpointSlices a second change.",
    ],
    figures: [
      atMost("endpoint change at 10,000 endpoints ÷ at 10, p50", ratio(0.5), LATENCY_RATIO_MAX, {
        unit: "",
        runs: [`at 10: ${summary(before)}`, `at 10,000: ${summary(after)}`],
      }),
      atMost("endpoint change at 10,000 endpoints ÷ at 10, p99", ratio(0.99), LATENCY_RATIO_MAX, { unit: "" }),
      atMost(
        `new Ingress to its first 200, the ${INGRESSES_MAX}th ÷ the 1st`,
        median(last) / median(first),
        INGRESS_RATIO_MAX,
        { unit: "", runs: [`the first ${NEW_INGRESSES}: ${summary(first)}`, `the last: ${summary(last)}`] },
      ),
    ],
    gates: [
      gate(
        "no stale answer in a large cluster",
        faults === 0,
        `${large.watch.stale} stale and ${large.watch.failures.length} failed of ${large.watch.asked} answers`,
      ),
    ],
  };
}

async function newIngresses(stage: Stage, from: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < NEW_INGRESSES; index++) times.push((await oneIngress(stage, from + index)).ms);
  return times;
}

/** Microseconds of the agent's processor time for each change of one EndpointSlice. */
async function costOfChanges(edge: Edge, changes: Changes): Promise<number> {
  const pid = await agentPid(edge);
  await changes.make(CHANGES); // compiles what the first ones run
  await delay(1000);
  const before = await cpuNs(edge.machine, [pid]);
  await changes.make(CHANGES);
  await delay(1000);
  return ((await cpuNs(edge.machine, [pid])) - before) / 1000 / CHANGES;
}

async function agentAtSize(stage: Stage, tenthCost: number, changes: Changes, quietSeconds: number): Promise<Result> {
  await settled(stage.edge, stage.cluster);
  const cost = await costOfChanges(stage.edge, changes);
  const begin = performance.now();
  const edge = await startClusterEdge("large", stage.cluster, ["--log-level", "info"]);
  try {
    await eventually("the last Ingress serves", async () => (await edge.ask({ host: LAST_HOST })).status === 200);
    const syncMs = performance.now() - begin;
    await delay(3000);
    const pid = await agentPid(edge);
    const writes = await writesSeen(stage.cluster);
    const before = await cpuNs(edge.machine, [pid]);
    await delay(quietSeconds * 1000);
    const percent = ((await cpuNs(edge.machine, [pid])) - before) / 1e7 / quietSeconds;
    const written = (await writesSeen(stage.cluster)) - writes;
    const figures: Figure[] = [
      atMost("from the agent's start until all is pushed", syncMs, SYNC_MS_MAX, { unit: "ms" }),
      atMost("agent's memory", await residentMb(edge.machine, pid), RSS_MB_MAX, { unit: "MB" }),
      atMost("agent's processor time while nothing changes", percent, IDLE_PERCENT_MAX, { unit: "%" }),
      atMost("agent's cost of one EndpointSlice's change ÷ at a tenth of the size", cost / tenthCost, COST_RATIO_MAX, {
        unit: "",
      }),
      told("agent's cost of one EndpointSlice's change", `${rounded(cost)} µs; ${rounded(tenthCost)} µs at a tenth`),
    ];
    return {
      title: "The agent in a large cluster",
      method: [
        `${LARGE.services} Services, ${LARGE.slices} EndpointSlices, ${LARGE.ingresses} Ingresses. Memory is resident, 3 s after it serves.`,
        "Cost is processor time of all its threads as the kernel counts it.",
      ],
      figures,
      gates: [gate("no write while nothing changes", written === 0, `${written} writes in ${quietSeconds} s`)],
    };
  } finally {
    await edge.stop();
  }
}

const LAST_HOST = "zz-last.example.test";

/** Waits until an Ingress that came after everything else is served. */
async function settled(edge: Edge, cluster: Cluster): Promise<void> {
  await create(cluster, ingress({ name: "zz-last", host: LAST_HOST, paths: [{ path: "/", service: WEB }] }));
  const begun = async (): Promise<boolean> => (await edge.ask({ host: LAST_HOST })).status === 200;
  await eventually("the last Ingress serves", begun, 60_000);
  await delay(2000); // a reload for more shared memory ends
}

/** Writes that the API server has counted, without the leases that it renews itself. */
async function writesSeen(cluster: Cluster): Promise<number> {
  const { body } = await cluster.request("GET", "/metrics");
  let sum = 0;
  for (const line of String(body).split("\n")) {
    if (!/^apiserver_request_total\{.*verb="(?:POST|PUT|PATCH|DELETE|APPLY)"/.test(line)) continue;
    if (!line.includes('resource="leases"')) sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}
