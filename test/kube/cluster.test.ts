import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { startCluster, type Cluster } from "./cluster.ts";
import type { KubeObject } from "./paths.ts";

const INGRESS: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: { name: "shop" },
  spec: {
    ingressClassName: "headgate",
    rules: [
      {
        host: "shop.example.org",
        http: {
          paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
        },
      },
    ],
  },
};

const SERVICE: KubeObject = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
};

const SLICES =
  "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb";
const DEADLINE_MS = 20_000;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function assertGone(cluster: Cluster): void {
  assert.equal(existsSync(cluster.dir), false);
  assert.throws(() => process.kill(cluster.apiserverPid(), 0), { code: "ESRCH" });
}

test("a cluster stores an Ingress, makes EndpointSlices, and stops without leaving anything", async () => {
  const cluster = await startCluster({ users: [{ name: "edge", groups: ["edges"] }] });
  try {
    const stored = await cluster.apply(INGRESS);
    assert.equal(stored.metadata.name, "shop");
    await cluster.apply(SERVICE);
    await until("the EndpointSlice of web", async () => {
      const { body } = await cluster.request("GET", SLICES);
      return (body as { items: unknown[] }).items.length > 0; // a list of the API server
    });
    const missing = await cluster.request("GET", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/none");
    assert.equal(missing.status, 404);
    assert.match(JSON.stringify((await cluster.request("GET", "/version")).body), /v1\.36\./);
    const forbidden = await cluster.request("GET", "/api/v1/secrets", undefined, {
      authorization: "Bearer edge-token",
    });
    assert.equal(forbidden.status, 403);
    await cluster.remove(INGRESS);
    await cluster.remove(INGRESS);
  } finally {
    await cluster.stop();
  }
  assertGone(cluster);
});

test("the API server restarts on its port with its objects, on etcd 3.4 too", async () => {
  const cluster = await startCluster({ etcd: "3.4", controllers: false });
  try {
    await cluster.apply(INGRESS);
    const before = cluster.apiserverPid();
    await cluster.stopApiServer();
    await assert.rejects(cluster.request("GET", "/readyz"));
    await cluster.restartApiServer();
    assert.notEqual(cluster.apiserverPid(), before);
    const { status } = await cluster.request("GET", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/shop");
    assert.equal(status, 200);
  } finally {
    await cluster.stop();
  }
  assertGone(cluster);
});
