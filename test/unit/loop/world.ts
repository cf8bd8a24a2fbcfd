// The loop with a small data plane in memory, and hosts that a test makes and changes.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
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

export interface World {
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

export async function world(t: TestContext, assumed: readonly AppliedDocument[] = [], begun = true): Promise<World> {
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
      certificate: () => ({ certificate: null, users: [], problems: [] }),
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

export function addresses(plane: FakeDataPlane, id: string): unknown {
  const text = plane.live().get(id);
  return text === undefined ? undefined : (JSON.parse(text) as { addresses: unknown }).addresses; // our own JSON
}
