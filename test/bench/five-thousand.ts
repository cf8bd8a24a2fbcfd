// Five thousand Ingresses over as many hosts, with five hundred certificates: nginx's memory, and a cold start from
// the snapshot. The full form alone.

import { setTimeout as delay } from "node:timers/promises";
import { makePair } from "../e2e/support/certificates.ts";
import { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, service, slice, tlsSecret } from "../e2e/support/objects.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import { hostName, PEER_PORT, peersConfiguration } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { agentPid, proportionalMb, residentMb } from "./support/process.ts";
import { atMost, type Result, rounded, told } from "./support/result.ts";

const HOSTS = 5000;
const CERTIFICATES = 500;
const PER_FILE = 250;
const NGINX_MB_MAX = 120;
const COLD_START_MS_MAX = 2000;
const SERVICE = "web";

export async function measureManyHosts(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  if (options.short) return;
  const edge = await Edge.prepare({ name: "thousands", args: [], portFlags: false });
  try {
    const { machine } = edge;
    await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
    await writeManifests(edge);
    const run = (): Promise<void> => runOnManifests(edge, { workerProcesses: 2 });
    await run();
    await serves(edge, 60_000);
    // Each host once, so that the workers hold what they decode on demand.
    for (let index = 0; index < HOSTS; index++) await edge.ask({ host: hostName(index), tls: index < CERTIFICATES });
    const memory = await nginxMemory(edge);
    await delay(3000); // the snapshot is written behind
    await edge.endAgent("SIGTERM");
    const begin = performance.now();
    await run();
    await serves(edge, 60_000);
    const coldMs = performance.now() - begin;
    done({
      title: "Five thousand hosts",
      method: [
        `${HOSTS} Ingresses with a host each, ${CERTIFICATES} of them with a certificate; two workers, every host asked at least once.`,
        "Memory of nginx is that of master and workers with shared pages divided by those who share them.",
        "A cold start runs from the start of the agent on a stopped edge with its snapshot until the last host answers 200.",
      ],
      figures: [
        atMost(`nginx's memory at ${HOSTS} hosts`, memory.sum, NGINX_MB_MAX, { unit: "MB", runs: [memory.text] }),
        atMost(`cold start with ${HOSTS} hosts`, coldMs, COLD_START_MS_MAX, { unit: "ms" }),
        told(
          `agent's memory at ${HOSTS} hosts`,
          `${rounded(await residentMb(machine, await agentPid(edge)))} MB resident`,
        ),
      ],
      gates: [],
    });
  } finally {
    await edge.stop();
  }
}

async function serves(edge: Edge, withinMs: number): Promise<void> {
  const last = async (): Promise<boolean> => {
    const plain = await edge.ask({ host: hostName(HOSTS - 1) });
    const secured = await edge.ask({ host: hostName(CERTIFICATES - 1), tls: true });
    return plain.status === 200 && secured.status === 200 && secured.certificate === pairName(CERTIFICATES - 1);
  };
  await eventually("the last host serves", () => last().catch(() => false), withinMs);
}

function pairName(index: number): string {
  return `pair-${index}`;
}

async function writeManifests(edge: Edge): Promise<void> {
  const peers = Array.from({ length: 5 }, (_, at) => ({ address: `127.1.0.${1 + at}`, port: PEER_PORT }));
  let objects = [service(SERVICE), slice(SERVICE, peers)];
  for (let index = 0; index < HOSTS; index++) {
    const name = `host-${index}`;
    const host = hostName(index);
    const secured = index < CERTIFICATES;
    const tls = secured ? { tls: [{ hosts: [host], secretName: name }] } : {};
    objects.push(ingress({ name, host, className: null, paths: [{ path: "/", service: SERVICE }], ...tls }));
    if (secured) objects.push(tlsSecret(name, await makePair(pairName(index), [host])));
    if ((index + 1) % PER_FILE !== 0) continue;
    const text = objects.map((object) => `${JSON.stringify(object)}\n---\n`).join("");
    await edge.writeManifest(`hosts-${index}.yaml`, text);
    objects = [];
  }
}

async function nginxMemory(edge: Edge): Promise<{ sum: number; text: string }> {
  const { workers } = await dataPlaneState(edge);
  const { stdout } = await edge.machine.exec(["ps", "-o", "ppid=", "-p", String(workers[0]?.pid)]);
  const parts = [Number(stdout), ...workers.map(({ pid }) => pid)];
  const each: string[] = [];
  let sum = 0;
  for (const pid of parts) {
    const mb = await proportionalMb(edge.machine, pid);
    sum += mb;
    each.push(`${rounded(mb)} (${rounded(await residentMb(edge.machine, pid))} resident)`);
  }
  return { sum, text: `master, workers: ${each.join(", ")} MB` };
}
