import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { tellReach } from "../../../agent/edge/reach.ts";
import { HealthRegistry } from "../../../agent/health/registry.ts";
import { canConnect, probeReach, type ReachReport, type ReachTarget } from "../../../agent/reach/reach-probe.ts";

const { signal } = new AbortController();

function target(service: string, answers: Readonly<Record<string, string>>, mode = "pod"): ReachTarget {
  const peersOf = (of: string): ReachTarget["peers"] =>
    answers[of] === undefined ? [] : [{ address: answers[of], port: 80 }];
  const others = ["pod", "nodePort", "clusterIP"].filter((other) => other !== mode);
  return {
    service,
    mode,
    peers: peersOf(mode),
    others: () => others.map((other) => ({ mode: other, peers: peersOf(other) })),
  };
}
function probe(targets: readonly ReachTarget[], reachable: readonly string[]): Promise<ReachReport> {
  return probeReach(targets, {
    canConnect: async ({ address }) => reachable.includes(address),
    random: () => 0.5,
    signal,
  });
}
function conditions(
  report: ReachReport,
  health = new HealthRegistry(
    () => 0,
    () => undefined,
  ),
): readonly string[] {
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
      tried: ["pod-a:80"],
      answering: ["nodePort"],
    });
    assert.deepEqual(conditions(report), [
      "error: nodePort answers: set `endpoints.mode: nodePort` in the configuration file.",
    ]);
    assert.match(conditions(await probe(targets, []))[0] ?? "", /^error: No other mode answers either/);
  });

  test("where one Service does not answer it is named alone, and its condition ends when it does", async () => {
    const targets = [target("shop/a", { pod: "a" }), target("shop/b", { pod: "b", clusterIP: "ip" })];
    const health = new HealthRegistry(
      () => 0,
      () => undefined,
    );
    assert.deepEqual(conditions(await probe(targets, ["a", "ip"]), health), [
      "warning: clusterIP answers: annotate the Service with headgate.dev/endpoints: clusterIP.",
    ]);
    assert.deepEqual(conditions(await probe(targets, ["a", "b"]), health), []);
  });

  test("a sample is bounded", async () => {
    const many = Array.from({ length: 100 }, (_, index) => target(`shop/s${index}`, { pod: "x" }));
    assert.equal((await probe(many, [])).sampled, 8);
  });

  test("a connection that is answered or refused is reach; one that goes nowhere is not", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    assert.equal(await canConnect({ address: "127.0.0.1", port: address.port }, signal), true);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await canConnect({ address: "127.0.0.1", port: address.port }, signal), true);
    assert.equal(await canConnect({ address: "127.0.0.1", port: address.port }, AbortSignal.abort()), false);
  });
});
