// What a cluster says when etcd was restored from an old backup: it is followed, but what it lacks is not thrown away
// at once. A prober asks all the time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ConditionStatus } from "../../agent/api/wire.ts";
import { openLan } from "../edges/lan.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { startClusterEdge } from "./support/cluster-edge.ts";
import type { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, namespace, service, slice } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const OLD = "old.example.test";
const LATE_COUNT = 60;
const WITHIN_MS = 60_000;
const ASKED_MIN = 30;

let cluster: Cluster;
let edge: Edge;
let one: Backend;
let two: Backend;

before(async () => {
  cluster = await startCluster({ address: openLan().gateway, controllers: false });
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  await cluster.apply(namespace());
  await cluster.apply(service("web"));
  await cluster.apply(slice("web", [one]));
  await cluster.apply(ingress({ name: "old", host: OLD, paths: [{ path: "/", service: "web" }] }));
  edge = await startClusterEdge("guards", cluster);
  await eventually("it serves", async () => (await edge.who({ host: OLD })) === "one");
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
  await cluster?.stop();
});

function late(index: number): string {
  return `late-${index}.example.test`;
}

async function shrunk(): Promise<ConditionStatus | undefined> {
  return (await edge.status()).conditions.find(({ code }) => code === "source-shrunk");
}

test("etcd restored from an old backup: it is noticed and followed, and what the backup lacks is held", async () => {
  const prober = startProber(edge, OLD);
  await cluster.backup();
  await cluster.apply(slice("web", [two]));
  await Promise.all(
    Array.from({ length: LATE_COUNT }, (_, index) =>
      cluster.apply(ingress({ name: `late-${index}`, host: late(index), paths: [{ path: "/", service: "web" }] })),
    ),
  );
  await eventually(
    "what came after the backup is served",
    async () => {
      const last = await edge.ask({ host: late(LATE_COUNT - 1) });
      return last.status === 200 && (await edge.who({ host: OLD })) === "two";
    },
    WITHIN_MS,
  );

  await cluster.restore();
  await eventually("the endpoints of the backup", async () => (await edge.who({ host: OLD })) === "one", WITHIN_MS);
  const condition = await eventually("the list is held back", shrunk, WITHIN_MS);
  assert.match(
    condition.message,
    /^Ingress: 1 of 61 left in the source's list of .*; the 60 that are missing are served/,
  );
  assert.match(condition.hint, /headgate accept Ingress/);
  assert.match(edge.output(), /API server went back to an older state/);
  for (const index of [0, LATE_COUNT - 1]) assert.equal(await edge.who({ host: late(index) }), "one");
  await cluster.apply(slice("web", [two]));
  await eventually("it is followed", async () => (await edge.who({ host: OLD })) === "two", WITHIN_MS);
  assert.deepEqual(await prober.stop(), []);
});

test("an agent that starts anew holds back what the snapshot has and the list lacks", async () => {
  const prober = startProber(edge, OLD);
  await edge.endAgent("SIGKILL");
  await edge.run(["--kubeconfig", cluster.kubeconfig]);
  await edge.ready();
  const condition = await eventually("the first list is held back", shrunk);
  assert.match(condition.message, /^Ingress: 1 of 61 left/);
  assert.equal(await edge.who({ host: late(0) }), "two");
  await eventually("the prober has asked enough", () => prober.asked() >= ASKED_MIN);
  assert.deepEqual(await prober.stop(), []);
});

test("what is put again is held no more, and accept lets the others go", async () => {
  const prober = startProber(edge, OLD);
  await cluster.apply(ingress({ name: "late-0", host: late(0), paths: [{ path: "/", service: "web" }] }));
  await eventually("59 are held", async () => /the 59 that are missing/.test((await shrunk())?.message ?? ""));
  const { exitCode, stdout } = await edge.headgate("accept", "ingress");
  assert.deepEqual([exitCode, stdout], [0, "Ingress: 59 objects are gone now\n"]);
  await eventually("they are gone", async () => (await edge.ask({ host: late(1) })).status === 404);
  assert.equal(await edge.who({ host: late(0) }), "two");
  assert.equal(await shrunk(), undefined);
  const again = await edge.headgate("accept", "Ingress");
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /Nothing is held back/);
  await eventually("the prober has asked enough", () => prober.asked() >= ASKED_MIN);
  assert.deepEqual(await prober.stop(), []);
});

test("the owner of an Ingress that lost its path to an older one reads so in an Event", async () => {
  await cluster.apply(ingress({ name: "z-loser", host: OLD, paths: [{ path: "/", service: "web" }] }));
  const events = async (): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const selector = encodeURIComponent("involvedObject.name=z-loser");
    const { body } = await cluster.request("GET", `/api/v1/namespaces/shop/events?fieldSelector=${selector}`);
    return (body as { items: Readonly<Record<string, unknown>>[] }).items; // a list of the API server
  };
  const [event = {}] = await eventually("the Event", async () => {
    const all = await events();
    return all.length > 0 ? all : null;
  });
  assert.deepEqual([event["type"], event["reason"]], ["Warning", "PathConflict"]);
  const { problems } = await edge.status();
  const problem = problems.find(({ object }) => object === "Ingress shop/z-loser");
  assert.ok(problem !== undefined && String(event["message"]).includes(problem.fix));
  await cluster.remove(ingress({ name: "z-loser", paths: [] }));
});
