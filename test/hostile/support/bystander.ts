// A tenant beside the one who harms: one host over plain HTTP, one with a certificate. Nothing may ever disturb them.

import assert from "node:assert/strict";
import type { KubeObject } from "../../kube/paths.ts";
import type { Backend } from "../../e2e/support/backend.ts";
import { makePair } from "../../e2e/support/certificates.ts";
import type { Edge } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";
import { ingress, service, slice, tlsSecret } from "../../e2e/support/objects.ts";
import { startProber } from "../../e2e/support/prober.ts";

export const BYSTANDER = "bystander.example.test";
const SAFE_BYSTANDER = "safe-bystander.example.test";

/** Enough to say that the prober was there: a third of a second's worth. */
const ASKED_MIN = 30;

export async function bystanderObjects(backend: Backend): Promise<readonly KubeObject[]> {
  const secretName = "bystander-tls";
  return [
    service("bystander"),
    slice("bystander", [backend]),
    ingress({ name: "bystander", host: BYSTANDER, paths: [{ path: "/", service: "bystander" }] }),
    ingress({
      name: "safe-bystander",
      host: SAFE_BYSTANDER,
      paths: [{ path: "/", service: "bystander" }],
      tls: [{ hosts: [SAFE_BYSTANDER], secretName }],
    }),
    tlsSecret(secretName, await makePair("bystander", [SAFE_BYSTANDER])),
  ];
}

export async function bystanderServes(edge: Edge): Promise<boolean> {
  return (await edge.ask({ host: BYSTANDER })).status === 200 && (await safeAnswer(edge)) === "200 bystander";
}

/** Runs `work` with a prober on the bystander; fails when a single request of it did. `reloads`: `work` makes nginx reload. */
export async function beside(edge: Edge, work: () => Promise<void>, reloads = false): Promise<void> {
  const prober = startProber(edge, BYSTANDER, "/", reloads);
  try {
    await work();
    await eventually("the prober has asked enough", () => prober.asked() >= ASKED_MIN);
  } catch (thrown) {
    const failures = await prober.stop().catch((error: unknown) => [String(error)]);
    if (failures.length === 0) throw thrown;
    const message = `the bystander was disturbed ${failures.length} times, first at ${failures[0] ?? ""}`;
    throw new Error(`${message}; and: ${String(thrown)}`, { cause: thrown });
  }
  assert.deepEqual(await prober.stop(), [], "the bystander was disturbed");
  assert.equal(await safeAnswer(edge), "200 bystander", "the bystander keeps its certificate");
}

async function safeAnswer(edge: Edge): Promise<string> {
  const { status, certificate } = await edge.ask({ host: SAFE_BYSTANDER, tls: true });
  return `${status} ${certificate}`;
}
