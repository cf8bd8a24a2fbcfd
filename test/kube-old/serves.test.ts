// A server of 2021, as it is and as servers before it were, to the request: an Ingress of each version is served, and
// a change of its endpoints reaches the next request.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { startClusterEdge } from "../e2e/support/cluster-edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { openLan } from "../edges/lan.ts";
import type { Cluster } from "../kube/cluster.ts";
import { collectionPath, type KubeObject, objectPath } from "../kube/paths.ts";
import { startOld } from "./cluster.ts";
import { AGES, OBJECTS } from "./objects.ts";

const HOSTS = ["extensions.example", "beta.example", "v1.example"];

/** The objects' endpoints at a backend: what is ready moves, what is not stays. */
function at(object: KubeObject, { address }: Backend): KubeObject {
  return JSON.parse(JSON.stringify(object).replaceAll("10.244.0.1", address)) as KubeObject; // a copy
}

async function send(cluster: Cluster, method: "POST" | "PUT", object: KubeObject): Promise<void> {
  const path = method === "POST" ? collectionPath(object) : objectPath(object);
  const { status, body } = await cluster.request(method, path, object);
  assert.ok(status < 300, `${object.kind} ${object.metadata.name}: ${JSON.stringify(body)}`);
}

describe("a real API server of 2021 behind an edge", () => {
  for (const [age, all] of Object.entries(AGES)) {
    // This server does not start without networking.k8s.io/v1.
    const hidden = all.filter((version) => !version.startsWith("networking"));
    test(`is served from with the endpoints of ${age}`, async () => {
      const undo: (() => Promise<void>)[] = [];
      try {
        const cluster = await startOld(hidden, openLan().gateway);
        undo.push(() => cluster.stop());
        const one = await startBackend("one");
        undo.push(() => one.stop());
        const two = await startBackend("two");
        undo.push(() => two.stop());
        const objects = OBJECTS.filter(({ apiVersion }) => !hidden.includes(apiVersion));
        for (const object of objects) await send(cluster, "POST", at(object, one));
        const edge = await startClusterEdge("old", cluster);
        undo.push(() => edge.stop());
        for (const host of HOSTS) {
          await eventually(`${host} is served`, async () => (await edge.who({ host })) === "one");
        }
        const kinds = ["Endpoints", "EndpointSlice"];
        for (const object of objects) if (kinds.includes(object.kind)) await send(cluster, "PUT", at(object, two));
        for (const host of HOSTS) {
          await eventually(`${host} follows its endpoints`, async () => (await edge.who({ host })) === "two");
        }
        assert.equal((await edge.status()).reloads.total, 0);
      } finally {
        for (const step of undo.reverse()) await step();
      }
    });
  }
});
