import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { ApiClient } from "../../../agent/kubernetes/client.ts";
import type { ObjectRemark } from "../../../agent/kubernetes/event-book.ts";
import { EventWriter, type RefusedEvents } from "../../../agent/kubernetes/event-writer.ts";
import type { Limits } from "../../../agent/kubernetes/limits.ts";
import type { ObjectRef } from "../../../agent/objects/objects.ts";
import { FakeApiServer } from "../../fakes/kube-apiserver.ts";
import type { FakeObject } from "../../fakes/kube-objects.ts";
import { FAST, plainConnection, until } from "./harness.ts";

const WEB: ObjectRef = { kind: "Ingress", namespace: "shop", name: "web" };
const EVENTS: Partial<Limits> = { eventsSettleMs: 10, eventEveryMs: 1, eventsRefusedMs: 50 };

interface Rig {
  readonly fake: FakeApiServer;
  readonly writer: EventWriter;
  readonly uids: Map<string, string>;
  readonly refused: (RefusedEvents | null)[];
  readonly events: () => FakeObject[];
  readonly posts: () => number;
}

async function startRig(t: TestContext, limits: Partial<Limits> = {}, fake = new FakeApiServer()): Promise<Rig> {
  if (fake.port === 0) {
    await fake.start();
    t.after(() => fake.stop());
  }
  const uids = new Map([["web", "uid-web"]]);
  const refused: (RefusedEvents | null)[] = [];
  const quiet = (): void => undefined;
  const writer = new EventWriter({
    client: new ApiClient(plainConnection(fake), "0.0.0-test"),
    limits: { ...FAST, ...EVENTS, ...limits },
    edge: "edge-3",
    uidOf: ({ name }) => uids.get(name) ?? null,
    now: Date.now,
    random: Math.random,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    onRefused: (one) => refused.push(one),
  });
  t.after(() => writer.stop());
  return {
    fake,
    writer,
    uids,
    refused,
    events: () => fake.objects.list("events", { namespace: null, label: null, name: null }),
    posts: () => fake.requests.filter(({ verb, plural }) => verb === "create" && plural === "events").length,
  };
}

function remark(more: Partial<ObjectRemark> = {}): ObjectRemark {
  return {
    object: WEB,
    code: "path-conflict",
    field: "spec.rules[0]",
    message: "/ is another's",
    fix: "remove one",
    ...more,
  };
}

function reasons(rig: Rig): string[] {
  return rig
    .events()
    .map(({ type, reason }) => `${String(type)} ${String(reason)}`)
    .toSorted();
}

test("writes a problem once, with its fix, on the object that it is about", async (t) => {
  const rig = await startRig(t);
  rig.writer.start();
  rig.writer.note([], [remark()]);
  rig.writer.note([], [remark()]);
  await until(() => rig.events().length === 1, "the Event");
  const [event] = rig.events();
  assert.ok(event !== undefined);
  const { kind, type, reason, note, regarding, reportingController, reportingInstance, apiVersion } = event;
  assert.deepEqual(
    { kind, type, reason, note, regarding, reportingController, reportingInstance, apiVersion },
    {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      type: "Warning",
      reason: "PathConflict",
      note: "spec.rules[0]: / is another's. To mend it: remove one",
      regarding: {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        namespace: "shop",
        name: "web",
        uid: "uid-web",
      },
      reportingController: "headgate.dev/ingress",
      reportingInstance: "edge-3",
    },
  );
  assert.match(event.metadata.name, /^web\.[0-9a-f]{16}$/);
  assert.match(String(event["eventTime"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  rig.writer.note([remark()], [remark()]);
  rig.writer.note([], [remark({ code: "service-missing", message: "web is missing" })]);
  await until(() => rig.events().length === 2, "what is new");
  assert.equal(rig.posts(), 2);
});

test("another edge, or this one after a restart, writes no second one", async (t) => {
  const first = await startRig(t);
  first.writer.start();
  first.writer.note([], [remark()]);
  await until(() => first.events().length === 1, "the Event");
  const second = await startRig(t, {}, first.fake);
  second.writer.start();
  second.writer.note([], [remark()]);
  await until(() => second.posts() === 2, "it is tried");
  second.writer.note([remark()], []);
  await until(() => reasons(second).join() === "Normal Valid,Warning PathConflict", "what it found counts as told");
  assert.equal(first.events().length, 2);
});

test("says Valid when the last problem is gone, and not before", async (t) => {
  const rig = await startRig(t);
  rig.writer.start();
  const other = remark({ code: "service-missing", message: "x" });
  rig.writer.note([], [remark()]);
  rig.writer.note([], [remark(), other]);
  await until(() => rig.events().length === 2, "both");
  rig.writer.note([remark()], []);
  rig.writer.note([remark(), other], [remark()]);
  rig.writer.note([], [remark({ object: { ...WEB, name: "later" } })]);
  rig.uids.set("later", "uid-later");
  await until(() => rig.events().length === 3, "a later one");
  assert.ok(!reasons(rig).includes("Normal Valid"), "one of two hosts still says it");
  rig.writer.note([remark()], []);
  await until(() => reasons(rig).includes("Normal Valid"), "Valid");
  rig.writer.note([], [remark()]);
  await until(() => rig.events().length === 5, "what comes back after it is news");
});

test("what is mended before it was worth an Event is none, nor is what is gone, a Secret or nobody's", async (t) => {
  const rig = await startRig(t, { eventsSettleMs: 50 });
  rig.writer.start();
  rig.uids.set("late", "uid-late");
  rig.writer.note([], [remark()]);
  rig.writer.note([remark()], []);
  rig.writer.note([], [remark({ object: { ...WEB, name: "gone" } })]);
  rig.writer.note([], [remark({ object: { ...WEB, kind: "Secret" } }), remark({ object: null })]);
  rig.writer.note([], [remark({ object: { ...WEB, name: "late" } })]);
  await until(() => rig.events().length === 1, "the last");
  assert.equal(rig.posts(), 1);
});

test("writes nothing before it is started", async (t) => {
  const rig = await startRig(t);
  rig.writer.note([], [remark()]);
  rig.writer.note([remark()], []);
  rig.writer.note([], [remark({ code: "host-invalid" })]);
  rig.writer.start();
  await until(() => rig.events().length === 1, "what is true then");
  assert.deepEqual(reasons(rig), ["Warning HostInvalid"]);
});

test("comes again after 500, 429 and lost connections", async (t) => {
  const rig = await startRig(t);
  rig.fake.faults.add({ plural: "events", times: 2, action: { kind: "status", code: 500 } });
  rig.fake.faults.add({ plural: "events", times: 1, action: { kind: "status", code: 429, retryAfterS: 0 } });
  rig.fake.faults.add({ plural: "events", times: 1, action: { kind: "reset" } });
  rig.writer.start();
  rig.writer.note([], [remark()]);
  await until(() => rig.events().length === 1, "the Event");
  assert.equal(rig.posts(), 5);
  assert.ok(rig.refused.every((one) => one === null));
});

test("where Events are forbidden it says which right is missing, tries rarely, and writes the others", async (t) => {
  const rig = await startRig(t, { eventsRefusedMs: 500 });
  rig.fake.forbidden.add("events");
  rig.writer.start();
  for (let index = 0; index < 20; index++) rig.writer.note([], [remark({ message: `${index}` })]);
  await until(() => rig.refused.length > 0, "it is told");
  const [told] = rig.refused;
  assert.deepEqual(told?.namespaces, ["shop"]);
  assert.match(told?.message ?? "", /\(403\): events is forbidden/);
  assert.match(told?.hint ?? "", /verb create on events\.events\.k8s\.io.*auth can-i create .* -n shop/);
  assert.equal(rig.posts(), 1, "the others of this namespace do not try");
  rig.fake.forbidden.clear();
  rig.uids.set("class", "uid-class");
  rig.writer.note([], [remark({ object: { kind: "IngressClass", namespace: "", name: "class" } })]);
  await until(() => rig.events().length === 1, "another namespace");
  assert.equal(rig.events()[0]?.metadata.namespace, "default");
  await until(() => rig.events().length === 21, "all, after the time");
  assert.equal(rig.refused.at(-1), null);
});

test("a user without any right to write Events tries in few namespaces", async (t) => {
  const rig = await startRig(t, { eventsRefusedMs: 400 });
  rig.fake.forbidden.add("events");
  rig.writer.start();
  for (let index = 0; index < 30; index++) {
    rig.uids.set(`web-${index}`, `uid-${index}`);
    rig.writer.note([], [remark({ object: { ...WEB, namespace: `shop-${index}`, name: `web-${index}` } })]);
  }
  await until(() => (rig.refused.at(-1)?.namespaces.length ?? 0) === 3, "three have said no");
  assert.equal(rig.posts(), 3);
  rig.fake.forbidden.clear();
  await until(() => rig.events().length === 30, "all, once it is allowed");
  assert.equal(rig.refused.at(-1), null);
});

test("a namespace that is being deleted is no right that is missing", async (t) => {
  const rig = await startRig(t);
  const message = "events is forbidden: unable to create new content in namespace shop because it is being terminated";
  rig.fake.faults.add({ plural: "events", times: 1, action: { kind: "status", code: 403, message } });
  rig.writer.start();
  rig.writer.note([], [remark()]);
  rig.writer.note([], [remark({ code: "host-invalid" })]);
  await until(() => rig.events().length === 1, "the next one");
  assert.ok(rig.refused.every((one) => one === null));
});

test("uses the core group where the server has no other, and bounds what it says", async (t) => {
  const rig = await startRig(t);
  rig.fake.faults.add({ plural: "events", times: 1, action: { kind: "status", code: 404 } });
  rig.writer.start();
  rig.writer.note([], [remark({ message: `\u001b[2J${"ä".repeat(2000)}` })]);
  await until(() => rig.events().length === 1, "the Event");
  rig.writer.note([], [remark({ object: { kind: "Service", namespace: "shop", name: "web" } })]);
  await until(() => rig.events().length === 2, "the second");
  assert.equal(rig.posts(), 3, "the other group is not tried again");
  for (const { apiVersion, message } of rig.events()) {
    assert.equal(apiVersion, "v1");
    assert.ok(Buffer.byteLength(String(message)) <= 1024);
    assert.doesNotMatch(String(message), /[\p{Cc}\uFFFD]/u);
  }
  const involved = rig.events().map(({ involvedObject }) => (involvedObject as { kind: string }).kind); // as we wrote it
  assert.deepEqual(involved.toSorted(), ["Ingress", "Service"]);
});

test("a thousand problems at once are written slowly, and the name of the object fits", async (t) => {
  const rig = await startRig(t, { eventsBurst: 3, eventEveryMs: 30 });
  rig.writer.start();
  const name = `${"a".repeat(236)}.-b${"c".repeat(10)}`;
  rig.uids.set(name, "uid-long");
  const began = Date.now();
  const many = Array.from({ length: 1000 }, (_, index) => remark({ object: { ...WEB, name }, message: `${index}` }));
  rig.writer.note([], many);
  await until(() => rig.posts() >= 8, "some");
  assert.ok(Date.now() - began >= 4 * 30, "three at once, then one in 30 ms");
  for (const { metadata } of rig.events()) {
    assert.ok(metadata.name.length <= 253);
    assert.match(metadata.name, /^a{236}\.[0-9a-f]{16}$/);
  }
});

test("what comes and goes all the time is not told each time", async (t) => {
  const rig = await startRig(t, { eventsSettleMs: 30 });
  rig.writer.start();
  rig.writer.note([], [remark()]);
  await until(() => rig.events().length === 1, "the problem");
  rig.writer.note([remark()], []);
  await until(() => rig.events().length === 2, "mended");
  rig.writer.note([], [remark()]);
  await until(() => rig.events().length === 3, "it came back");
  const mended = Date.now();
  rig.writer.note([remark()], []);
  await until(() => rig.events().length === 4, "mended again");
  assert.ok(Date.now() - mended >= 4 * 30 - 5, "it has to stay so for longer");
});
