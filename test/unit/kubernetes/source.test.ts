import assert from "node:assert/strict";
import { test } from "node:test";
import { ingress, ingressClass, secret, service, slice, startRig, until } from "./harness.ts";

const SHOP = [ingress("a"), ingress("b"), service("web"), slice("web-1", "10.1.0.1"), ingressClass];

test("reads every kind and then follows changes", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced, "synced");
  assert.deepEqual(store.names("Ingress"), ["a", "b"]);
  assert.deepEqual(store.names("IngressClass"), ["nginx"]);
  assert.deepEqual(store.names("Service"), ["web"]);
  assert.deepEqual(store.names("EndpointSlice"), ["web-1"]);
  fake.put(ingress("c"));
  fake.delete("ingresses", "shop", "a");
  fake.put(slice("web-1", "10.1.0.2"));
  await until(() => store.names("Ingress").join() === "b,c", "the new Ingress and not the deleted one");
  await until(() => JSON.stringify([...store.objects.values()]).includes("10.1.0.2"), "the changed slice");
  const { troubles, lastEventAt } = source.state();
  assert.deepEqual(troubles, []);
  assert.ok(lastEventAt !== null);
});

test("says who it is, asks for bookmarks, and for at least five minutes per watch", async (t) => {
  const { fake, source } = await startRig(t);
  await until(() => source.state().synced, "synced");
  const watches = fake.requests.filter(({ verb }) => verb === "watch");
  assert.equal(watches.length, 4);
  for (const { query, userAgent } of watches) {
    assert.equal(userAgent, "headgate/0.0.0-test");
    assert.equal(query.get("allowWatchBookmarks"), "true");
    const seconds = Number(query.get("timeoutSeconds"));
    assert.ok(seconds >= 300 && seconds <= 600, String(seconds));
  }
});

test("hands a change over in one step with what came in the same bytes", async (t) => {
  const { fake, source, store } = await startRig(t);
  await until(() => source.state().synced, "synced");
  await until(() => fake.watching("ingresses") === 1, "a watch");
  const lines = ["x", "y", "z"].map((name, index) => {
    const object = ingress(name);
    return `${JSON.stringify({ type: "ADDED", object: { ...object, metadata: { ...object.metadata, resourceVersion: String(5000 + index) } } })}\n`;
  });
  fake.disturb("ingresses", { bytes: lines.join("") });
  await until(() => store.names("Ingress").length === 3, "all three");
  assert.equal(store.batches.at(-1)?.length, 3);
});

test("reads only slices that belong to a Service", async (t) => {
  const { fake, source, store } = await startRig(t, {
    objects: [slice("loose", "10.1.0.9", {}), slice("web-1", "10.1.0.1")],
  });
  await until(() => source.state().synced, "synced");
  assert.deepEqual(store.names("EndpointSlice"), ["web-1"]);
  fake.put(slice("web-1", "10.1.0.1", {}));
  await until(() => store.names("EndpointSlice").length === 0, "the slice that lost its label is gone");
});

test("with a namespace asks for that one, and for IngressClasses as a whole", async (t) => {
  const { fake, source } = await startRig(t, { namespace: "shop", objects: SHOP });
  await until(() => source.state().synced, "synced");
  const asked = fake.requests.map(({ plural, namespace }) => `${plural} ${namespace ?? "-"}`).toSorted();
  assert.deepEqual(asked, ["endpointslices shop", "ingressclasses -", "ingresses shop", "services shop"]);
});

const MODES = ["error-event", "forbidden", "ignored"] as const;
for (const watchList of MODES) {
  test(`falls back to pages where WatchList is answered with: ${watchList}`, async (t) => {
    const objects = Array.from({ length: 25 }, (_, index) => ingress(`i${index}`));
    const { fake, source, store } = await startRig(t, { objects, fake: { watchList }, limits: { pageItems: 10 } });
    await until(() => source.state().synced, "synced");
    assert.equal(store.names("Ingress").length, 25);
    const pages = fake.requests.filter(({ verb, plural }) => verb === "list" && plural === "ingresses");
    assert.deepEqual(
      pages.map(({ query }) => query.has("continue")),
      [false, true, true],
    );
    const replaced = store.batches
      .flat()
      .filter((change) => change.kind === "replace" && change.objectKind === "Ingress");
    assert.equal(replaced.length, 1);
    fake.put(ingress("late"));
    await until(() => store.names("Ingress").includes("late"), "a change after the fall-back");
    assert.deepEqual(source.state().troubles, []);
    // Remembered: a read anew does not try again what this server cannot do.
    const tried = fake.requests.filter(({ query }) => query.has("sendInitialEvents")).length;
    fake.compact();
    fake.disturb("ingresses", "end");
    await until(
      () => fake.requests.filter(({ verb, plural }) => verb === "list" && plural === "ingresses").length > 3,
      "a second list",
    );
    assert.equal(fake.requests.filter(({ query }) => query.has("sendInitialEvents")).length, tried);
  });
}

test("begins a list anew when its continue token expires, and at last asks for everything at once", async (t) => {
  const objects = Array.from({ length: 12 }, (_, index) => ingress(`i${index}`));
  const { fake, source, store } = await startRig(t, {
    objects,
    fake: { watchList: "forbidden" },
    limits: { pageItems: 5 },
    prepare: (fake) => {
      fake.faults.add({
        plural: "ingresses",
        when: ({ query }) => query.has("continue"),
        action: { kind: "status", code: 410, message: "too old" },
      });
    },
  });
  await until(() => source.state().synced, "synced");
  assert.equal(store.names("Ingress").length, 12);
  const lists = fake.requests.filter(({ verb, plural }) => verb === "list" && plural === "ingresses");
  assert.equal(lists.at(-1)?.query.has("limit"), false);
});

test("asks for smaller pages when one is too large", async (t) => {
  const objects = Array.from({ length: 40 }, (_, index) => ingress(`i${index}`));
  const { source, store } = await startRig(t, {
    objects,
    fake: { watchList: "forbidden" },
    limits: { pageItems: 40, pageBytesMax: 6_000 },
  });
  await until(() => source.state().synced, "synced");
  assert.equal(store.names("Ingress").length, 40);
});

test("takes up a watch that the server ended at its last version, without reading anew", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced, "synced");
  fake.put(ingress("c"));
  await until(() => store.names("Ingress").includes("c"), "an event");
  const before = store.batches.length;
  fake.disturb("ingresses", "end");
  fake.put(ingress("d"));
  await until(() => store.names("Ingress").includes("d"), "what happened between the two watches");
  assert.equal(
    store.batches
      .slice(before)
      .flat()
      .some((change) => change.kind === "replace"),
    false,
  );
  assert.deepEqual(source.state().troubles, []);
});

test("reads anew when its version is too old, and sees what was deleted meanwhile", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced, "synced");
  fake.disturb("ingresses", "mute");
  fake.delete("ingresses", "shop", "a");
  fake.put(ingress("c"));
  fake.compact();
  fake.disturb("ingresses", "end");
  await until(() => store.names("Ingress").join() === "b,c", "the present Ingresses");
  await until(() => source.state().troubles.length === 0, "no trouble");
});

test("moves its version with bookmarks", async (t) => {
  const { fake, source, store } = await startRig(t, { fake: { bookmarkMs: 10 }, objects: SHOP });
  await until(() => source.state().synced, "synced");
  fake.put(service("other"));
  const version = String(fake.objects.version);
  await until(() => store.names("Service").includes("other"), "the other Service");
  const seen = source.state().lastEventAt ?? 0;
  await until(() => (source.state().lastEventAt ?? 0) > seen, "bookmarks count as life");
  const resumed = (): string | null | undefined =>
    fake.requests
      .findLast(({ verb, plural, query }) => verb === "watch" && plural === "ingresses" && query.has("resourceVersion"))
      ?.query.get("resourceVersion");
  // Life may have been another watch's: this one may end before its own bookmark, and goes on at the old version then.
  let nextEnd = 0;
  const wentOn = (): boolean => {
    if (Date.now() >= nextEnd) {
      fake.disturb("ingresses", "end");
      nextEnd = Date.now() + 200;
    }
    return resumed() === version;
  };
  await until(wentOn, "the watch goes on at the bookmark's version");
});

test("names an object that cannot be used, and takes that back when it is mended or deleted", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [ingress("good"), ingress("bad", { path: 7 })] });
  await until(() => source.state().synced, "synced");
  assert.deepEqual(store.names("Ingress"), ["good"]);
  assert.deepEqual([...store.refusals.keys()], ["API server: Ingress shop/bad"]);
  assert.match(store.refusals.get("API server: Ingress shop/bad")?.faults[0]?.field ?? "", /path/);
  fake.put(ingress("bad"));
  await until(() => store.refusals.size === 0, "mended");
  assert.deepEqual(store.names("Ingress"), ["bad", "good"]);
  fake.put(ingress("bad", { path: 7 }));
  await until(() => store.refusals.size === 1, "broken again");
  assert.deepEqual(store.names("Ingress"), ["bad", "good"], "the last good one stays");
  fake.delete("ingresses", "shop", "bad");
  await until(() => store.refusals.size === 0, "gone");
  assert.deepEqual(store.names("Ingress"), ["good"]);
});

test("takes a refusal back when the object went away while nobody watched", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [ingress("bad", { path: 7 })] });
  await until(() => source.state().synced && store.refusals.size === 1, "synced");
  fake.disturb("ingresses", "mute");
  fake.delete("ingresses", "shop", "bad");
  fake.compact();
  fake.disturb("ingresses", "end");
  await until(() => store.refusals.size === 0, "the refusal is over");
});

test("drops managedFields and what else is not used", async (t) => {
  const { source, store } = await startRig(t, { objects: [...SHOP, secret("tls")] });
  source.wantSecrets(new Set(["shop/tls"]));
  await until(() => source.state().synced && store.names("Secret").length === 1, "synced");
  assert.doesNotMatch(JSON.stringify([...store.objects.values()]), /managedFields|fieldsV1/);
});

test("goes on after the store refused to take a change, and reads anew for it", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced, "synced");
  store.broken = true;
  fake.put(ingress("c"));
  await until(() => store.names("Ingress").includes("c"), "the change came after all");
  assert.ok(store.logged.includes("Changes were not taken"));
});

test("ends all it does when it is stopped", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: SHOP });
  await until(() => source.state().synced, "synced");
  await source.stop();
  const calls = store.batches.length + store.states.length;
  fake.put(ingress("c"));
  await until(() => fake.connections === 0, "no connection is left");
  assert.equal(store.batches.length + store.states.length, calls);
});

test("keeps the last good state of an object that is read anew and cannot be used", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [ingress("a")] });
  await until(() => source.state().synced && fake.watching("ingresses") === 1, "synced");
  fake.disturb("ingresses", "mute");
  fake.put(ingress("a", { path: 7 }));
  fake.compact();
  fake.disturb("ingresses", "end");
  await until(() => store.refusals.size === 1, "the refusal");
  assert.deepEqual(store.names("Ingress"), ["a"]);
});
