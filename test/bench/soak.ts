// Memory stays flat and every answer is the expected one while endpoints and routes change for long under a steady load.

import { setTimeout as delay } from "node:timers/promises";
import { ingress, NAMESPACE } from "../e2e/support/objects.ts";
import type { KubeObject } from "../kube/paths.ts";
import { dataPlaneState, pushesApplied, workersOf } from "./support/data-plane-state.ts";
import { type Growth, growthOf, type Sample } from "./support/memory-series.ts";
import { agentPid, residentMb } from "./support/process.ts";
import { gate, type Result, rounded, told } from "./support/result.ts";
import { change, setEndpoints, type Stage, startStage, WEB, WEB_HOST } from "./support/stage.ts";
import { SteadyLoad } from "./support/steady-load.ts";

const SHORT_MINUTES = 1;
const REQUESTS_PER_SECOND = 2000;
const CHANGES_PER_SECOND = 20;
/** The others change endpoints. */
const ROUTE_CHANGE_EACH = 10;
/** As many paths come and go in turn, so that the keys of documents are bounded, and so their tombstones. */
const PATHS = 50;
const CONNECTIONS = 48;
const SAMPLES_MAX = 600;
const SAMPLE_EVERY_MS_MIN = 1000;
/** What is not memory that leaks: heaps of Lua and V8 breathe, and pages of a dict are 4 kB. */
const GROWTH_MB_MAX = { agent: 8, worker: 2, dict: 0.25 } as const;
/** Of what was asked for; with less there was no soak. */
const DONE_SHARE_MIN = 0.5;

interface Soaked {
  readonly minutes: number;
  readonly load: SteadyLoad;
  readonly changes: number;
  readonly applied: number;
  readonly growths: readonly Growth[];
  readonly unchanged: boolean;
}

export async function measureSoak(
  options: { readonly short: boolean; readonly soakMinutes: number },
  done: (result: Result) => void,
): Promise<void> {
  const minutes = options.short ? SHORT_MINUTES : options.soakMinutes;
  const stage = await startStage();
  try {
    done(tell(await soak(stage, minutes)));
  } finally {
    await stage.stop();
  }
}

async function soak(stage: Stage, minutes: number): Promise<Soaked> {
  const { edge, one, two } = stage;
  await stage.cluster.apply(route(0));
  const before = await workersOf(edge);
  const appliedBefore = await pushesApplied(edge);
  const load = new SteadyLoad({
    targets: [stage.http, stage.http, stage.http, stage.https],
    connections: CONNECTIONS,
    requestsPerSecond: REQUESTS_PER_SECOND,
    host: WEB_HOST,
    fault: ({ status, body }) => {
      return status === 200 && (body === one.name || body === two.name) ? null : `${status} ${body.slice(0, 80)}`;
    },
  });
  const end = performance.now() + minutes * 60_000;
  const samples: Sample[] = [];
  let changes = 0;
  try {
    [changes] = await Promise.all([keepChanging(stage, end), keepSampling(stage, end, samples)]);
  } finally {
    await load.stop();
  }
  return {
    minutes,
    load,
    changes,
    applied: (await pushesApplied(edge)) - appliedBefore,
    growths: growthOf(samples),
    unchanged: before === (await workersOf(edge)),
  };
}

function route(index: number): KubeObject {
  return ingress({ name: "soak", host: WEB_HOST, paths: [{ path: `/soak-${index % PATHS}`, service: WEB }] });
}

/** Returns how many changes it made. */
async function keepChanging({ cluster, one, two }: Stage, end: number): Promise<number> {
  const everyMs = 1000 / CHANGES_PER_SECOND;
  const path = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses/soak`;
  let due = performance.now();
  let made = 0;
  while (performance.now() < end) {
    const waitMs = due - performance.now();
    if (waitMs > 0) await delay(waitMs);
    due = Math.max(due + everyMs, performance.now());
    made += 1;
    if (made % ROUTE_CHANGE_EACH === 0) {
      const { spec } = route(made / ROUTE_CHANGE_EACH) as KubeObject & { spec: unknown }; // as `ingress` makes it
      await change(cluster, "PATCH", path, { spec });
    } else {
      await setEndpoints(cluster, WEB, [[one], [two], [one, two]][made % 3] ?? []);
    }
  }
  return made;
}

async function keepSampling({ edge }: Stage, end: number, samples: Sample[]): Promise<void> {
  const begun = performance.now();
  const everyMs = Math.max(SAMPLE_EVERY_MS_MIN, (end - begun) / SAMPLES_MAX);
  const agent = await agentPid(edge);
  while (performance.now() < end) {
    const { workers, memory } = await dataPlaneState(edge);
    const mb: Record<string, number> = { agent: await residentMb(edge.machine, agent) };
    for (const { pid } of workers) mb[`worker ${pid}`] = await residentMb(edge.machine, pid);
    for (const [name, { capacity, free }] of Object.entries(memory)) mb[`dict ${name}`] = (capacity - free) / 2 ** 20;
    samples.push({ seconds: (performance.now() - begun) / 1000, mb });
    await delay(everyMs);
  }
}

function tell({ minutes, load, changes, applied, growths, unchanged }: Soaked): Result {
  const seconds = minutes * 60;
  const grown = growths.filter(({ name, grownMb }) => grownMb > boundOf(name));
  const enough =
    load.asked >= REQUESTS_PER_SECOND * seconds * DONE_SHARE_MIN &&
    changes >= CHANGES_PER_SECOND * seconds * DONE_SHARE_MIN &&
    applied >= changes * DONE_SHARE_MIN;
  const done = `${load.asked} requests and ${changes} changes in ${rounded(minutes)} min, ${applied} documents applied`;
  return {
    title: `Soak of ${rounded(minutes)} minutes`,
    method: [
      `${CONNECTIONS} kept connections, a quarter of them TLS, ask ${REQUESTS_PER_SECOND} times a second, while ${CHANGES_PER_SECOND} changes a second come through the API server: endpoints, and each ${ROUTE_CHANGE_EACH}th a path.`,
      "Memory is resident of each process, and used of each shared dict; it has grown by the difference between the medians of the third and the fourth quarter of the time.",
    ],
    figures: [
      told("soak", done),
      ...growths.map(({ name, firstMb, lastMb, grownMb, mbPerMinute }) =>
        told(
          `memory of ${name.replace(/ \d+$/, "")}`,
          `${rounded(firstMb)} MB at first, ${rounded(lastMb)} MB at last; ${rounded(grownMb)} MB in the second half, ${rounded(mbPerMinute)} MB a minute`,
        ),
      ),
    ],
    gates: [
      gate("memory stays flat", grown.length === 0, growthText(grown.length === 0 ? growths : grown)),
      gate(
        "every answer of the soak",
        load.faults === 0 && enough && unchanged,
        `${load.faults} unexpected of ${done}${unchanged ? "" : "; nginx was reloaded, or a process ended"}${enough ? "" : "; that is too little"}${load.firstFaults.length > 0 ? `; first: ${load.firstFaults.join("; ")}` : ""}`,
      ),
    ],
  };
}

function boundOf(name: string): number {
  const [kind = ""] = name.split(" ");
  if (kind !== "agent" && kind !== "worker" && kind !== "dict") throw new Error(`no bound for ${name}`);
  return GROWTH_MB_MAX[kind];
}

function growthText(growths: readonly Growth[]): string {
  return growths
    .map(({ name, grownMb }) => `${name} grew by ${rounded(grownMb)} MB of at most ${boundOf(name)}`)
    .join(", ");
}
