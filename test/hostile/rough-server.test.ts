// One API server that goes through all of it, one after the other: overloaded, slow, cut off in the middle of lists and
// of lines, empty, away, and back from an old backup. A prober asks 100 times a second from the first to the last.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openLan } from "../edges/lan.ts";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, service, slice } from "../e2e/support/objects.ts";
import { FakeApiServer } from "../fakes/kube-apiserver.ts";
import type { FaultAction } from "../fakes/kube-faults.ts";
import type { FakeObject } from "../fakes/kube-objects.ts";
import type { KubeObject } from "../kube/paths.ts";
import { beside, bystanderObjects, bystanderServes } from "./support/bystander.ts";
import { readStatus, sourceTrouble } from "./support/status.ts";

const PLURALS = ["ingresses", "ingressclasses", "services", "endpointslices", "secrets"] as const;
const EXPIRED = {
  bytes: '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410}}\n',
};
/** Enough for the guard against short lists. */
const MANY = 60;
const WITHIN_MS = 40_000;
const PROBE = "changing.example.test";

let fake: FakeApiServer;
let edge: Edge;
let one: Backend;
let two: Backend;

before(async () => {
  fake = new FakeApiServer({ address: openLan().gateway });
  await fake.start();
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  for (const object of await bystanderObjects(one)) put(object);
  for (let index = 0; index < MANY; index++) {
    const name = `many-${index}`;
    put(service(name));
    put(slice(name, [one]));
    put(ingress({ name, host: `${name}.example.test`, paths: [{ path: "/", service: name }] }));
  }
  put(service("changing"));
  put(slice("changing", [one]));
  put(ingress({ name: "changing", host: PROBE, paths: [{ path: "/", service: "changing" }] }));
  edge = await Edge.prepare({ name: "roughserver", args: [] });
  await writeFile(kubeconfig(), fake.kubeconfig());
  await runAgent();
  await eventually("the bystander is served", () => bystanderServes(edge));
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
  await fake?.stop();
});

function put(object: KubeObject): void {
  fake.put(structuredClone(object) as FakeObject); // test objects have what the fake needs
}

function kubeconfig(): string {
  return join(edge.machine.scratch, "kubeconfig");
}

async function runAgent(): Promise<void> {
  await edge.run(["--kubeconfig", kubeconfig()]);
  await edge.ready();
  await eventually("all is watched", () => PLURALS.every((plural) => fake.watching(plural) > 0), WITHIN_MS);
}

/** A new agent beside the same nginx: what failed before does not make it wait. */
async function freshAgent(): Promise<void> {
  await edge.endAgent("SIGKILL");
  await runAgent();
}

function disturbAll(how: Parameters<FakeApiServer["disturb"]>[1]): void {
  for (const plural of PLURALS) fake.disturb(plural, how);
}

/** The fault is over; a change arrives, and nothing is said to be wrong any more. */
async function recovers(): Promise<void> {
  fake.faults.clear();
  const backend = (await edge.who({ host: PROBE })) === "one" ? two : one;
  put(slice("changing", [backend]));
  await eventually("a change arrives", async () => (await edge.who({ host: PROBE })) === backend.name, WITHIN_MS);
  await eventually(
    "nothing is wrong",
    async () => (await readStatus(edge)).conditions.every(({ code }) => !code.startsWith("source-")),
    WITHIN_MS,
  );
  assert.ok(await bystanderServes(edge));
}

async function meets(action: FaultAction, message: RegExp): Promise<void> {
  fake.faults.add({ action });
  disturbAll(EXPIRED);
  await sourceTrouble(edge, message, WITHIN_MS);
  await recovers();
}

test("whatever the API server does, no request fails", () =>
  beside(edge, async () => {
    await meets({ kind: "status", code: 429, retryAfterS: 1, message: "slow down" }, /\(429\): slow down/);

    // Slow, but right: the answers are later than some, and nothing is wrong.
    fake.faults.add({ action: { kind: "slow", ms: 3_000 } });
    disturbAll("reset");
    await recovers();

    await freshAgent();
    // Pages: each list breaks off in the middle, then every watch in the middle of a line.
    fake.watchList = "forbidden";
    const half = `{"kind":"IngressList","apiVersion":"networking.k8s.io/v1","metadata":{"resourceVersion":"9"},"items":[{`;
    fake.faults.add({ verb: "list", action: { kind: "bytes", bytes: half, reset: true } });
    disturbAll(EXPIRED);
    await sourceTrouble(edge, /cannot be read since/, WITHIN_MS);
    await recovers();
    for (const after of ["reset", "end"] as const) {
      await freshAgent();
      disturbAll({ bytes: '{"type":"DELETED","object":{"kind":"Ingress","metadata":{"name":"many-1","na', after });
      await recovers();
    }

    await freshAgent();
    // It has lost everything, says so politely, and finds it again.
    const before = fake.requests.length;
    fake.faults.add({ action: { kind: "empty" } });
    disturbAll(EXPIRED);
    await eventually(
      "the empty list is held back",
      async () =>
        (await readStatus(edge)).conditions.find(
          ({ code, message }) => code === "source-shrunk" && message.startsWith("Ingress: 0 of 63 left"),
        ),
      WITHIN_MS,
    );
    await eventually(
      "the Secret was missing too",
      () =>
        fake.requests.slice(before).filter(({ plural, verb }) => plural === "secrets" && verb === "list").length > 1,
      WITHIN_MS,
    );
    assert.ok(await bystanderServes(edge));
    await recovers();

    await freshAgent();
    // Its connections are lost, and it is back with the state of an older backup.
    const backup = fake.objects.save();
    put(slice("changing", [one]));
    put(slice("changing", [two]));
    await eventually("what came after the backup", async () => (await edge.who({ host: PROBE })) === "two", WITHIN_MS);
    fake.objects.restore(backup);
    disturbAll("reset");
    await recovers();
  }));
