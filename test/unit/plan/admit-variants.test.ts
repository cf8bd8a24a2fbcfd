import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { admitVariants, VARIANTS_MAX } from "../../../agent/plan/admit-variants.ts";
import type { VariantProfile } from "../../../agent/render/variants.ts";

function variants(...names: readonly string[]): readonly VariantProfile[] {
  const rest = { base: "http", bodyKbMax: 0, buffering: null, requestBuffering: null, bufferKb: null, intercept: null };
  return names.map((name) => ({ name, ...rest }));
}
const named = (all: readonly VariantProfile[]): readonly string[] => all.map(({ name }) => name);
const many = (from: number, count: number): readonly VariantProfile[] =>
  variants(...Array.from({ length: count }, (_, index) => `v${1000 + from + index}`));

describe("variants in the configuration", () => {
  test("come when they are asked for, and stay when they are not", () => {
    const before = variants("b");
    assert.deepEqual(named(admitVariants(before, variants("a", "b"), false)), ["a", "b"]);
    assert.equal(admitVariants(before, variants("b"), false), before);
    assert.equal(admitVariants(before, [], false), before);
  });

  test("go with a reload that is due anyway", () => {
    assert.deepEqual(named(admitVariants(variants("a", "b"), variants("b", "c"), true)), ["b", "c"]);
    const before = variants("a");
    assert.equal(admitVariants(before, variants("a"), true), before);
  });

  test("nobody buys reloads without end: in a full configuration a new wish makes none", () => {
    let running: readonly VariantProfile[] = [];
    let reloads = 0;
    for (let wish = 0; wish < 500; wish += 1) {
      const next = admitVariants(running, many(wish, 1), false);
      if (next !== running) reloads += 1;
      running = next;
    }
    assert.deepEqual([reloads, running.length], [VARIANTS_MAX, VARIANTS_MAX]);
    // One that is due for another reason makes room for those in use.
    assert.deepEqual(named(admitVariants(running, many(499, 1), true)), ["v1499"]);
    const full = admitVariants(many(0, 60), many(50, 100), true);
    assert.deepEqual([full.length, named(full)[0], named(full).at(-1)], [VARIANTS_MAX, "v1050", "v1113"]);
  });
});
