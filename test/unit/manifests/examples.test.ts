import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, watchDirectory } from "./support.ts";

test("the examples are read without a fault, and only loopback is asked for", async (t) => {
  const watched = watchDirectory(t, join(import.meta.dirname, "../../../examples/manifests"));
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.deepEqual([...watched.refusals.values()], []);
  assert.deepEqual(
    watched.names().filter((name) => name.startsWith("Ingress")),
    ["Ingress shop/api", "Ingress shop/web"],
  );
  const slices = [...watched.objects.values()].filter((object) => object.kind === "EndpointSlice");
  assert.equal(slices.length, 3);
  for (const slice of slices) for (const { address } of slice.endpoints) assert.equal(address, "127.0.0.1");
});
