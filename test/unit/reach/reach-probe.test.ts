import assert from "node:assert/strict";
import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import { describe, test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ReachWatch, reachTargets } from "../../../agent/edge/reach.ts";
import { tellReach } from "../../../agent/edge/tell-reach.ts";
import { HealthRegistry } from "../../../agent/health/registry.ts";
import { createLogger } from "../../../agent/lib/log.ts";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { ENDPOINTS_ANNOTATION } from "../../../agent/objects/annotation-keys.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import {
  type Answer,
  probeReach,
  type ReachReport,
  type ReachTarget,
  tryConnect,
  type TryConnect,
} from "../../../agent/reach/reach-probe.ts";
import {
  endpoint,
  externalService,
  ingress,
  node,
  path,
  rule,
  service,
  servicePort,
  SETTINGS,
  slice,
  storeOf,
} from "../model/objects.ts";

const { signal } = new AbortController();
const NOTHING: ReadonlySet<string> = new Set();

/** `answers`: an address by mode; null: it is not known where that mode would ask. */
function target(service: string, answers: Readonly<Record<string, string | null>>, mode = "pod"): ReachTarget {
  const peersOf = (of: string): ReachTarget["peers"] | null => {
    const address = answers[of];
    return address === null ? null : address === undefined ? [] : [{ address, port: 80 }];
  };
  const others = ["pod", "nodePort", "clusterIP"].filter((other) => other !== mode);
  return {
    service,
    mode,
    annotated: false,
    peers: peersOf(mode) ?? [],
    others: () => others.map((other) => ({ mode: other, peers: peersOf(other) })),
  };
}
function answering(open: readonly string[], refusing: readonly string[] = []): TryConnect {
  return async ({ address }) => (open.includes(address) ? "open" : refusing.includes(address) ? "refused" : "silent");
}
function probe(
  targets: readonly ReachTarget[],
  reachable: readonly string[],
  { refusing = [], again = NOTHING }: { refusing?: readonly string[]; again?: ReadonlySet<string> } = {},
): Promise<ReachReport> {
  return probeReach(targets, { tryConnect: answering(reachable, refusing), random: () => 0.5, again, signal });
}
function newHealth(): HealthRegistry {
  return new HealthRegistry(
    () => 0,
    () => undefined,
  );
}
function conditions(report: ReachReport, health = newHealth()): readonly string[] {
  tellReach(health, report);
  return health.list().map(({ severity, hint }) => `${severity}: ${hint}`);
}

describe("reach", () => {
  test("of what answers nothing is said", async () => {
    const report = await probe([target("shop/web", { pod: "10.0.0.1" }), target("shop/none", {})], ["10.0.0.1"]);
    assert.deepEqual(report, { sampled: 1, unreachable: [] });
    assert.deepEqual(conditions(report), []);
  });

  test("where no Pod answers, the mode that would do is named, for all", async () => {
    const targets = ["a", "b"].map((name) =>
      target(`shop/${name}`, { pod: `pod-${name}`, nodePort: "node", clusterIP: "ip" }),
    );
    const report = await probe(targets, ["node"]);
    assert.deepEqual(report.unreachable[0], {
      service: "shop/a",
      mode: "pod",
      annotated: false,
      tried: ["pod-a:80"],
      answering: ["nodePort"],
      unknown: [],
    });
    assert.deepEqual(conditions(report), [
      "error: nodePort answers: set `endpoints.mode: nodePort` in the configuration file.",
    ]);
    assert.match(conditions(await probe(targets, []))[0] ?? "", /^error: No other mode answers either/);
  });

  test("where one Service does not answer it is named alone, and its condition ends when it does", async () => {
    const targets = [target("shop/a", { pod: "a" }), target("shop/b", { pod: "b", clusterIP: "ip" })];
    const health = newHealth();
    assert.deepEqual(conditions(await probe(targets, ["a", "ip"]), health), [
      "warning: clusterIP answers: annotate the Service with headgate.dev/endpoints: clusterIP.",
    ]);
    assert.deepEqual(conditions(await probe(targets, ["a", "b"]), health), []);
  });

  test("Services that say their mode themselves are to say another one", async () => {
    const targets = [{ ...target("shop/a", { pod: "a", clusterIP: "ip" }), annotated: true }];
    assert.match(conditions(await probe(targets, ["ip"]))[0] ?? "", /^error: clusterIP answers: annotate the Service/);
  });

  test("a Pod that refuses is reached; a node port or cluster IP that refuses has nobody behind it", async () => {
    const refusing = ["x"];
    assert.deepEqual((await probe([target("shop/a", { pod: "x" })], [], { refusing })).unreachable, []);
    for (const mode of ["nodePort", "clusterIP"]) {
      const { unreachable } = await probe([target("shop/a", { [mode]: "x", pod: "pod" }, mode)], ["pod"], { refusing });
      assert.deepEqual(unreachable[0]?.answering, ["pod"], mode);
    }
    const { unreachable } = await probe([target("shop/a", { pod: "pod", nodePort: "x" })], [], { refusing });
    assert.deepEqual(unreachable[0]?.answering, [], "a mode that is refused would not do");
  });

  test("a mode of which nothing is known is not said to be of no use", async () => {
    const report = await probe([target("shop/a", { pod: "a", nodePort: null, clusterIP: "ip" })], []);
    assert.deepEqual(report.unreachable[0]?.unknown, ["nodePort"]);
    assert.match(
      conditions(report)[0] ?? "",
      /^error: Whether nodePort would answer is not known: Nodes were not read/,
    );
  });

  test("a sample is bounded, and holds what did not answer before", async () => {
    const many = Array.from({ length: 100 }, (_, index) => target(`shop/s${index}`, { pod: `p${index}` }));
    assert.equal((await probe(many, [])).sampled, 8);
    const up = many.flatMap(({ peers }) => peers.map(({ address }) => address)).filter((address) => address !== "p7");
    for (let round = 0; round < 3; round++) {
      const { sampled, unreachable } = await probe(many, up, { again: new Set(["shop/gone", "shop/s7"]) });
      assert.deepEqual([sampled, unreachable.map(({ service }) => service)], [8, ["shop/s7"]]);
    }
    const lost = new Set(many.map(({ service }) => service));
    const { unreachable } = await probe(many, up.slice(50), { again: lost });
    assert.equal(unreachable.length, 4, "others are tried too, or all would seem lost for ever");
  });

  test("a connection is open, refused or silent", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const answer = (of: AbortSignal): Promise<Answer> => tryConnect({ address: "127.0.0.1", port: address.port }, of);
    assert.equal(await answer(signal), "open");
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await answer(signal), "refused");
    assert.equal(await answer(AbortSignal.abort()), "silent");
  });
});

describe("the watch of reach", () => {
  interface Rig {
    readonly health: HealthRegistry;
    readonly wanted: () => number;
    /** Lets time pass, and what it started come to its end. */
    readonly pass: (ms: number) => Promise<void>;
    targets: readonly ReachTarget[] | Error;
    open: readonly string[];
  }
  function start(t: TestContext): Rig {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let wanted = 0;
    const rig: Rig = {
      health: newHealth(),
      wanted: () => wanted,
      pass: async (ms) => {
        t.mock.timers.tick(ms);
        for (let turns = 0; turns < 5; turns++) await turn();
      },
      targets: [],
      open: [],
    };
    const watch = new ReachWatch({
      targets: () => {
        if (rig.targets instanceof Error) throw rig.targets;
        return rig.targets;
      },
      health: rig.health,
      wantNodes: () => void wanted++,
      log: createLogger({ level: "error", format: "json" }, new PassThrough()),
      tryConnect: (peer, of) => answering(rig.open)(peer, of),
    });
    watch.start();
    t.after(() => watch.stop());
    return rig;
  }

  test("begins soon after there is something to try, and sees the end of a trouble soon", async (t) => {
    const rig = start(t);
    await rig.pass(5_000);
    rig.targets = [target("shop/a", { pod: "a" })];
    await rig.pass(5_000);
    assert.deepEqual([rig.health.has("peers-unreachable"), rig.wanted()], [true, 1], "Nodes are wanted");
    await rig.pass(5_000);
    rig.open = ["a"];
    await rig.pass(15_000);
    assert.equal(rig.health.has("peers-unreachable"), false);
    rig.open = [];
    await rig.pass(15_000);
    assert.equal(rig.health.has("peers-unreachable"), false, "what answers is left alone for long");
    await rig.pass(300_000);
    assert.equal(rig.health.has("peers-unreachable"), true);
  });

  test("outlives a fault of our own", async (t) => {
    const rig = start(t);
    rig.targets = new Error("broken");
    await rig.pass(5_000);
    rig.targets = [target("shop/a", { pod: "a" })];
    await rig.pass(300_000);
    assert.equal(rig.health.has("peers-unreachable"), true);
  });
});

test("targets are the Services in use; without Nodes those that are to be asked there are at their Pods", () => {
  const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
  const given = service("shop/web", [{ ...servicePort(80), nodePort: 30_080 }]);
  const of = { ...given, meta: { ...given.meta, annotations: { [ENDPOINTS_ANNOTATION]: "nodePort" } } };
  const all = [web, of, slice("shop/s", "web", [endpoint("10.244.0.1")])];
  const look = (objects: readonly KubernetesObject[]): unknown => {
    const store = storeOf(objects);
    const backends = new Map([["shop/web", buildBackends(store, SETTINGS, "shop/web")]]);
    return reachTargets({ hosts: new Map(), backends, certificates: new Map() }, store, SETTINGS).map(
      ({ others, ...rest }) => ({
        ...rest,
        others: others(),
      }),
    );
  };
  const pods = [{ address: "10.244.0.1", port: 8080, weight: 1 }];
  const clusterIP = { mode: "clusterIP", peers: [] };
  const same = { service: "shop/web", annotated: true };
  const atNodes = [{ address: "192.0.2.1", port: 30_080, weight: 1 }];
  const external = { ...externalService("shop/web", "db.example.org", given.ports), meta: of.meta };
  assert.deepEqual(look([web, external]), [], "a name is asked at its addresses in every mode");
  assert.deepEqual(look(all), [
    { ...same, mode: "pod", peers: pods, others: [{ mode: "nodePort", peers: null }, clusterIP] },
  ]);
  assert.deepEqual(look([...all, node("n1", ["192.0.2.1"])]), [
    { ...same, mode: "nodePort", peers: atNodes, others: [{ mode: "pod", peers: pods }, clusterIP] },
  ]);
});
