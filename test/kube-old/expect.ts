// What the source must have read of the objects of objects.ts, whatever the age of the server.

import assert from "node:assert/strict";
import { buildBackends } from "../../agent/model/build-backends.ts";
import { buildHost } from "../../agent/model/build-host.ts";
import type { KubernetesObject } from "../../agent/objects/objects.ts";
import type { Recorder } from "../unit/kubernetes/harness.ts";
import { SETTINGS, storeOf } from "../unit/model/objects.ts";

const HOSTS = { "beta.example": "of-2019", "extensions.example": "of-2015", "v1.example": "of-2020" } as const;

/** Throws until it is so. Objects of the server itself (the Service kubernetes) do not count. */
export function expectAllRead(recorder: Recorder): void {
  const objects: readonly KubernetesObject[] = [...recorder.objects.values()];
  const settings = { ...SETTINGS, classless: "false" as const };
  const store = storeOf(objects, settings);
  for (const [host, ingress] of Object.entries(HOSTS)) {
    const built = buildHost(store, settings, host);
    assert.deepEqual(built.problems, [], host);
    const route = built.routes.find(({ path }) => path === "/");
    assert.deepEqual([route?.ingress.name, route?.backend], [ingress, "default/web/80"], host);
  }
  assert.equal(buildHost(store, settings, "v1.example").routes[0]?.matchType, "Exact");
  assert.equal(buildHost(store, settings, "extensions.example").routes.length, 2, "with its default backend");
  const [backend] = buildBackends(store, settings, "default/web").backends;
  assert.deepEqual(backend?.peers, [{ address: "10.244.0.1", port: 8080, weight: 1 }]);
  assert.equal(backend.notReady, 1);
}
