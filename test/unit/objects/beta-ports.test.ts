import assert from "node:assert/strict";
import { test } from "node:test";
import { trimObject } from "../../../agent/objects/trim.ts";

function portOf(servicePort: unknown): unknown {
  const raw = {
    apiVersion: "extensions/v1beta1",
    kind: "Ingress",
    metadata: { name: "x" },
    spec: { backend: { serviceName: "web", servicePort } },
  };
  const inspectKeyPair = (): never => assert.fail("there is no Secret");
  const trimmed = trimObject(raw, { strict: true, position: null, inspectKeyPair });
  if (trimmed.kind === "refused") return trimmed.faults.map(({ field }) => field);
  assert.ok(trimmed.kind === "object" && trimmed.object.kind === "Ingress");
  const { defaultBackend } = trimmed.object;
  return defaultBackend?.kind === "service" ? defaultBackend.port : defaultBackend;
}

test("servicePort is a number or a name, and nothing that JavaScript would make one of", () => {
  assert.deepEqual(["http", 80, "80", 65_535].map(portOf), ["http", 80, 80, 65_535]);
  for (const bad of [true, false, [80], { number: 80 }, 80.5, -1, 65_536, "65536", "0", " 80"]) {
    assert.deepEqual(portOf(bad), ["spec.backend.servicePort"], JSON.stringify(bad));
  }
});
