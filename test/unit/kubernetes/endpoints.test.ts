// Servers without EndpointSlices: Endpoints stand in for them, and neither kind outlives what the server says.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../../../agent/store/source.ts";
import type { FakeObject } from "../../fakes/kube-objects.ts";
import { ingress, ingressClass, service, slice, startRig, until } from "./harness.ts";
import type { Rig } from "./harness.ts";

const SHOP = [ingress("a"), service("web"), ingressClass, endpoints("web", "10.1.0.1")];
const SOON = { rediscoverMs: 10 };

function endpoints(name: string, ip: string): FakeObject {
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name, namespace: "shop" },
    subsets: [{ addresses: [{ ip }], ports: [{ port: 8080, protocol: "TCP" }] }],
  };
}

function replacesOf(batch: readonly Change[]): readonly string[] {
  return batch.flatMap((change) =>
    change.kind === "replace" ? [`${change.objectKind} ${change.objects.length}`] : [],
  );
}

function endpointReplaces({ store }: Rig): readonly (readonly string[])[] {
  return store.batches.map(replacesOf).filter((kinds) => kinds.some((kind) => kind.startsWith("Endpoint")));
}

test("slices end in the step that tells the Endpoints, and never before", async (t) => {
  const rig = await startRig(t, {
    objects: SHOP,
    limits: SOON,
    prepare: (fake) => {
      fake.absent.add("endpointslices");
      fake.forbidden.add("endpoints");
    },
  });
  const { fake, source, store } = rig;
  await until(() => source.state().troubles.some(({ resource }) => resource === "Endpoints"), "Endpoints are refused");
  assert.deepEqual(endpointReplaces(rig), [], "of neither anything is known");
  assert.equal(source.state().synced, false);
  fake.forbidden.delete("endpoints");
  await until(() => source.state().synced, "synced");
  assert.deepEqual(endpointReplaces(rig), [["Endpoints 1", "EndpointSlice 0"]]);
  await until(() => source.state().troubles.length === 0, "no trouble");
  fake.put(endpoints("web", "10.1.0.2"));
  await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.2"), "it is watched");
});

test("a server that has slices also says that Endpoints of before are gone", async (t) => {
  const rig = await startRig(t, { objects: [...SHOP, slice("web-1", "10.1.0.1")] });
  await until(() => rig.source.state().synced, "synced");
  assert.deepEqual(endpointReplaces(rig), [["EndpointSlice 1", "Endpoints 0"]]);
  assert.equal(rig.fake.requests.filter(({ plural }) => plural === "endpoints").length, 0, "nor are they read");
});

test("after an upgrade Endpoints are read beside slices, which the server takes a while to write", async (t) => {
  const rig = await startRig(t, {
    objects: SHOP,
    limits: SOON,
    prepare: (fake) => fake.absent.add("endpointslices"),
  });
  const { fake, source, store } = rig;
  await until(() => source.state().synced && source.state().troubles.length === 0, "the old server is read");
  const before = endpointReplaces(rig).length;
  fake.absent.delete("endpointslices");
  // What an upgrade is to an agent: the server is away for a while.
  fake.forbidden.add("services");
  fake.disturb("services", "reset");
  await until(() => endpointReplaces(rig).length > before, "slices are read");
  fake.forbidden.delete("services");
  assert.deepEqual(endpointReplaces(rig).slice(before), [["EndpointSlice 0"]], "Endpoints are not said to be gone");
  fake.put(endpoints("web", "10.1.0.2"));
  await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.2"), "Endpoints are still watched");
  fake.put(slice("web-1", "10.1.0.3"));
  await until(() => store.names("EndpointSlice").join() === "web-1", "and so are slices");
  await until(() => source.state().troubles.length === 0, "no trouble");
});

test("what was refused in one version is no longer refused once another says that it is gone", async (t) => {
  const bad = slice("web-1", "");
  const rig = await startRig(t, { objects: [...SHOP, bad], limits: SOON });
  const { fake, store } = rig;
  await until(() => store.refusals.size === 1, "the slice without an address is refused");
  fake.absent.add("endpointslices");
  fake.disturb("endpointslices", "reset");
  await until(() => store.names("Endpoints").join() === "web", "Endpoints are read");
  await until(() => store.refusals.size === 0, "the refusal is over");
});
