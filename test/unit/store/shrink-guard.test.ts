import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { ShrinkGuard, type ShrinkHold, type ShrinkLimits } from "../../../agent/store/shrink-guard.ts";
import type { Change } from "../../../agent/store/source.ts";
import { Store } from "../../../agent/store/store.ts";
import type { KubernetesObject, ObjectRef } from "../../../agent/objects/objects.ts";
import { endpoint, goodKeyPair, ingress, path, rule, secret, service, SETTINGS, slice } from "../model/objects.ts";

const LIMITS: ShrinkLimits = { sharePercentMax: 50, objectsMin: 10, holdMs: 600_000, collectMs: 30_000 };

interface Rig {
  readonly store: Store;
  readonly guard: ShrinkGuard;
  readonly told: (readonly ShrinkHold[])[];
  readonly hosts: () => number;
  /** How many objects went, by kind. */
  readonly accept: (kind: "Ingress" | "Service" | null) => readonly (readonly [string, number])[];
}

function rigOf(t: TestContext, objects: readonly KubernetesObject[], limits: Partial<ShrinkLimits> = {}): Rig {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000 });
  const told: (readonly ShrinkHold[])[] = [];
  const guard = new ShrinkGuard({
    limits: { ...LIMITS, ...limits },
    now: Date.now,
    onChange: (holds) => told.push(holds),
    onDue: () => undefined,
    secrets: () => store.wantedSecrets().size,
    sink: (changes) => store.apply(changes),
  });
  const store = new Store({
    settings: SETTINGS,
    requiredKinds: [],
    onDirty: () => undefined,
    onWantedSecrets: () => undefined,
    guard,
  });
  store.restore(objects);
  store.takeDirty();
  return {
    store,
    guard,
    told,
    hosts: () => [...store.hostsInUse()].filter((host) => host !== "_").length,
    accept: (kind) => [...guard.accept(kind)],
  };
}

function ingresses(count: number): KubernetesObject[] {
  const names = Array.from({ length: count }, (_, index) => `h${index}`);
  return names.map((name) => ingress(`shop/${name}`, { rules: [rule(`${name}.example`, path("/"))] }));
}

function list(objects: readonly KubernetesObject[]): readonly Change[] {
  return [{ kind: "replace", objectKind: "Ingress", objects }];
}

function ref(name: string): ObjectRef {
  return { kind: "Ingress", namespace: "shop", name };
}

const ALL = ingresses(20);

test("holds what a list lacks when it is more than the share, and takes what the list has", (t) => {
  const { store, guard, hosts } = rigOf(t, ALL);
  const changed = ingress("shop/h0", { rules: [rule("new.example", path("/"))] });
  store.apply(list([changed]));
  assert.equal(hosts(), 20);
  assert.equal(store.ingressesOfHost("new.example").length, 1, "what the list says is taken");
  assert.equal(store.ingressesOfHost("h0.example").length, 0);
  const [hold, ...others] = guard.holds();
  assert.deepEqual(hold, { kind: "Ingress", left: 1, total: 20, held: 19, since: 1_000, until: 601_000 });
  assert.equal(others.length, 0);
});

test("believes a list that lacks the share or less, and any of a small set or without limits", (t) => {
  const half = rigOf(t, ALL);
  half.store.apply(list(ALL.slice(10)));
  assert.equal(half.hosts(), 10);
  t.mock.timers.reset();
  const small = rigOf(t, ALL.slice(0, 9));
  small.store.apply(list([]));
  assert.equal(small.hosts(), 0);
  for (const off of [{ sharePercentMax: 0 }, { holdMs: 0 }]) {
    t.mock.timers.reset();
    const { store, hosts } = rigOf(t, ALL, off);
    store.apply(list([]));
    assert.equal(hosts(), 0);
  }
});

test("kinds are judged each by itself", (t) => {
  const services = Array.from({ length: 20 }, (_, index) => service(`shop/s${index}`));
  const { store, guard, hosts } = rigOf(t, [...ALL, ...services, slice("shop/x", "s0", [endpoint("10.0.0.1")])]);
  store.apply([...list(ALL), { kind: "replace", objectKind: "Service", objects: [] }]);
  store.apply([{ kind: "replace", objectKind: "EndpointSlice", objects: [] }]);
  assert.deepEqual(
    guard.holds().map(({ kind }) => kind),
    ["Service"],
  );
  assert.equal(hosts(), 20);
  assert.equal(store.endpointSlices("shop/s0").length, 0, "a set of one is no large set");
});

test("an accept lets it through at once, of one kind or of all", (t) => {
  const { store, guard, hosts, told, accept } = rigOf(t, ALL);
  store.apply(list(ALL.slice(0, 2)));
  assert.deepEqual(accept("Service"), []);
  assert.equal(hosts(), 20);
  assert.deepEqual(accept("Ingress"), [["Ingress", 18]]);
  assert.equal(hosts(), 2);
  assert.ok(store.takeDirty().includes("host:h19.example"));
  assert.deepEqual([guard.holds(), told.at(-1)], [[], []]);
  store.apply(list(ALL));
  store.apply(list([]));
  assert.deepEqual(accept(null), [["Ingress", 20]]);
  assert.equal(hosts(), 0);
});

test("the time lets it through, counted from the first such list", (t) => {
  const { store, guard, hosts } = rigOf(t, ALL);
  store.apply(list([]));
  t.mock.timers.tick(400_000);
  store.apply(list(ALL.slice(0, 1)));
  assert.deepEqual(guard.holds(), [{ kind: "Ingress", left: 1, total: 20, held: 19, since: 1_000, until: 601_000 }]);
  t.mock.timers.tick(199_999);
  assert.equal(hosts(), 20);
  t.mock.timers.tick(1);
  assert.deepEqual([hosts(), guard.holds()], [1, []]);
});

test("a later list that has them again ends it", (t) => {
  const { store, guard, hosts, told } = rigOf(t, ALL);
  store.apply(list([]));
  store.apply(list(ALL.slice(1)));
  assert.deepEqual([guard.holds(), told.at(-1), hosts()], [[], [], 19]);
  t.mock.timers.tick(1_000_000);
  assert.equal(hosts(), 19);
});

test("a held object that is put is held no more, and a deletion by itself is believed at once", (t) => {
  const { store, guard, hosts, accept } = rigOf(t, ALL);
  store.apply(list([]));
  store.apply([{ kind: "delete", ref: ref("h0") }]);
  assert.equal(hosts(), 19);
  store.apply(ALL.slice(1, 3).map((object) => ({ kind: "put", object }) as const));
  assert.deepEqual([hosts(), guard.holds()[0]?.held], [19, 17]);
  accept(null);
  assert.equal(hosts(), 2);
});

test("a hold ends when the last object of it was heard of", (t) => {
  const { store, guard, hosts, told } = rigOf(t, ALL);
  store.apply(list([]));
  store.apply(ALL.map((object) => ({ kind: "put", object }) as const));
  assert.deepEqual([hosts(), guard.holds(), told.at(-1)], [20, [], []]);
  t.mock.timers.tick(1_000_000);
  assert.equal(hosts(), 20);
});

test("an object that came and could not be read counts as there", (t) => {
  const { store, guard, hosts } = rigOf(t, ALL);
  const refusals = ALL.slice(0, 12).map(({ meta }) => {
    return { ref: ref(meta.name), where: `API server: ${meta.name}`, position: null, faults: [] };
  });
  store.apply([...refusals.map((refusal) => ({ kind: "refuse", refusal }) as const), ...list([])]);
  assert.deepEqual([hosts(), guard.holds()], [12, []]);
});

function withSecrets(count: number): KubernetesObject[] {
  const names = Array.from({ length: count }, (_, index) => `h${index}`);
  return names.flatMap((name) => {
    const tls = [{ hosts: [`${name}.example`], secretName: name }];
    const owner = ingress(`shop/${name}`, { tls, rules: [rule(`${name}.example`, path("/"))] });
    return [owner, secret(`shop/${name}`, goodKeyPair([`${name}.example`]))];
  });
}

function absent(names: readonly string[]): readonly Change[] {
  return names.map((name) => ({ kind: "delete", ref: { ...ref(name), kind: "Secret" }, byList: true }) as const);
}

const NAMES = Array.from({ length: 20 }, (_, index) => `h${index}`);

test("Secrets that are missing when they are read are judged together", (t) => {
  const { store, guard, accept } = rigOf(t, withSecrets(20));
  const secrets = (): number => NAMES.filter((name) => store.secret(`shop/${name}`) !== undefined).length;
  store.apply(absent(NAMES.slice(0, 5)));
  t.mock.timers.tick(29_999);
  assert.equal(secrets(), 20);
  t.mock.timers.tick(1);
  assert.deepEqual([secrets(), guard.holds()], [15, []], "some are believed");
  for (const name of NAMES.slice(5)) store.apply(absent([name]));
  t.mock.timers.tick(30_000);
  assert.deepEqual([secrets(), guard.holds()[0]?.kind, guard.holds()[0]?.held], [15, "Secret", 15]);
  assert.deepEqual(accept(null), [["Secret", 15]]);
  assert.equal(secrets(), 0);
});

test("a Secret that is missing stays while its Ingress may be one that is held", (t) => {
  const { store, accept } = rigOf(t, withSecrets(20));
  store.apply([...absent(["h1"]), ...list([])]);
  t.mock.timers.tick(300_000);
  assert.notEqual(store.secret("shop/h1"), undefined);
  store.apply([{ kind: "delete", ref: { ...ref("h2"), kind: "Secret" } }]);
  assert.equal(store.secret("shop/h2"), undefined, "a deletion that is told is believed");
  accept("Ingress");
  t.mock.timers.tick(30_000);
  assert.equal(store.secret("shop/h1"), undefined);
});

test("a Secret that came again, or was never there, is not missing", (t) => {
  const { store, guard } = rigOf(t, withSecrets(20));
  store.apply([...absent(["h1", "none"]), { kind: "put", object: secret("shop/h1", goodKeyPair(["x.example"])) }]);
  t.mock.timers.tick(30_000);
  assert.notEqual(store.secret("shop/h1"), undefined);
  assert.deepEqual(guard.holds(), []);
});
