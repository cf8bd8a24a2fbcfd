// The source against a real API server of 2021, and of it with the newer APIs turned off, as servers before it were.
// HEADGATE_RECORD=1 writes recorded.json, which the tests without that server go by; else it is held to the server.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadKubeconfig } from "../../agent/kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../../agent/kubernetes/kubernetes-source.ts";
import { LIMITS } from "../../agent/kubernetes/limits.ts";
import type { Cluster } from "../kube/cluster.ts";
import { collectionPath } from "../kube/paths.ts";
import { Recorder, trim, until } from "../unit/kubernetes/harness.ts";
import { startOld } from "./cluster.ts";
import { expectAllRead } from "./expect.ts";
import { AGES, OBJECTS, PATHS } from "./objects.ts";

const RECORDED = join(import.meta.dirname, "recorded.json");

/** Each through its own version; what the server has not is left out. */
async function create(cluster: Cluster, hidden: readonly string[]): Promise<void> {
  for (const object of OBJECTS) {
    if (hidden.includes(object.apiVersion)) continue;
    const { status, body } = await cluster.request("POST", collectionPath(object), object);
    assert.equal(status, 201, `${object.kind} ${object.metadata.name}: ${JSON.stringify(body)}`);
  }
}

/** Without what differs from run to run. */
function lasting(body: unknown): unknown {
  return JSON.parse(
    JSON.stringify(body, (key, value: unknown) => {
      if (["managedFields", "uid", "selfLink", "remainingItemCount"].includes(key)) return undefined;
      if (key === "resourceVersion") return "1";
      if (key === "creationTimestamp") return "2026-01-01T00:00:00Z";
      return value;
    }),
  );
}

function withoutOwn(path: string, body: unknown): unknown {
  // The server's own Service and its endpoints have addresses of this machine.
  if (!path.startsWith("/api/v1/") || typeof body !== "object" || body === null || !("items" in body)) return body;
  const items = body.items as { metadata: { name: string } }[]; // a list of the API
  return { ...body, items: items.filter(({ metadata }) => metadata.name !== "kubernetes") };
}

describe("a real API server of 2021", () => {
  test("answers as it is recorded", async () => {
    const cluster = await startOld([]);
    try {
      await create(cluster, []);
      const answers: Record<string, unknown> = {};
      for (const path of PATHS) {
        const { status, body } = await cluster.request("GET", path);
        answers[path] = { status, body: withoutOwn(path, lasting(body)) };
      }
      if (process.env["HEADGATE_RECORD"] === "1") writeFileSync(RECORDED, `${JSON.stringify(answers, null, 1)}\n`);
      assert.deepEqual(answers, JSON.parse(readFileSync(RECORDED, "utf8")));
    } finally {
      await cluster.stop();
    }
  });

  for (const [age, all] of Object.entries(AGES)) {
    // This server does not start without networking.k8s.io/v1: its absence is seen on what was recorded alone.
    const hidden = all.filter((version) => !version.startsWith("networking"));
    test(`is read whole where it has the endpoints of ${age}`, async () => {
      const cluster = await startOld(hidden);
      const recorder = new Recorder();
      const source = new KubernetesSource({
        connection: loadKubeconfig({ flag: cluster.kubeconfig, environment: null, configured: null, context: null }),
        namespace: null,
        trim,
        sink: recorder.sink,
        onState: (state) => recorder.states.push(state),
        now: () => Date.now(),
        random: Math.random,
        log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
        version: "0",
        limits: { ...LIMITS, refusedMs: 1_000, rediscoverMs: 1_000 },
      });
      try {
        await create(cluster, hidden);
        source.start();
        await until(() => {
          try {
            expectAllRead(recorder);
            return recorder.states.at(-1)?.synced === true;
          } catch {
            return false;
          }
        }, "all is read");
      } finally {
        await source.stop();
        await cluster.stop();
      }
    });
  }
});
