// An etcd restored from a backup: the watches would wait for versions of the future, in silence and for ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FakeBackup } from "../../fakes/kube-objects.ts";
import { ingress, ingressClass, secret, service, slice, startRig, until } from "./harness.ts";
import type { Rig, RigOptions } from "./harness.ts";

const SHOP = [ingress("a"), service("web"), slice("web-1", "10.1.0.1"), ingressClass];
const KINDS = ["ingresses", "services", "endpointslices", "ingressclasses"];

/** Followed beyond a backup: "late" is not in it, and "early" was deleted since. */
async function beyondBackup(rig: Rig): Promise<FakeBackup> {
  const { fake, source, store } = rig;
  fake.put(ingress("early"));
  await until(() => source.state().synced && KINDS.every((kind) => fake.watching(kind) === 1), "synced");
  await until(() => store.names("Ingress").join() === "a,early", "the state of the backup");
  const backup = fake.objects.save();
  fake.delete("ingresses", "shop", "early");
  for (let index = 0; index < 5; index++) fake.put(slice("web-1", `10.1.0.${index}`));
  fake.put(ingress("late"));
  await until(() => store.names("Ingress").join() === "a,late", "what came after it");
  await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.4"), "the last endpoints");
  return backup;
}

async function followsTheBackup({ fake, store, source }: Rig): Promise<void> {
  await until(() => store.names("Ingress").join() === "a,early", "the state of the backup is back");
  await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.1"), "of every kind");
  fake.put(ingress("new"));
  await until(() => store.names("Ingress").join() === "a,early,new", "and it is followed");
  await until(() => source.state().troubles.length === 0, "without a trouble");
  assert.ok(store.logged.includes("API server went back to an older state, reading everything anew"));
}

function start(t: Parameters<typeof startRig>[0], options: RigOptions = {}): Promise<Rig> {
  // Silence does not help here: it would end each watch, and be a doubt by itself.
  return startRig(t, { objects: SHOP, ...options, limits: { quietMsMax: 60_000, ...options.limits } });
}

for (const watchList of ["on", "forbidden"] as const) {
  test(`a server that went back while its connections were lost is read anew (WatchList ${watchList})`, async (t) => {
    const rig = await start(t, { fake: { watchList } });
    const backup = await beyondBackup(rig);
    rig.fake.objects.restore(backup);
    for (const kind of KINDS) rig.fake.disturb(kind, "reset");
    await followsTheBackup(rig);
  });
}

test("a server that ended its watches in order, but before their time, is asked too", async (t) => {
  const rig = await start(t);
  const backup = await beyondBackup(rig);
  rig.fake.objects.restore(backup);
  rig.fake.disturb("services", "end");
  await followsTheBackup(rig);
});

test("a watch that fell silent is a doubt", async (t) => {
  const rig = await start(t, { limits: { quietMsMax: 200 } });
  const backup = await beyondBackup(rig);
  rig.fake.objects.restore(backup);
  await followsTheBackup(rig);
});

test("the audit notices it while every connection stays", async (t) => {
  const rig = await start(t, { limits: { auditMs: 100 } });
  const backup = await beyondBackup(rig);
  rig.fake.objects.restore(backup);
  await followsTheBackup(rig);
});

test("the doubt stays while the version cannot be read", async (t) => {
  const rig = await start(t, { limits: { versionTriesMax: 1000 } });
  const backup = await beyondBackup(rig);
  rig.fake.objects.restore(backup);
  rig.fake.faults.add({ verb: "list", action: { kind: "status", code: 500 } });
  rig.fake.disturb("services", "reset");
  const asked = (): number => rig.fake.requests.filter(({ query }) => query.get("limit") === "1").length;
  await until(() => asked() >= 3, "it asks again");
  assert.deepEqual(rig.store.names("Ingress"), ["a", "late"]);
  rig.fake.faults.clear();
  await followsTheBackup(rig);
});

test("a server that did not go back is asked little, and nothing is read anew", async (t) => {
  const rig = await start(t, { objects: [...SHOP, secret("tls")] });
  const { fake, source, store } = rig;
  source.wantSecrets(new Set(["shop/tls"]));
  await until(() => source.state().synced && store.names("Secret").length === 1, "synced");
  await until(() => [...KINDS, "secrets"].every((kind) => fake.watching(kind) === 1), "all is watched");
  const before = fake.requests.length;
  for (const kind of [...KINDS, "secrets"]) fake.disturb(kind, "reset");
  const since = (): typeof fake.requests => fake.requests.slice(before);
  const asked = (): string[] =>
    since()
      .filter(({ query }) => query.get("limit") === "1")
      .map(({ plural }) => plural);
  await until(() => new Set(asked()).size === 5, "each kind was asked about");
  await until(() => [...KINDS, "secrets"].every((kind) => fake.watching(kind) === 1), "all is watched again");
  fake.put(ingress("b"));
  await until(() => store.names("Ingress").join() === "a,b", "it is followed");
  assert.equal(since().filter(({ query }) => query.has("sendInitialEvents")).length, 0);
  assert.ok(asked().length <= 25, `asked ${asked().length} times`);
  assert.ok(!store.logged.some((line) => line.includes("went back")));
});
