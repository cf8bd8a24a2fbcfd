import assert from "node:assert/strict";
import { test } from "node:test";
import { choosePolicies, CLIENT_POLICIES_MAX, isSameMutualTls } from "../../../agent/plan/choose-policies.ts";
import type { MutualTls } from "../../../agent/render/mutual-tls.ts";

function mutualTls(names: readonly string[], hosts: readonly string[] = ["a.example"]): MutualTls {
  return {
    policies: names
      .toSorted()
      .map((name) => ({ name, verify: "on", depth: 1, authorities: "", revocations: null, hosts })),
    plainHosts: [],
  };
}
const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, "0")}`);

test("a policy that runs keeps its place, however many come before it by name", () => {
  const running = mutualTls(named("m", CLIENT_POLICIES_MAX));
  const chosen = choosePolicies(running, mutualTls([...named("a", 40), ...named("m", CLIENT_POLICIES_MAX - 1)]));
  assert.deepEqual(
    chosen.policies.map(({ name }) => name),
    ["a000", ...named("m", CLIENT_POLICIES_MAX - 1)],
  );
});

test("the same is seen: policies, their hosts, and the hosts beside a wildcard", () => {
  const before = mutualTls(["m1", "m2"]);
  assert.ok(isSameMutualTls(before, mutualTls(["m1", "m2"])));
  assert.ok(!isSameMutualTls(before, mutualTls(["m1"])));
  assert.ok(!isSameMutualTls(before, mutualTls(["m1", "m3"])));
  assert.ok(!isSameMutualTls(before, mutualTls(["m1", "m2"], ["b.example"])));
  assert.ok(!isSameMutualTls(before, { ...before, plainHosts: ["x.example"] }));
});
