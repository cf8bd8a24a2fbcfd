// Objects in the versions that servers and manifests had before.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { trimObject, type Trimmed } from "../../../agent/objects/trim.ts";

function trim(raw: unknown): Trimmed {
  const inspectKeyPair = (): never => assert.fail("there is no Secret here");
  return trimObject(raw, { strict: true, position: null, inspectKeyPair });
}
function object(raw: unknown): KubernetesObject {
  const trimmed = trim(raw);
  assert.equal(trimmed.kind, "object", JSON.stringify(trimmed));
  return trimmed.kind === "object" ? trimmed.object : assert.fail();
}
function faults(raw: unknown): readonly string[] {
  const trimmed = trim(raw);
  return trimmed.kind === "refused"
    ? trimmed.faults.map(({ field, message, fix }) => `${field}: ${message} -> ${fix}`)
    : [];
}

test("reads the Ingresses of every year alike", () => {
  const modern = object({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "x" },
    spec: {
      ingressClassName: "nginx",
      defaultBackend: { service: { name: "rest", port: { name: "http" } } },
      tls: [{ hosts: ["a.example"], secretName: "cert" }],
      rules: [
        {
          host: "a.example",
          http: {
            paths: [
              { path: "/a", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } },
              { pathType: "ImplementationSpecific", backend: { resource: { kind: "Bucket", name: "b" } } },
              { path: "/none", pathType: "ImplementationSpecific", backend: { service: { name: "" } } },
            ],
          },
        },
      ],
    },
  });
  for (const apiVersion of ["networking.k8s.io/v1beta1", "extensions/v1beta1"]) {
    const old = object({
      apiVersion,
      kind: "Ingress",
      metadata: { name: "x" },
      spec: {
        ingressClassName: "nginx",
        backend: { serviceName: "rest", servicePort: "http" },
        tls: [{ hosts: ["a.example"], secretName: "cert" }],
        rules: [
          {
            host: "a.example",
            http: {
              paths: [
                { path: "/a", pathType: "Prefix", backend: { serviceName: "web", servicePort: 80 } },
                { backend: { resource: { kind: "Bucket", name: "b" } } },
                { path: "/none", backend: { serviceName: "", servicePort: 0 } },
              ],
            },
          },
        ],
      },
    });
    assert.deepEqual(old, modern, apiVersion);
  }
});

test("says what is wrong in the words of the version that was written", () => {
  const backend = { serviceName: "a/b", servicePort: 80 };
  const bad = {
    apiVersion: "extensions/v1beta1",
    kind: "Ingress",
    metadata: { name: "x" },
    spec: {
      rules: [{ http: { paths: [{ backend }, { backend: { serviceName: "web" } }, { backend: { service: {} } }] } }],
    },
  };
  assert.deepEqual(faults(bad), [
    "spec.rules[0].http.paths[0].backend.serviceName: \"a/b\" is no valid name -> use lower-case letters, digits and '-', at most 63 characters",
    "spec.rules[0].http.paths[1].backend.servicePort: is missing -> add it: a port's number or name",
    "spec.rules[0].http.paths[2].backend.service: is not a known field -> did you mean serviceName?",
  ]);
  const none = { ...bad, spec: {} };
  assert.deepEqual(faults(none), ["spec: has neither rules nor a backend -> add one of them"]);
});

test("reads slices of v1beta1, and Endpoints", () => {
  const old = object({
    apiVersion: "discovery.k8s.io/v1beta1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.0.0.1"], topology: { "kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "z" } },
    ],
  });
  assert.deepEqual(old.kind === "EndpointSlice" && old.endpoints, [
    { address: "10.0.0.1", ready: true, serving: true, terminating: false, zone: "z", nodeName: "n1" },
  ]);
  const endpoints = object({
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "web", namespace: "shop" },
    subsets: [
      {
        addresses: [{ ip: "10.0.0.1", nodeName: "n1", targetRef: { kind: "Pod" } }],
        notReadyAddresses: [{ ip: "10.0.0.2" }],
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      },
    ],
  });
  assert.deepEqual(endpoints.kind === "Endpoints" && endpoints.subsets, [
    {
      ready: [{ address: "10.0.0.1", nodeName: "n1" }],
      notReady: [{ address: "10.0.0.2", nodeName: null }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    },
  ]);
});
