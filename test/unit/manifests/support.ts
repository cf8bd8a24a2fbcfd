// A manifests source on a real directory, and what it told so far, as a store would hold it.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { inspectKeyPair } from "../../../agent/certificates/key-pair.ts";
import { ManifestsSource } from "../../../agent/manifests/manifests-source.ts";
import { refOf, refText, refKey } from "../../../agent/objects/objects.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import type { Change, Refusal } from "../../../agent/store/source.ts";

const DEADLINE_MS = 10_000;

export interface Watched {
  readonly directory: string;
  readonly source: ManifestsSource;
  readonly batches: (readonly Change[])[];
  readonly objects: ReadonlyMap<string, KubernetesObject>;
  readonly refusals: ReadonlyMap<string, Refusal>;
  /** "Ingress shop/web" of all that is held, sorted. */
  names(): readonly string[];
}

export async function makeDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "headgate-manifests-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function watchDirectory(t: TestContext, directory: string): Watched {
  const objects = new Map<string, KubernetesObject>();
  const refusals = new Map<string, Refusal>();
  const batches: (readonly Change[])[] = [];
  const source = new ManifestsSource({
    directory,
    sink: (changes) => {
      batches.push(changes);
      for (const change of changes) take(change, objects, refusals);
    },
    onState: () => {},
    inspectKeyPair,
    now: Date.now,
  });
  t.after(() => source.stop());
  source.start();
  const names = (): readonly string[] => [...objects.values()].map((object) => refText(refOf(object))).toSorted();
  return { directory, source, batches, objects, refusals, names };
}

function take(change: Change, objects: Map<string, KubernetesObject>, refusals: Map<string, Refusal>): void {
  switch (change.kind) {
    case "put":
      objects.set(refKey(refOf(change.object)), change.object);
      return;
    case "delete":
      objects.delete(refKey(change.ref));
      return;
    case "replace":
      for (const [key, object] of objects) if (object.kind === change.objectKind) objects.delete(key);
      for (const object of change.objects) objects.set(refKey(refOf(object)), object);
      return;
    case "refuse":
      refusals.set(change.refusal.where, change.refusal);
      return;
    case "accept":
      refusals.delete(change.where);
  }
}

/** Polls until `check` gives no error, and fails with its last one. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      await check();
      return;
    } catch (thrown) {
      if (Date.now() > deadline) throw thrown;
    }
    await delay(10);
  }
}

export function service(name: string, port = 80, namespace = "shop"): string {
  return [
    "apiVersion: v1",
    "kind: Service",
    `metadata: {name: ${name}, namespace: ${namespace}}`,
    "spec:",
    "  ports:",
    `    - port: ${port}`,
    "",
  ].join("\n");
}

export function ingress(name: string, host: string): string {
  return [
    "apiVersion: networking.k8s.io/v1",
    "kind: Ingress",
    `metadata: {name: ${name}, namespace: shop}`,
    "spec:",
    "  rules:",
    `    - host: ${host}`,
    "      http:",
    "        paths:",
    "          - path: /",
    "            pathType: Prefix",
    "            backend: {service: {name: web, port: {number: 80}}}",
    "",
  ].join("\n");
}
