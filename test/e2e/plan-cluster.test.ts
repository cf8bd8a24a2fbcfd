// plan on a cluster: what it says of objects before the API server has them is what comes once it does.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { PlanReport, RenderReport } from "../../agent/api/wire.ts";
import { openLan } from "../edges/lan.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { makePair } from "./support/certificates.ts";
import { startClusterEdge } from "./support/cluster-edge.ts";
import type { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, namespace, service, slice, tlsSecret } from "./support/objects.ts";

const HOST = "shop.example.test";

let cluster: Cluster;
let edge: Edge;
let one: Backend;

before(async () => {
  cluster = await startCluster({ address: openLan().gateway });
  one = await startBackend("one");
  for (const object of [namespace(), service("web"), slice("web", [one])]) await cluster.apply(object);
  await cluster.apply(ingress({ name: "old", host: HOST, paths: [{ path: "/", service: "web" }] }));
  edge = await startClusterEdge("plan-cluster", cluster);
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop()]);
  await cluster?.stop();
});

async function plan(...objects: readonly KubeObject[]): Promise<{ report: PlanReport; exitCode: number }> {
  const file = join(edge.machine.scratch, "planned.yaml");
  await writeFile(file, objects.map((object) => stringify(object)).join("---\n"));
  const { stdout, stderr, exitCode } = await edge.headgate("diff", file, "-o", "json");
  assert.notEqual(stdout, "", stderr);
  return { report: JSON.parse(stdout) as PlanReport, exitCode }; // the agent's own wire format
}

async function documents(): Promise<Map<string, unknown>> {
  const { stdout } = await edge.headgate("render", "-o", "json");
  const report = JSON.parse(stdout) as RenderReport; // the agent's own wire format
  return new Map(report.documents.map(({ kind, key, value }) => [`${kind}/${key}`, value]));
}

function sorted(map: ReadonlyMap<string, unknown>): unknown {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

test("what the cluster has already is no change, whatever its server added", async () => {
  const { report, exitCode } = await plan(
    service("web"),
    ingress({ name: "old", host: HOST, paths: [{ path: "/", service: "web" }] }),
  );
  assert.deepEqual([exitCode, report.documents, report.newProblems, report.goneProblems], [0, [], [], []]);
});

test("a new Ingress with its Secret, and one that loses its path to an older one", async () => {
  const pair = await makePair("shop", [HOST]);
  const objects = [
    tlsSecret("tls", pair),
    ingress({
      name: "aaa",
      host: HOST,
      tls: [{ hosts: [HOST], secretName: "tls" }],
      paths: [
        { path: "/", service: "web" },
        { path: "/new", service: "web" },
      ],
    }),
  ];
  const earlier = await documents();
  const { report } = await plan(...objects);
  assert.deepEqual(
    report.newProblems.map(({ code, object }) => [code, object]),
    [["path-conflict", "Ingress shop/aaa"]],
  );
  assert.equal(report.reload, null);
  for (const object of objects) await cluster.apply(object);
  for (const { kind, key, change, after: value } of report.documents) {
    assert.notEqual(change, "delete");
    earlier.set(`${kind}/${key}`, value);
  }
  await eventually("all of it is there", async () => {
    assert.deepEqual(sorted(await documents()), sorted(earlier));
    return true;
  });
  const [problem] = report.newProblems;
  const told = (await edge.status()).problems.find(({ code }) => code === "path-conflict");
  assert.deepEqual({ ...told, where: "" }, { ...problem, where: "" });
});

test("a Secret that nothing named before is a note, and no problem", async () => {
  const { report } = await plan(
    ingress({
      name: "later",
      host: "later.example.test",
      tls: [{ hosts: ["later.example.test"], secretName: "there-already" }],
      paths: [{ path: "/", service: "web" }],
    }),
  );
  assert.deepEqual(report.newProblems, []);
  assert.match(report.notes.join("\n"), /^Secret shop\/there-already was not read yet/);
});
