import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import type { Endpoint } from "../../../agent/objects/objects.ts";
import { endpoint, ingress, path, rule, service, SETTINGS, slice, storeOf } from "./objects.ts";

function hinted(
  address: string,
  zones: readonly string[],
  state: "ready" | "not-ready" | "draining" = "ready",
): Endpoint {
  return { ...endpoint(address, state), hintedZones: zones };
}

/** The addresses that an edge of this zone asks. */
function asked(zone: string | null, endpoints: readonly Endpoint[]): readonly string[] {
  const store = storeOf([
    service("shop/web"),
    slice("shop/web-1", "web", endpoints),
    ingress("shop/web", { rules: [rule("a.example", path("/"))] }),
  ]);
  const { backends } = buildBackends(store, { ...SETTINGS, zone }, "shop/web");
  return backends.flatMap(({ peers }) => peers.map(({ address }) => address));
}

const ALL = [hinted("10.0.0.1", ["a"]), hinted("10.0.0.2", ["b"]), hinted("10.0.0.3", ["a", "b"])];

describe("hints of endpoints for zones", () => {
  test("lead to those of the edge's zone", () => {
    assert.deepEqual(asked("a", ALL), ["10.0.0.1", "10.0.0.3"]);
    assert.deepEqual(asked("b", ALL), ["10.0.0.2", "10.0.0.3"]);
  });

  test("count for nothing without a zone, in a zone that has none, or where one endpoint has none", () => {
    const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    assert.deepEqual(asked(null, ALL), addresses);
    assert.deepEqual(asked("c", ALL), addresses);
    assert.deepEqual(asked("a", [...ALL, endpoint("10.0.0.4")]), [...addresses, "10.0.0.4"]);
  });

  test("of endpoints that are not ready do not matter, and those alone serve where none is ready", () => {
    assert.deepEqual(asked("a", [...ALL, endpoint("10.0.0.4", "not-ready")]), ["10.0.0.1", "10.0.0.3"]);
    const draining = [hinted("10.0.0.5", ["b"], "draining"), hinted("10.0.0.6", ["a"], "draining")];
    assert.deepEqual(asked("a", draining), ["10.0.0.5", "10.0.0.6"]);
    assert.deepEqual(asked("a", [...draining, hinted("10.0.0.7", ["b"])]), ["10.0.0.7"]);
  });
});
