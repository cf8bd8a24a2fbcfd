// A bad API server: garbage, halves, errors, refusals, silence. Traffic goes on, status names the kind of objects and
// what to do, and what changed meanwhile arrives when the fault is over. A prober asks a bystander through every case.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openLan } from "../edges/lan.ts";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { makePair } from "../e2e/support/certificates.ts";
import { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, service, slice, tlsSecret } from "../e2e/support/objects.ts";
import { FakeApiServer } from "../fakes/kube-apiserver.ts";
import type { FakeRequest, FaultAction } from "../fakes/kube-faults.ts";
import type { FakeObject } from "../fakes/kube-objects.ts";
import type { KubeObject } from "../kube/paths.ts";
import { beside, BYSTANDER, bystanderObjects, bystanderServes } from "./support/bystander.ts";
import { BATCHES, KINDS, type Plural, type ServerFault } from "./support/server-faults.ts";
import { readStatus, sourceTrouble, statusSays } from "./support/status.ts";

const WHOLE_KINDS = ["ingresses", "ingressclasses", "services", "endpointslices"] as const;
/** The version that is watched from is too old: everything is read anew, at once. */
const EXPIRED = {
  bytes: '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410}}\n',
};
/** Longer than the agent waits for an answer. */
const HANG_MS_MAX = 40_000;

let fake: FakeApiServer;
let edge: Edge;
let backend: Backend;

before(async () => {
  fake = new FakeApiServer({ address: openLan().gateway });
  await fake.start();
  backend = await startBackend("own");
  for (const object of await bystanderObjects(backend)) put(object);
  edge = await Edge.prepare({ name: "badserver", args: [] });
  await writeFile(kubeconfigPath(), fake.kubeconfig());
  await runAgent();
  await eventually("the bystander is served", () => bystanderServes(edge));
});

after(async () => {
  await Promise.all([edge?.stop(), backend?.stop()]);
  await fake?.stop();
});

function put(object: KubeObject): void {
  fake.put(structuredClone(object) as FakeObject); // test objects have what the fake needs
}

function kubeconfigPath(): string {
  return join(edge.machine.scratch, "kubeconfig");
}

async function runAgent(): Promise<void> {
  await edge.run(["--kubeconfig", kubeconfigPath()]);
  await edge.ready();
  await watchesAll();
}

async function watchesAll(): Promise<void> {
  await eventually(
    "all kinds are watched",
    () => WHOLE_KINDS.every((plural) => fake.watching(plural) > 0),
    HANG_MS_MAX,
  );
}

/** A fresh agent beside the same nginx: what failed before does not make it wait. */
async function freshAgent(): Promise<void> {
  await edge.endAgent("SIGKILL");
  await runAgent();
}

/** A host of its own for each case, and what it needs, by kind. */
async function hostObjects(name: string, className = "headgate"): Promise<Readonly<Record<Plural, KubeObject>>> {
  const host = hostOf(name);
  const tls = [{ hosts: [host], secretName: name }];
  return {
    ingresses: ingress({ name, host, className, paths: [{ path: "/", service: name }], tls }),
    ingressclasses: {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name },
      spec: { controller: "headgate.dev/ingress" },
    },
    services: service(name),
    endpointslices: slice(name, [backend]),
    secrets: tlsSecret(name, await makePair(name, [host])),
  };
}

function hostOf(name: string): string {
  return `${name}.example.test`;
}

async function serves(name: string): Promise<boolean> {
  const { status, certificate } = await edge.ask({ host: hostOf(name), tls: true });
  return status === 200 && certificate === name;
}

/** No condition of the source says this any more; any at all unless told. */
async function troubleIsOver(message = /^/): Promise<void> {
  await eventually(
    "the trouble is over",
    async () => {
      const { conditions } = await readStatus(edge);
      return conditions.every(
        (condition) => condition.code !== "source-unreachable" || !message.test(condition.message),
      );
    },
    HANG_MS_MAX,
  );
}

BATCHES.forEach((batch, number) => {
  describe(`faults of single kinds, ${number + 1}`, { concurrency: true }, () => {
    before(freshAgent);
    batch.forEach((fault, index) => {
      test(`${fault.name}: named with ${KINDS[fault.plural]}, and what was missed arrives`, () =>
        beside(edge, () => runFault(fault, `case-${number}-${index}`)));
    });
  });
});

async function runFault({ plural, action, message, watch, times }: ServerFault, name: string): Promise<void> {
  const objects = await hostObjects(name, plural === "ingressclasses" ? name : "headgate");
  let over = false;
  const isOwn = ({ query }: FakeRequest): boolean =>
    !over && (plural !== "secrets" || query.get("fieldSelector") === `metadata.name=${name}`);
  fake.faults.add({ plural, action, when: isOwn, ...(times === undefined ? {} : { times }) });
  // A Secret is read when the first Ingress names it, so its fault needs no watch to break.
  if (plural !== "secrets") fake.disturb(plural, watch ?? EXPIRED);
  for (const object of Object.values(objects)) put(object);
  const { hint } = await sourceTrouble(edge, message, HANG_MS_MAX);
  assert.match(hint, /kubectl|API server/);
  if (times === undefined) assert.equal(await serves(name), false, "what cannot be read is not there yet");
  assert.equal((await edge.machine.exec(["curl", "-sf", "http://127.0.0.1:10254/readyz"])).exitCode, 0);
  over = true;
  await eventually("what was missed arrives", () => serves(name), HANG_MS_MAX);
  await troubleIsOver(message);
}

const WHOLE_SERVER: readonly { readonly name: string; readonly action: FaultAction; readonly message: RegExp }[] = [
  { name: "500 to everything", action: { kind: "status", code: 500 }, message: /cannot read .*500/ },
  { name: "a reset to everything", action: { kind: "reset" }, message: /cannot be read since \d{4}-\d\d-\d\dT/ },
  {
    name: "401 to everything",
    action: { kind: "status", code: 401 },
    message: /credential refused since \d{4}-\d\d-\d\dT/,
  },
];

for (const [index, { name, action, message }] of WHOLE_SERVER.entries()) {
  test(`${name}: traffic goes on, and what changed meanwhile arrives`, () =>
    beside(edge, async () => {
      await freshAgent();
      fake.faults.add({ action });
      for (const plural of WHOLE_KINDS) fake.disturb(plural, EXPIRED);
      await sourceTrouble(edge, message, HANG_MS_MAX);
      const own = `whole-${index}`;
      for (const object of Object.values(await hostObjects(own))) put(object);
      assert.equal(await serves(own), false);
      fake.faults.clear();
      await eventually("what changed meanwhile arrives", () => serves(own), HANG_MS_MAX);
      await troubleIsOver();
    }));
}

test("an agent that starts while the server talks garbage serves, and says how old its knowledge is", () =>
  beside(edge, async () => {
    await edge.endAgent("SIGKILL");
    fake.faults.add({ action: { kind: "bytes", bytes: "nothing of use" } });
    await edge.run(["--kubeconfig", kubeconfigPath()]);
    await edge.ready();
    const stale = await eventually("it says how old", async () =>
      (await readStatus(edge)).conditions.find(({ code }) => code === "knowledge-stale"),
    );
    assert.match(stale.message, /\d{4}-\d\d-\d\dT/);
    await sourceTrouble(edge, /cannot read Ingress: .*something else than the protocol/);
    fake.faults.clear();
    await watchesAll();
    await troubleIsOver();
    assert.ok((await readStatus(edge)).conditions.every(({ code }) => code !== "knowledge-stale"));
  }));

test("a kind that is suddenly forbidden stays as it was, and the hint has the right that is missing", () =>
  beside(edge, async () => {
    await freshAgent();
    fake.forbidden.add("ingresses");
    fake.disturb("ingresses", EXPIRED);
    const { hint } = await sourceTrouble(edge, /cannot read Ingress: .*403/);
    assert.match(hint, /auth can-i watch ingresses\.networking\.k8s\.io/);
    assert.equal((await edge.ask({ host: BYSTANDER })).status, 200);
    fake.forbidden.clear();
    await watchesAll();
    await troubleIsOver();
  }));

test("objects that no server should have let through cost themselves alone, and are named", () =>
  beside(edge, async () => {
    const host = "odd.example.test";
    const paths = [
      { path: "/fine", service: "bystander" },
      { path: "/a\u0000\u001b[2J\nreturn 200;", service: "bystander", pathType: "ImplementationSpecific" as const },
    ];
    put(ingress({ name: "odd", host, paths }));
    await eventually("the good path serves", async () => (await edge.ask({ host, path: "/fine" })).status === 200);
    const field = /^spec\.rules\[0\]\.http\.paths\[1\]\.path$/;
    await statusSays(edge, { code: "path-invalid", object: "Ingress shop/odd", field, message: /control character/ });
    put({ ...ingress({ name: "odd", host, paths }), spec: { rules: "all of them" } });
    await statusSays(edge, {
      code: "object-refused",
      object: "Ingress shop/odd",
      field: /^spec\.rules$/,
      message: /./,
    });
    assert.equal((await edge.ask({ host, path: "/fine" })).status, 200, "the last good state stays");
    put(ingress({ name: "odd", host, paths: [{ path: "/", service: "bystander" }] }));
    await eventually("the mended one serves", async () => (await edge.ask({ host, path: "/new" })).status === 200);
    await eventually("no problem is left", async () =>
      (await readStatus(edge)).problems.every(({ object }) => object !== "Ingress shop/odd"),
    );
  }));
