import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthRegistry } from "../../../agent/health/registry.ts";
import type { Condition } from "../../../agent/health/registry.ts";

function condition(code: Condition["code"], more: Partial<Condition> = {}): Condition {
  return { code, subject: "", severity: "error", message: `${code} happened`, hint: "Mend it.", ...more };
}

function registry() {
  const told: string[] = [];
  const clock = { now: 1000 };
  const health = new HealthRegistry(
    () => clock.now,
    (changed, began) => told.push(`${began ? "+" : "-"}${changed.code}${changed.subject}`),
  );
  return { health, told, clock };
}

test("tells each begin and each end once, however often it is set", () => {
  const { health, told } = registry();
  health.set(condition("nginx-down"));
  health.set(condition("nginx-down", { message: "still" }));
  health.clear("nginx-down");
  health.clear("nginx-down");
  assert.deepEqual(told, ["+nginx-down", "-nginx-down"]);
});

test("a refreshed condition keeps the time of its begin and shows its newest text", () => {
  const { health, clock } = registry();
  health.set(condition("configuration-rejected"));
  clock.now = 9000;
  health.set(condition("configuration-rejected", { message: "newer" }));
  assert.deepEqual(
    health.list().map(({ since, message }) => [since, message]),
    [[1000, "newer"]],
  );
});

test("a condition that ended and began again is new", () => {
  const { health, clock } = registry();
  health.set(condition("configuration-rejected"));
  health.clear("configuration-rejected");
  clock.now = 9000;
  health.set(condition("configuration-rejected"));
  assert.equal(health.list()[0]?.since, 9000);
});

test("several of one code are told apart by their subject", () => {
  const { health } = registry();
  health.set(condition("memory-low", { subject: "documents" }));
  health.set(condition("memory-low", { subject: "versions" }));
  health.clear("memory-low", "documents");
  assert.equal(health.list().length, 1);
  assert.equal(health.has("memory-low"), true);
  health.clear("memory-low", "versions");
  assert.equal(health.has("memory-low"), false);
});

test("lists errors before warnings, and older before newer", () => {
  const { health, clock } = registry();
  health.set(condition("knowledge-stale", { severity: "warning" }));
  clock.now = 2000;
  health.set(condition("configuration-rejected"));
  clock.now = 3000;
  health.set(condition("snapshot-failing"));
  clock.now = 4000;
  health.set(condition("nginx-limited", { severity: "info" }));
  assert.deepEqual(
    health.list().map(({ code }) => code),
    ["configuration-rejected", "snapshot-failing", "knowledge-stale", "nginx-limited"],
  );
});

test("a cause hides its consequence, and the consequence shows again when the cause ends", () => {
  const { health } = registry();
  health.set(condition("push-failing"));
  health.set(condition("nginx-down"));
  assert.deepEqual(
    health.list().map(({ code }) => code),
    ["nginx-down"],
  );
  assert.equal(health.has("push-failing"), true);
  health.clear("nginx-down");
  assert.deepEqual(
    health.list().map(({ code }) => code),
    ["push-failing"],
  );
});
