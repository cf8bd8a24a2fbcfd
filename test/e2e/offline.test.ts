// Traffic does not notice: API server gone, refused credential, agent or nginx killed, restarts without a cluster.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openLan } from "../edges/lan.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { startClusterEdge } from "./support/cluster-edge.ts";
import type { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, namespace, service, slice } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const HOST = "shop.example.test";
let cluster: Cluster;
let edge: Edge;
let one: Backend;
let two: Backend;

before(async () => {
  cluster = await startCluster({ address: openLan().gateway });
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  await cluster.apply(namespace());
  await cluster.apply(service("web"));
  await cluster.apply(slice("web", [one]));
  await cluster.apply(ingress({ name: "web", host: HOST, paths: [{ path: "/", service: "web" }] }));
  edge = await startClusterEdge("offline", cluster);
  await eventually("it serves", async () => (await edge.ask({ host: HOST })).status === 200);
  await eventually("the snapshot is written", async () => snapshotHas("shop.example.test"));
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
  await cluster?.stop();
});

async function snapshotHas(text: string): Promise<boolean> {
  const folder = join(edge.stateDir, "snapshot");
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { current: number }; // our own file
  return (await readFile(join(folder, `documents-${manifest.current}.ndjson`), "utf8")).includes(text);
}

test("a crashed API server costs nothing: status says since when, and what changed meanwhile comes after it", async () => {
  const prober = startProber(edge, HOST);
  await cluster.stopApiServer();
  const trouble = await eventually("the trouble is told", async () => {
    const { conditions } = await edge.status();
    return conditions.find((condition) => condition.code === "source-unreachable");
  });
  assert.match(trouble.message, /since \d{4}-\d\d-\d\dT/);
  assert.notEqual(trouble.hint, "");
  assert.equal((await edge.machine.exec(["curl", "-sf", "http://127.0.0.1:10254/readyz"])).exitCode, 0);
  await cluster.restartApiServer();
  await cluster.apply(slice("web", [two]));
  await eventually("the change arrives", async () => (await edge.who({ host: HOST })) === "two", 60_000);
  await eventually(
    "the trouble ends",
    async () => (await edge.status()).conditions.every((c) => c.code !== "source-unreachable"),
    60_000,
  );
  assert.deepEqual(await prober.stop(), []);
});

test("a killed agent costs nothing, and the next one takes over the nginx that serves", async () => {
  const prober = startProber(edge, HOST);
  const before = (await edge.status()).generation ?? 0;
  await edge.endAgent("SIGKILL");
  assert.equal((await edge.headgate("status")).exitCode, 3);
  await edge.run();
  await edge.ready();
  const { generation, reloads } = await edge.status();
  assert.ok((generation ?? 0) >= before);
  assert.equal(reloads.total, 0);
  await cluster.apply(slice("web", [one]));
  await eventually("it follows the cluster", async () => (await edge.who({ host: HOST })) === "one");
  assert.deepEqual(await prober.stop(), []);
});

test("nginx killed with all its workers is back from the snapshot, without the cluster's help", async () => {
  cluster.pauseApiServer();
  const pid = (await edge.machine.exec(["cat", join(edge.stateDir, "run/nginx.pid")])).stdout.trim();
  await edge.machine.exec(["sh", "-c", `kill -9 ${pid} $(pgrep -P ${pid})`]);
  const seen = new Set<string>();
  await eventually("it serves again", async () => {
    const who = await edge.who({ host: HOST }).catch(() => "nobody");
    seen.add(who);
    return who === "one";
  });
  assert.deepEqual(
    [...seen].filter((who) => who !== "nobody" && who !== "one"),
    [],
    "served something else meanwhile",
  );
  cluster.resumeApiServer();
});

test("the agent restarted without an API server serves, explains, and says how old its knowledge is", async () => {
  await eventually("the snapshot has it", () => snapshotHas(one.address));
  await cluster.stopApiServer();
  // SIGTERM ends nginx too: everything that serves after it comes from the disk.
  await edge.endAgent("SIGTERM");
  await assert.rejects(edge.ask({ host: HOST }));
  await edge.run();
  await edge.ready();
  assert.equal(await edge.who({ host: HOST }), "one");
  const status = await edge.status();
  assert.equal(status.state, "degraded");
  const stale = status.conditions.find((condition) => condition.code === "knowledge-stale");
  assert.match(stale?.message ?? "", /knowledge is of \d{4}-/);
  const explained = await edge.explain("GET", `http://${HOST}/`);
  assert.equal(explained.answer.kind, "proxy");
  assert.notEqual(explained.staleSince, null);
  await cluster.restartApiServer();
  await cluster.apply(slice("web", [two]));
  await eventually("it follows again", async () => (await edge.who({ host: HOST })) === "two", 60_000);
  await eventually("it is not stale any more", async () =>
    (await edge.status()).conditions.every((condition) => condition.code !== "knowledge-stale"),
  );
});

test("a refused credential keeps what is known and says since when; a renewed one is taken without a restart", async () => {
  const file = join(edge.machine.scratch, "kubeconfig");
  const good = await readFile(cluster.kubeconfig, "utf8");
  await writeFile(file, good.replaceAll(cluster.token, "expired"));
  await edge.endAgent("SIGKILL");
  await edge.run(["--kubeconfig", file]);
  await edge.ready();
  const trouble = await eventually("401 is told", async () =>
    (await edge.status()).conditions.find((condition) => /credential refused since/.test(condition.message)),
  );
  assert.match(trouble.hint, /kubectl/);
  assert.equal(await edge.who({ host: HOST }), "two");
  await writeFile(file, good);
  await cluster.apply(slice("web", [one]));
  await eventually("it follows again", async () => (await edge.who({ host: HOST })) === "one", 60_000);
});
