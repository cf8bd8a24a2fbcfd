import assert from "node:assert/strict";
import { test } from "node:test";
import { addresses, world } from "./world.ts";

test("pushes a change in the tick in which it came, when nothing is in flight", async (t) => {
  const w = await world(t);
  await w.settled(() => w.reconciler.facts.state !== null);
  await new Promise((resolve) => setImmediate(resolve));
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(addresses(w.plane, "backend:ns/a/80"), ["10.0.0.1"]);
});

test("takes changes that come during a push together, and loses none", async (t) => {
  const w = await world(t);
  const gate = Promise.withResolvers<void>();
  w.plane.gate = gate.promise;
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 2; i < 50; i++) {
    w.edge.set("a", { peers: [`10.0.0.${i}`], closed: false });
    w.change("a");
  }
  gate.resolve();
  await w.settled(() => JSON.stringify(addresses(w.plane, "backend:ns/a/80")) === '["10.0.0.49"]');
  assert.ok(w.plane.log.filter((line) => line.kind === "backend").length <= 3);
});

test("what is built anew while a push of the same document is in flight is pushed too", async (t) => {
  const w = await world(t);
  await w.settled(() => w.reconciler.facts.state !== null);
  const gate = Promise.withResolvers<void>();
  w.plane.gate = gate.promise;
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await new Promise((resolve) => setImmediate(resolve));
  w.edge.set("a", { peers: ["10.0.0.2"], closed: true });
  w.reconciler.rebuild(["backend:ns/a", "host:a"]);
  gate.resolve();
  await w.settled(() => JSON.stringify(addresses(w.plane, "backend:ns/a/80")) === '["10.0.0.2"]');
  await w.settled(() => w.stricter.length === 2);
  assert.deepEqual(w.stricter, [null, w.counter.current]);
});

test("what comes before the start, while nginx comes up, waits for it", async (t) => {
  const w = await world(t, [], false);
  w.plane.down = true;
  w.edge.set("a", { peers: [], closed: false });
  w.change("a");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(w.health.list(), []);
  w.plane.down = false;
  w.reconciler.start();
  await w.settled(() => w.plane.live().has("host:ingress/a"));
});

test("builds nothing before it may", async (t) => {
  const w = await world(t);
  w.may = false;
  w.edge.set("a", { peers: [], closed: false });
  w.change("a");
  await w.settled(() => w.reconciler.facts.state !== null);
  assert.equal(w.plane.log.length, 0);
  w.may = true;
  w.reconciler.wake();
  await w.settled(() => w.plane.live().has("host:ingress/a"));
});

test("catches up when the data plane answers again, and says so meanwhile", async (t) => {
  const w = await world(t);
  w.plane.down = true;
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.health.has("push-failing"));
  w.plane.down = false;
  w.reconciler.audit();
  await w.settled(() => w.plane.live().has("host:ingress/a") && !w.health.has("push-failing"));
});

test("brings everything back after nginx has lost it", async (t) => {
  const w = await world(t);
  for (const name of ["a", "b"]) w.edge.set(name, { peers: ["10.0.0.1"], closed: false });
  w.change("a", "b");
  await w.settled(() => w.plane.live().size === 6);
  w.plane.forget("e2");
  w.reconciler.audit();
  await w.settled(() => w.plane.live().size === 6);
});

test("removes what the data plane holds and nobody wants, hosts first", async (t) => {
  const w = await world(t);
  await w.plane.push([
    { kind: "host", key: "ingress/ghost", generation: 500, text: "{}" },
    { kind: "route", key: "x/y/z", generation: 500, text: "{}" },
  ]);
  w.reconciler.audit();
  await w.settled(() => !w.plane.live().has("host:ingress/ghost"));
  assert.ok(w.plane.live().has("route:x/y/z"), "what was named stays for its grace");
  assert.ok(w.counter.current > 500, "goes past what is held");
});

test("a refused document is named and costs no other one", async (t) => {
  const w = await world(t);
  w.plane.invalid.add("backend:ns/a/80");
  for (const name of ["a", "b"]) w.edge.set(name, { peers: ["10.0.0.1"], closed: false });
  w.change("a", "b");
  await w.settled(() => w.plane.live().has("backend:ns/b/80"));
  assert.deepEqual(w.lane.refusals(), [{ id: "backend:ns/a/80", message: "refused by the test" }]);
  w.plane.invalid.clear();
  w.edge.set("a", { peers: ["10.0.0.2"], closed: false });
  w.change("a");
  await w.settled(() => w.plane.live().has("backend:ns/a/80"));
  assert.deepEqual(w.lane.refusals(), []);
});

test("a refused document is sent again to other workers, and named until one takes it", async (t) => {
  const w = await world(t);
  w.plane.invalid.add("backend:ns/a/80");
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.lane.refusals().length === 1);
  const sent = (): number => w.plane.log.filter(({ key }) => key === "ns/a/80").length;
  // Once more, for a worker that was about to end may have answered; then no more.
  w.reconciler.audit();
  await w.settled(() => sent() === 2);
  for (let i = 0; i < 3; i++) {
    w.reconciler.audit();
    await w.settled(() => w.reconciler.facts.verified);
  }
  assert.equal(sent(), 2, "the same workers are not asked for ever");
  w.plane.workers = [3];
  w.reconciler.audit();
  await w.settled(() => sent() === 3);
  // Without anybody's doing, soon.
  await w.settled(() => sent() === 4);
  assert.equal(w.lane.refusals().length, 1);
  w.plane.invalid.clear();
  w.plane.workers = [4];
  w.reconciler.audit();
  await w.settled(() => w.plane.live().has("backend:ns/a/80"));
  assert.deepEqual(w.lane.refusals(), []);
});

test("a refused document that nobody wants any more is no fault any more", async (t) => {
  const w = await world(t);
  w.plane.invalid.add("backend:ns/a/80");
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.lane.refusals().length === 1);
  w.edge.delete("a");
  w.change("a");
  await w.settled(() => w.lane.refusals().length === 0);
});

test("a document without room does not hold up others", async (t) => {
  const w = await world(t);
  w.plane.full.add("backend:ns/a/80");
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.health.has("memory-low"));
  w.edge.set("b", { peers: ["10.0.0.1"], closed: false });
  w.change("b");
  await w.settled(() => w.plane.live().has("backend:ns/b/80"));
});

test("memory that runs short is told before anything is refused, and no more when there is room", async (t) => {
  const w = await world(t);
  await w.settled(() => w.reconciler.facts.state !== null);
  w.plane.free = 299;
  w.reconciler.audit();
  await w.settled(() => w.health.has("memory-low"));
  assert.match(w.health.list()[0]?.message ?? "", /^shared dict documents has \d+ of \d+ kB left$/);
  w.plane.free = 301;
  w.reconciler.audit();
  await w.settled(() => !w.health.has("memory-low"));
});

test("problems that the data plane finds are one condition until they are gone", async (t) => {
  const w = await world(t);
  w.plane.problems = ["host a cannot be used", "host b cannot be used"];
  w.reconciler.audit();
  await w.settled(() => w.health.has("dataplane-problem"));
  const told = (): readonly string[] => w.health.list().map(({ code, message }) => `${code}: ${message}`);
  assert.deepEqual(told(), ["dataplane-problem: host a cannot be used; host b cannot be used"]);
  w.plane.problems = ["a", "b", "c", "d", "e"];
  w.reconciler.audit();
  await w.settled(() => told()[0] === "dataplane-problem: a; b; c; and 2 more");
  w.plane.problems = [];
  w.reconciler.audit();
  await w.settled(() => told().length === 0);
});

test("says in which generation a policy got stricter", async (t) => {
  const w = await world(t);
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.stricter.length === 1);
  assert.deepEqual(w.stricter, [null]);
  w.edge.set("a", { peers: ["10.0.0.1"], closed: true });
  w.change("a");
  await w.settled(() => w.stricter.length === 2);
  assert.equal(w.stricter[1], w.counter.current);
});

test("what a snapshot says was applied is not sent again when the data plane agrees", async (t) => {
  const w = await world(t);
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.change("a");
  await w.settled(() => w.plane.live().size === 3);
  const before = w.plane.log.length;
  w.reconciler.audit();
  w.change("a");
  await w.settled(() => w.reconciler.facts.verified);
  assert.equal(w.plane.log.length, before);
});

test("leaves a data plane alone that knows more than the snapshot, until the source has spoken", async (t) => {
  const w = await world(t);
  w.fresh = false;
  await w.plane.push([{ kind: "backend", key: "ns/a/80", generation: 101, text: '{"addresses":["10.0.0.9"]}' }]);
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.reconciler.audit();
  w.change("a");
  await w.settled(() => w.reconciler.facts.state?.generation === 101 && w.reconciler.facts.verified);
  assert.deepEqual(addresses(w.plane, "backend:ns/a/80"), ["10.0.0.9"]);
  w.fresh = true;
  w.reconciler.wake();
  await w.settled(() => JSON.stringify(addresses(w.plane, "backend:ns/a/80")) === '["10.0.0.1"]');
});

test("fills a data plane that knows less than the snapshot, without the source", async (t) => {
  const w = await world(t);
  w.fresh = false;
  await w.plane.push([{ kind: "backend", key: "ns/a/80", generation: 99, text: '{"addresses":["10.0.0.9"]}' }]);
  w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
  w.reconciler.audit();
  w.change("a");
  await w.settled(() => JSON.stringify(addresses(w.plane, "backend:ns/a/80")) === '["10.0.0.1"]');
});

test("what a snapshot holds and no object wants any more goes", async (t) => {
  const w = await world(t, [{ kind: "host", key: "ingress/old", generation: 7, text: "{}" }]);
  await w.settled(() => !w.plane.live().has("host:ingress/old"));
});

test("what becomes known while the data plane is asked is built before anything is pushed", async (t) => {
  // Without a snapshot, in front of a data plane that serves.
  const w = await world(t, [], false);
  w.may = false;
  await w.plane.push([{ kind: "host", key: "ingress/a", generation: 50, text: "{}" }]);
  const held = w.plane.held.bind(w.plane);
  w.plane.held = () => {
    w.may = true;
    w.edge.set("a", { peers: ["10.0.0.1"], closed: false });
    w.change("a");
    return held();
  };
  w.reconciler.start();
  await w.settled(() => w.plane.live().has("route:ns/a/r"));
  const gone = w.plane.log.filter(({ text }) => text === null);
  assert.deepEqual(gone, [], "nobody had built it yet, and that is no reason to delete it");
});
