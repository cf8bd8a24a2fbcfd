// One of ten peers is ten times slower than the others: what clients notice of it with peak EWMA and with round robin,
// and how many requests it still gets.

import { Edge, HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, service, slice } from "../e2e/support/objects.ts";
import { KeepAliveClient } from "./support/keep-alive-client.ts";
import { hostName } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startProgram } from "./support/programs.ts";
import { atMost, gate, type Result, rounded, told } from "./support/result.ts";
import { percentile } from "./support/statistics.ts";

const PORT = 8000;
const PEERS = 10;
// Much longer than what a busy machine adds.
const FAST_MS = 40;
const SLOW_MS = 400;
const CONNECTIONS = 64;
const WORKERS = 2;
const P99_RATIO_TARGET = 0.35;
const SLOW_SHARE_MAX = 0.03;
/** Of round robin, where it is a tenth: below that the slow peer was not asked, and nothing was measured. */
const TAKEN_SHARE_MIN = 0.05;
const WARM_UP_SECONDS = 3;
const SECONDS = { short: 8, full: 60 };

/** The index is that of the host and, in 127.1.INDEX.PEER, of the addresses. */
const BALANCERS = [
  { name: "round robin", index: 0, annotations: {} },
  { name: "peak EWMA", index: 1, annotations: { "nginx.ingress.kubernetes.io/load-balance": "ewma" } },
] as const;

interface Measured extends Asked {
  readonly requests: number;
  /** Of the requests, 0 to 1. */
  readonly slowShare: number;
}

export async function measureSlowPeer(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  const seconds = options.short ? SECONDS.short : SECONDS.full;
  const edge = await Edge.prepare({ name: "slow-peer", args: [], portFlags: false });
  try {
    await start(edge);
    await askBoth(edge, WARM_UP_SECONDS); // each worker gets to know the peers
    const before = await counts(edge);
    const asked = await askBoth(edge, seconds);
    const after = await counts(edge);
    const measured = asked.map(({ timesMs, errors }, index) => {
      const came = after.map((now, at) => now - (before[at] ?? 0)).slice(index * PEERS, (index + 1) * PEERS);
      const requests = came.reduce((sum, count) => sum + count, 0);
      return { timesMs, errors, requests, slowShare: (came[PEERS - 1] ?? Number.NaN) / requests };
    });
    done(tell(measured, seconds));
  } finally {
    await edge.stop();
  }
}

async function start(edge: Edge): Promise<void> {
  await startProgram(edge.machine, "slow-peer", [PORT, FAST_MS, SLOW_MS, PEERS]);
  const objects = BALANCERS.flatMap(({ index, annotations }) => {
    const name = `web-${index}`;
    const peers = addressesOf(index).map((address) => ({ address, port: PORT }));
    const paths = [{ path: "/", service: name }];
    return [
      service(name),
      slice(name, peers),
      ingress({ name, host: hostName(index), className: null, annotations, paths }),
    ];
  });
  await edge.writeManifest("hosts.yaml", objects.map((object) => `${JSON.stringify(object)}\n---\n`).join(""));
  await runOnManifests(edge, { workerProcesses: WORKERS });
  await edge.ready();
  for (const { index } of BALANCERS) {
    const served = async (): Promise<boolean> => (await edge.ask({ host: hostName(index) })).status === 200;
    await eventually(`host ${index} serves`, served);
  }
}

function addressesOf(index: number): readonly string[] {
  return Array.from({ length: PEERS }, (_, at) => `127.1.${index}.${1 + at}`);
}

interface Asked {
  readonly timesMs: readonly number[];
  readonly errors: number;
}

function askBoth(edge: Edge, seconds: number): Promise<readonly Asked[]> {
  return Promise.all(BALANCERS.map(({ index }) => ask(edge, hostName(index), seconds)));
}

/** A closed loop. Not wrk: it counts requests that it would have sent meanwhile, as slow ones, into its percentiles. */
async function ask({ machine }: Edge, host: string, seconds: number): Promise<Asked> {
  const end = performance.now() + seconds * 1000;
  const timesMs: number[] = [];
  let errors = 0;
  const loop = async (): Promise<void> => {
    const client = new KeepAliveClient({ address: machine.address, port: HTTP_PORT, tls: false });
    while (performance.now() < end) {
      try {
        const { status, sentAt, arrivedAt } = await client.ask(host, "/");
        if (status === 200) timesMs.push(arrivedAt - sentAt);
        else errors += 1;
      } catch {
        errors += 1;
      }
    }
    client.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  return { timesMs, errors };
}

/** Requests that each peer has had, those of the first balancer first. */
async function counts(edge: Edge): Promise<readonly number[]> {
  const { stdout } = await edge.machine.exec(["curl", "-sSf", `http://127.0.0.1:${PORT + 1}/`]);
  const byAddress = JSON.parse(stdout) as Record<string, number>; // written by the program
  return BALANCERS.flatMap(({ index }) => addressesOf(index).map((address) => byAddress[address] ?? 0));
}

function tell([turns, ewma]: readonly Measured[], seconds: number): Result {
  if (turns === undefined || ewma === undefined) throw new Error("both balancers are measured");
  const percent = (share: number): string => `${rounded(share * 100)} %`;
  const at = ({ timesMs }: Measured, share: number): number => percentile(timesMs, share);
  const summary = (one: Measured): string => `p50 ${rounded(at(one, 0.5))}, p99 ${rounded(at(one, 0.99))} ms`;
  const shares = `${percent(ewma.slowShare)} of ${ewma.requests} requests; round robin ${percent(turns.slowShare)} of ${turns.requests}`;
  return {
    title: "One slow peer of ten",
    method: [
      `Two backends of ${PEERS} peers that answer after ${FAST_MS} ms, the last of each after ${SLOW_MS} ms; one takes turns, the other has \`load-balance: ewma\`.`,
      `Both are asked at the same time over ${CONNECTIONS} kept connections each, by ${WORKERS} workers, for ${seconds} s; the peers count.`,
    ],
    figures: [
      atMost(
        "p99 with one slow peer of ten, peak EWMA ÷ round robin",
        at(ewma, 0.99) / at(turns, 0.99),
        P99_RATIO_TARGET,
        { unit: "" },
      ),
      told("times with one slow peer of ten", `peak EWMA ${summary(ewma)}; round robin ${summary(turns)}`),
    ],
    gates: [
      gate(
        "share of a slow peer with peak EWMA",
        ewma.slowShare <= SLOW_SHARE_MAX && turns.slowShare >= TAKEN_SHARE_MIN,
        `${shares}; at most ${percent(SLOW_SHARE_MAX)}, and at least ${percent(TAKEN_SHARE_MIN)} where turns are taken`,
      ),
      gate("answers with a slow peer", ewma.errors + turns.errors === 0, `${ewma.errors + turns.errors} failed`),
    ],
  };
}
