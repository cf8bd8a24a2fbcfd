import assert from "node:assert/strict";
import { test } from "node:test";
import type { FakeObject } from "../../fakes/kube-objects.ts";
import { startRig, until } from "./harness.ts";

function node(name: string, ready: boolean): FakeObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: {
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      addresses: [{ type: "InternalIP", address: "192.0.2.11" }],
    },
  };
}
const forbid = (fake: { readonly forbidden: Set<string> }): void => void fake.forbidden.add("nodes");

test("reads Nodes only when they are wanted, and then follows them", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [node("n1", true)] });
  await until(() => source.state().synced, "synced");
  assert.equal(fake.requests.filter(({ plural }) => plural === "nodes").length, 0);
  source.wantNodes("required");
  source.wantNodes("useful");
  const ready = (): boolean | null => {
    const found = store.objects.get("Node//n1") ?? null;
    return found?.kind === "Node" ? found.ready : null;
  };
  await until(() => ready() === true, "the Node");
  assert.ok(store.batches.flat().some((change) => change.kind === "replace" && change.objectKind === "Node"));
  fake.put(node("n1", false));
  await until(() => ready() === false, "it is not ready");
  assert.equal(fake.watching("nodes"), 1, "wanted twice is read once");
});

test("that Nodes may not be read is a trouble only where they are required, with the right that is missing", async (t) => {
  const { fake, source } = await startRig(t, { prepare: forbid });
  await until(() => source.state().synced, "synced");
  source.wantNodes("useful");
  const asked = (): number => fake.requests.filter(({ plural }) => plural === "nodes").length;
  await until(() => asked() >= 2, "it tries");
  assert.deepEqual(source.state().troubles, []);
  source.wantNodes("required");
  const [trouble, ...more] = source.state().troubles;
  assert.deepEqual([trouble?.resource, more], ["Node", []]);
  assert.match(trouble?.hint ?? "", /get, list and watch on nodes/);
  fake.forbidden.clear();
  await until(() => source.state().troubles.length === 0, "the trouble ends");
});

test("Nodes that would only be useful hold nothing up", async (t) => {
  const { source } = await startRig(t, { prepare: forbid, limits: { refusedMs: 60_000 } });
  source.wantNodes("useful");
  await until(() => source.state().synced, "synced");
});

test("Nodes that are required and refused hold up what is asked elsewhere for a while", async (t) => {
  const { fake, source } = await startRig(t, { prepare: forbid, limits: { refusedMs: 300 } });
  source.wantNodes("required");
  const asked = (): number => fake.requests.filter(({ plural }) => plural === "nodes").length;
  await until(() => asked() >= 2, "it tries");
  assert.equal(source.state().synced, false);
  await until(() => source.state().synced, "synced");
});
