// Each fault of a server: the store is right in the end, nothing else stops, and the state says what is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceTrouble } from "../../../agent/store/source.ts";
import type { FaultAction } from "../../fakes/kube-faults.ts";
import { FakeApiServer } from "../../fakes/kube-apiserver.ts";
import { ingress, ingressClass, plainConnection, secret, service, slice, startRig, until } from "./harness.ts";
import type { Rig } from "./harness.ts";

const SHOP = [ingress("a"), service("web"), slice("web-1", "10.1.0.1"), ingressClass];
const HALF = '{"type":"ADDED","object":{"kind":"Ingress","metadata":{"name":"ha';
const event = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

function trouble(rig: Rig, resource: string): SourceTrouble | undefined {
  return rig.source.state().troubles.find((one) => one.resource === resource);
}

/** What the server does on a running watch of Ingresses, while an Ingress is deleted and another comes. */
const STREAMS: Readonly<Record<string, Parameters<FakeApiServer["disturb"]>[1]>> = {
  "ends in order": "end",
  "resets the connection": "reset",
  "resets in the middle of a line": { bytes: HALF, after: "reset" },
  "ends with half a JSON line": { bytes: HALF, after: "end" },
  "says something that is no JSON": { bytes: "<html>gateway timeout</html>\n" },
  "says bytes that are no UTF-8": { bytes: Buffer.from([0x7b, 0xff, 0xfe, 0x0a]).toString("latin1") },
  "says an unknown event type": {
    bytes: event("SURPRISE", { kind: "Ingress", metadata: { name: "x", resourceVersion: "9" } }),
  },
  "says an object of another kind": {
    bytes: event("ADDED", { kind: "Service", metadata: { name: "x", resourceVersion: "9" } }),
  },
  "says an object without a version": { bytes: event("ADDED", { kind: "Ingress", metadata: { name: "x" } }) },
  "says an event without an object": { bytes: '{"type":"ADDED"}\n' },
  "says ERROR 410": { bytes: event("ERROR", { kind: "Status", code: 410, message: "too old" }) },
  "says ERROR 500": { bytes: event("ERROR", { kind: "Status", code: 500, message: "etcd is away" }) },
  "says ERROR 429": { bytes: event("ERROR", { kind: "Status", code: 429, message: "slow down" }) },
  "says an event of 100 kB where 50 kB are allowed": { bytes: `{"type":"${"x".repeat(100_000)}` },
  "says nothing any more": "mute",
};
for (const [name, how] of Object.entries(STREAMS)) {
  test(`loses nothing when a watch ${name}`, async (t) => {
    const rig = await startRig(t, { objects: SHOP, limits: { lineBytesMax: 50_000 } });
    const { fake, source, store } = rig;
    await until(() => source.state().synced && fake.watching("ingresses") === 1, "synced");
    fake.disturb("ingresses", "mute");
    fake.delete("ingresses", "shop", "a");
    fake.put(ingress("b"));
    fake.disturb("ingresses", how);
    fake.put(slice("web-1", "10.1.0.2"));
    await until(() => store.names("Ingress").join() === "b", "the present Ingresses");
    fake.put(ingress("c"));
    await until(() => store.names("Ingress").join() === "b,c", "and what comes after");
    assert.match(JSON.stringify([...store.objects.values()]), /10\.1\.0\.2/);
    await until(() => source.state().troubles.length === 0, "no trouble");
  });
}

const GARBAGE: readonly string[] = Object.keys(STREAMS).filter(
  (name) => (name.startsWith("says") || name === "ends with half a JSON line") && !/ERROR|nothing/.test(name),
);
for (const name of GARBAGE) {
  test(`reads everything anew after a watch that ${name}`, async (t) => {
    const { fake, source, store } = await startRig(t, { objects: SHOP, limits: { lineBytesMax: 50_000 } });
    await until(() => source.state().synced && fake.watching("ingresses") === 1, "synced");
    const reads = (): number =>
      fake.requests.filter(({ plural, query }) => plural === "ingresses" && query.has("sendInitialEvents")).length;
    assert.equal(reads(), 1);
    fake.disturb("ingresses", STREAMS[name] ?? "end");
    await until(() => reads() === 2, "a second read");
    await until(() => fake.watching("ingresses") === 1, "a watch again");
    assert.deepEqual(store.names("Ingress"), ["a"]);
  });
}

test("believes nothing of what follows a bad line", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced && fake.watching("ingresses") === 1, "synced");
  const told = (name: string): string => {
    const metadata = { name, namespace: "shop", resourceVersion: "2000" };
    return event("ADDED", { ...ingress(name), metadata });
  };
  fake.disturb("ingresses", { bytes: `${told("before")}}{\n${told("after")}` });
  fake.put(ingress("b"));
  await until(() => store.names("Ingress").join() === "a,b", "only what the server really has");
  const put = store.batches.flat().flatMap((change) => (change.kind === "put" ? [change.object.meta.name] : []));
  assert.ok(put.includes("before"), "what came before it was taken");
  assert.ok(!put.includes("after"));
});

/** What the server does instead of answering the first requests for Ingresses. */
const ANSWERS: Readonly<
  Record<string, { readonly action: FaultAction; readonly says: RegExp; readonly resource: string }>
> = {
  hangs: { action: { kind: "hang" }, says: /no answer in 0\.5 s/, resource: "" },
  "resets the connection": {
    action: { kind: "reset" },
    says: /cannot be read since .*(ECONNRESET|hang up)/,
    resource: "",
  },
  "answers 500": {
    action: { kind: "status", code: 500, message: "etcd is away" },
    says: /cannot read Ingress: .*\(500\): etcd is away/,
    resource: "Ingress",
  },
  "answers 429": {
    action: { kind: "status", code: 429, message: "slow down" },
    says: /\(429\): slow down/,
    resource: "Ingress",
  },
  "answers 503": {
    action: { kind: "status", code: 503, message: "starting" },
    says: /\(503\): starting/,
    resource: "Ingress",
  },
  "answers 403": {
    action: { kind: "status", code: 403, message: "no" },
    says: /cannot read Ingress: .*\(403\)/,
    resource: "Ingress",
  },
  "answers with a web page": {
    action: { kind: "bytes", bytes: "<html>", contentType: "text/html" },
    says: /content type text\/html/,
    resource: "Ingress",
  },
  "answers with half a list": {
    action: { kind: "bytes", bytes: '{"kind":"IngressList","ite' },
    says: /no JSON|half a watch event/,
    resource: "Ingress",
  },
  "resets in the middle of an answer": {
    action: { kind: "bytes", bytes: '{"kind":"IngressList","ite', reset: true },
    says: /cannot be read since/,
    resource: "",
  },
  "answers with another kind": {
    action: { kind: "bytes", bytes: '{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}' },
    says: /PodList instead of IngressList/,
    resource: "Ingress",
  },
  "answers with items without names": {
    action: { kind: "bytes", bytes: '{"kind":"IngressList","metadata":{"resourceVersion":"1"},"items":[{}]}' },
    says: /without a name/,
    resource: "Ingress",
  },
};
for (const [name, { action, says, resource }] of Object.entries(ANSWERS)) {
  for (const watchList of ["on", "forbidden"] as const) {
    test(`names the trouble, and recovers, when the server ${name} (WatchList ${watchList})`, async (t) => {
      const rig = await startRig(t, {
        objects: SHOP,
        fake: { watchList },
        prepare: (fake) => fake.faults.add({ plural: "ingresses", action }),
      });
      const { fake, source, store } = rig;
      await until(() => says.test(trouble(rig, resource)?.message ?? ""), `a trouble that says ${String(says)}`);
      assert.notEqual(trouble(rig, resource)?.hint, "");
      assert.equal(source.state().synced, false);
      await until(() => store.names("EndpointSlice").length === 1, "the other kinds are read");
      fake.put(slice("web-1", "10.1.0.2"));
      await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.2"), "and followed");
      fake.faults.clear();
      await until(() => source.state().synced && source.state().troubles.length === 0, "all is well");
      assert.deepEqual(store.names("Ingress"), ["a"]);
    });
  }
}

test("waits as long as Retry-After says", async (t) => {
  const { fake, source } = await startRig(t, {
    objects: SHOP,
    limits: { retryAfterMsMax: 300 },
    prepare: (fake) =>
      fake.faults.add({ plural: "services", times: 1, action: { kind: "status", code: 429, retryAfterS: 100 } }),
  });
  const began = Date.now();
  await until(() => source.state().synced, "synced");
  // Not sooner is what the server asked for; how much later is not measured.
  assert.ok(Date.now() - began >= 290);
  assert.equal(fake.requests.filter(({ plural }) => plural === "services").length, 2);
});

test("goes on serving what it knows when the credential is refused, says since when, and comes back", async (t) => {
  const rig = await startRig(t, { objects: SHOP });
  const { fake, source, store } = rig;
  await until(() => source.state().synced, "synced");
  fake.tokens = new Set(["another"]);
  for (const plural of ["ingresses", "services", "endpointslices", "ingressclasses"]) fake.disturb(plural, "end");
  await until(() => /credential refused since 20..-/.test(trouble(rig, "")?.message ?? ""), "the trouble");
  const since = trouble(rig, "")?.since;
  assert.equal(source.state().troubles.length, 1, "one for all kinds");
  assert.match(trouble(rig, "")?.message ?? "", /serving what was known: API server refused \(401\): Unauthorized/);
  assert.match(trouble(rig, "")?.hint ?? "", /kubectl --kubeconfig \/etc\/headgate\/kubeconfig/);
  const asked = fake.requests.length;
  await until(() => fake.requests.length > asked + 4, "it tries again");
  assert.equal(trouble(rig, "")?.since, since);
  assert.deepEqual(store.names("Ingress"), ["a"]);
  assert.equal(source.state().synced, true);
  fake.tokens = null;
  fake.put(ingress("b"));
  await until(() => store.names("Ingress").join() === "a,b", "it is let in again");
  await until(() => source.state().troubles.length === 0, "no trouble");
});

test("notices a dead peer that neither answers nor resets", async (t) => {
  const rig = await startRig(t, { objects: SHOP });
  const { fake, source, store } = rig;
  await until(() => source.state().synced, "synced");
  for (const plural of ["ingresses", "services", "endpointslices", "ingressclasses"]) fake.disturb(plural, "mute");
  fake.faults.add({ action: { kind: "hang" } });
  await until(() => /no answer in 0\.5 s/.test(trouble(rig, "")?.message ?? ""), "the trouble");
  assert.deepEqual(store.names("Ingress"), ["a"]);
  fake.put(ingress("b"));
  fake.faults.clear();
  await until(() => store.names("Ingress").join() === "a,b", "it is back");
});

test("does not call silence a trouble while the server takes the watch up again", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP, limits: { quietMsMax: 40, steadyMs: 20 } });
  await until(() => source.state().synced, "synced");
  await until(() => fake.requests.length > 30, "many silent watches");
  assert.deepEqual(
    store.states.flatMap(({ troubles }) => troubles),
    [],
  );
});

test("survives a server that goes away and comes back on the same port", async (t) => {
  const rig = await startRig(t, { objects: SHOP });
  const { fake, source, store } = rig;
  await until(() => source.state().synced, "synced");
  const { port } = fake;
  await fake.stop();
  await until(() => /ECONNREFUSED/.test(trouble(rig, "")?.message ?? ""), "the trouble");
  assert.deepEqual(store.names("Ingress"), ["a"]);
  const second = new FakeApiServer({ port });
  await second.start();
  t.after(() => second.stop());
  for (let i = 0; i < 9; i++) second.put(service("other"));
  second.put(ingress("b"));
  second.compact();
  await until(() => store.names("Ingress").join() === "b", "the new server's Ingresses");
  await until(() => source.state().troubles.length === 0, "no trouble");
});

test("does not hammer a server that ends each watch after one event", async (t) => {
  const { fake, source } = await startRig(t, {
    objects: SHOP,
    limits: { backoffMsMin: 50, backoffMsMax: 10_000, steadyMs: 60_000 },
  });
  await until(() => source.state().synced, "synced");
  const bytes = event("MODIFIED", {
    ...ingress("a"),
    metadata: { name: "a", namespace: "shop", resourceVersion: "1001" },
  });
  fake.faults.add({ plural: "ingresses", verb: "watch", action: { kind: "bytes", bytes } });
  const asked = (): number =>
    fake.requests.filter(({ plural, verb }) => plural === "ingresses" && verb === "watch").length;
  fake.disturb("ingresses", "end");
  const began = Date.now();
  await until(() => asked() >= 5, "some tries");
  // Waits of at least 25, 50, 100 and 200 ms lie between the five: doubling although each try brought an event.
  assert.ok(Date.now() - began >= 175 * 0.9);
});

test("names the RBAC rule that is missing, and reads the others", async (t) => {
  const rig = await startRig(t, { objects: SHOP, prepare: (fake) => fake.forbidden.add("services") });
  await until(() => trouble(rig, "Service") !== undefined, "the trouble");
  await until(() => rig.store.names("EndpointSlice").length === 1, "the others");
  assert.match(trouble(rig, "Service")?.message ?? "", /cannot read Service: .*\(403\): services is forbidden/);
  assert.match(
    trouble(rig, "Service")?.hint ?? "",
    /verbs get, list and watch on services; test it with `kubectl .* auth can-i watch services -A`/,
  );
  rig.fake.forbidden.clear();
  await until(() => rig.source.state().synced, "synced once it is allowed");
});

test("works without IngressClasses where the server has none, which is no trouble", async (t) => {
  const rig = await startRig(t, { objects: SHOP, prepare: (fake) => fake.absent.add("ingressclasses") });
  await until(() => rig.source.state().synced, "synced");
  await until(() => rig.store.states.at(-1)?.troubles.length === 0, "no trouble");
  const tried = rig.fake.requests.filter(({ plural }) => plural === "ingressclasses").length;
  await until(() => rig.fake.requests.filter(({ plural }) => plural === "ingressclasses").length > tried, "a next try");
  assert.equal(trouble(rig, "IngressClass"), undefined);
  const told = rig.store.batches
    .flat()
    .filter((change) => change.kind === "replace" && change.objectKind === "IngressClass");
  assert.equal(told.length, 1, "a server without the API has no IngressClasses");
});

test("works without IngressClasses where it may not read them, without claiming that there are none", async (t) => {
  const rig = await startRig(t, { objects: SHOP, prepare: (fake) => fake.forbidden.add("ingressclasses") });
  await until(() => rig.source.state().synced, "synced");
  assert.match(trouble(rig, "IngressClass")?.hint ?? "", /ingressclasses\.networking\.k8s\.io/);
  assert.equal(
    rig.store.batches.flat().some((change) => change.kind === "replace" && change.objectKind === "IngressClass"),
    false,
  );
});

test("never counts as synced without Ingresses, Services or EndpointSlices", async (t) => {
  const rig = await startRig(t, { objects: SHOP, prepare: (fake) => fake.forbidden.add("endpointslices") });
  await until(() => rig.fake.requests.filter(({ plural }) => plural === "endpointslices").length > 6, "several tries");
  assert.equal(rig.source.state().synced, false);
});

test("a server that cannot be reached at all is named, without ever being synced", async (t) => {
  const gone = new FakeApiServer();
  await gone.start();
  await gone.stop();
  const { url } = gone;
  const rig = await startRig(t, { connection: plainConnection(gone) });
  await until(() => trouble(rig, "")?.message.includes(`${url} cannot be read since`) === true, "the trouble");
  assert.equal(rig.source.state().synced, false);
  assert.equal(rig.source.state().location, url);
});

test("text of a server in a message has no control characters", async (t) => {
  const message = "bad\u001b[2J\u0007 thing\u202e";
  const rig = await startRig(t, {
    prepare: (fake) => fake.faults.add({ plural: "services", action: { kind: "status", code: 500, message } }),
  });
  await until(() => trouble(rig, "Service") !== undefined, "the trouble");
  assert.match(trouble(rig, "Service")?.message ?? "", /bad \[2J thing$/);
});

test("a trouble with one Secret is named and disturbs nothing", async (t) => {
  const rig = await startRig(t, {
    objects: [...SHOP, secret("tls")],
    prepare: (fake) => fake.forbidden.add("secrets"),
  });
  rig.source.wantSecrets(new Set(["shop/tls"]));
  await until(() => rig.source.state().synced, "synced all the same");
  await until(() => trouble(rig, "Secret") !== undefined, "the trouble");
  assert.match(trouble(rig, "Secret")?.message ?? "", /cannot read Secret shop\/tls: .*\(403\)/);
  assert.match(trouble(rig, "Secret")?.hint ?? "", /auth can-i watch secrets\/tls -n shop/);
  rig.fake.forbidden.clear();
  await until(() => rig.store.names("Secret").join() === "tls", "read once it is allowed");
});
