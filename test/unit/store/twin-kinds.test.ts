// EndpointSlices and Endpoints take each other's place without the guard against shrunken lists.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoints, KubernetesObject } from "../../../agent/objects/objects.ts";
import { ShrinkGuard } from "../../../agent/store/shrink-guard.ts";
import { Store } from "../../../agent/store/store.ts";
import { endpoint, meta, service, SETTINGS, slice } from "../model/objects.ts";

const NAMES = Array.from({ length: 20 }, (_, index) => `s${index}`);
const SLICES = NAMES.map((name) => slice(`shop/${name}-1`, name, [endpoint("10.0.0.1")]));

function endpointsOf(name: string): Endpoints {
  const ready = [{ address: "10.0.0.2", nodeName: null }];
  const ports = [{ name: "", port: 8080, protocol: "TCP" }];
  return { kind: "Endpoints", meta: meta(`shop/${name}`), subsets: [{ ready, notReady: [], ports }] };
}

function storeOf(objects: readonly KubernetesObject[]): { readonly store: Store; readonly guard: ShrinkGuard } {
  const guard = new ShrinkGuard({
    limits: { sharePercentMax: 50, objectsMin: 10, holdMs: 600_000, collectMs: 30_000 },
    now: Date.now,
    onChange: () => undefined,
    onDue: () => undefined,
    secrets: () => 0,
    sink: (changes) => store.apply(changes),
  });
  const store = new Store({
    settings: SETTINGS,
    requiredKinds: [],
    onDirty: () => undefined,
    onWantedSecrets: () => undefined,
    guard,
  });
  store.restore([...NAMES.map((name) => service(`shop/${name}`)), ...objects]);
  return { store, guard };
}

function addressesOf(store: Store, name: string): readonly string[] {
  return store
    .endpointSlices(`shop/${name}`)
    .flatMap(({ endpoints }) => endpoints)
    .map(({ address }) => address);
}

test("slices go at once where Endpoints speak for their Services", () => {
  const { store, guard } = storeOf(SLICES);
  store.apply([
    { kind: "replace", objectKind: "Endpoints", objects: NAMES.map(endpointsOf) },
    { kind: "replace", objectKind: "EndpointSlice", objects: [] },
  ]);
  assert.deepEqual(guard.holds(), []);
  assert.deepEqual(addressesOf(store, "s7"), ["10.0.0.2"]);
  guard.stop();
});

test("slices of Services for which nothing else speaks are held", () => {
  const { store, guard } = storeOf(SLICES);
  store.apply([
    { kind: "replace", objectKind: "Endpoints", objects: [endpointsOf("s0")] },
    { kind: "replace", objectKind: "EndpointSlice", objects: [] },
  ]);
  assert.deepEqual(
    guard.holds().map(({ kind, held }) => [kind, held]),
    [["EndpointSlice", 19]],
  );
  assert.deepEqual([addressesOf(store, "s0"), addressesOf(store, "s7")], [["10.0.0.2"], ["10.0.0.1"]]);
  guard.stop();
});

test("Endpoints go at once where slices speak for their Services", () => {
  const { store, guard } = storeOf(NAMES.map(endpointsOf));
  store.apply([
    { kind: "replace", objectKind: "EndpointSlice", objects: SLICES },
    { kind: "replace", objectKind: "Endpoints", objects: [] },
  ]);
  assert.deepEqual(guard.holds(), []);
  store.apply([{ kind: "delete", ref: { kind: "EndpointSlice", namespace: "shop", name: "s7-1" } }]);
  assert.deepEqual(addressesOf(store, "s7"), [], "nothing comes back from before");
  guard.stop();
});
