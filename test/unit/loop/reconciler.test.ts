import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DocumentsLane } from "../../../agent/apply/documents-lane.ts";
import { HealthRegistry } from "../../../agent/health/registry.ts";
import { GenerationCounter } from "../../../agent/lib/generation-counter.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import { until } from "../../../agent/lib/until.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { Reconciler } from "../../../agent/loop/reconciler.ts";
import type { BuiltBackends, BuiltHost, DirtyKey } from "../../../agent/model/edge-model.ts";
import type { AppliedDocument } from "../../../agent/plan/plan-documents.ts";
import { FakeDataPlane } from "../../fakes/data-plane.ts";
import { NO_TIMES } from "../../../agent/model/ingress/times.ts";

const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };

interface World {
  readonly plane: FakeDataPlane;
  readonly lane: DocumentsLane;
  readonly reconciler: Reconciler;
  readonly health: HealthRegistry;
  readonly counter: GenerationCounter;
  readonly stricter: (number | null)[];
  /** Peers of the one Service each host has, by name; undefined: the host is gone. */
  readonly edge: Map<string, { peers: readonly string[]; closed: boolean }>;
  may: boolean;
  fresh: boolean;
  change(...names: readonly string[]): void;
  settled(condition: () => boolean): Promise<void>;
}

async function world(t: TestContext, assumed: readonly AppliedDocument[] = [], begun = true): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "headgate-loop-"));
  const plane = new FakeDataPlane();
  const lane = new DocumentsLane(plane);
  lane.assume(assumed);
  await plane.push(assumed);
  const health = new HealthRegistry(Date.now, () => {});
  const counter = await GenerationCounter.open(join(folder, "generation"));
  const edge: World["edge"] = new Map();
  const stricter: (number | null)[] = [];
  let dirty: DirtyKey[] = [];
  const reconciler = new Reconciler({
    builder: new EdgeBuilder({
      host: (name) => builtHost(name, edge.get(name)),
      backends: (service) => builtBackends(service, edge.get(service.split("/")[1] ?? "")?.peers),
      certificate: () => ({ certificate: null, problems: [] }),
    }),
    takeDirty: () => {
      const taken = dirty;
      dirty = [];
      return taken;
    },
    mayBuild: () => made.may,
    isFresh: () => made.fresh,
    snapshotGeneration: 100,
    lane,
    dataPlane: plane,
    counter,
    health,
    log: quiet,
    now: () => Date.now(),
    onApplied: (at) => stricter.push(at),
  });
  const made: World = {
    plane,
    lane,
    reconciler,
    health,
    counter,
    stricter,
    edge,
    may: true,
    fresh: true,
    change(...names) {
      dirty.push(...names.flatMap((name): DirtyKey[] => [`host:${name}`, `backend:ns/${name}`]));
      reconciler.wake();
    },
    async settled(condition) {
      const { signal } = new AbortController();
      const done = await until(() => Promise.resolve(condition()), { everyMs: 1, withinMs: 5000, signal });
      assert.ok(done, "did not settle");
    },
  };
  t.after(async () => {
    await reconciler.stop();
    await rm(folder, { recursive: true, force: true });
  });
  if (begun) reconciler.start();
  return made;
}

function builtHost(name: string, wish: { closed: boolean } | undefined): BuiltHost {
  if (wish === undefined) return { host: null, routes: [], serverName: null, problems: [], shadowed: [] };
  const route = `ns/${name}/r`;
  return {
    host: {
      name,
      aliasOf: null,
      expressions: [],
      exact: new Map(),
      prefixes: new Map([["/", route]]),
      fallback: null,
      strictPaths: wish.closed,
    },
    routes: [
      {
        key: route,
        ingress: { kind: "Ingress", namespace: "ns", name },
        host: name,
        path: "/",
        matchType: "Prefix",
        backend: `ns/${name}/80`,
        closed: wish.closed ? { reason: "guard" } : null,
        sslRedirect: "certificate",
        filters: [],
        protocol: "http",
        upstreamTls: null,
        times: NO_TIMES,
        balance: null,
      },
    ],
    serverName: null,
    problems: [],
    shadowed: [],
  };
}

function builtBackends(service: string, peers: readonly string[] | undefined): BuiltBackends {
  if (peers === undefined) return { backends: [], problems: [], externalName: null };
  const [namespace = "", name = ""] = service.split("/");
  return {
    backends: [
      {
        key: `${service}/80`,
        namespace,
        service: name,
        port: "80",
        peers: peers.map((address) => ({ address, port: 80, weight: 1 })),
        notReady: 0,
        draining: 0,
        reason: null,
      },
    ],
    problems: [],
    externalName: null,
  };
}

function addresses(plane: FakeDataPlane, id: string): unknown {
  const text = plane.live().get(id);
  return text === undefined ? undefined : (JSON.parse(text) as { addresses: unknown }).addresses; // our own JSON
}

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
