import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KeyPair, KubernetesObject } from "../../../agent/objects/objects.ts";
import { itemsOfList, trimObject, type Trimmed } from "../../../agent/objects/trim.ts";

const GOOD: KeyPair = {
  kind: "good",
  certificate: "C",
  key: "K",
  names: ["a.example"],
  notBefore: 0,
  notAfter: 1,
  fingerprint: "00",
};

function trim(raw: unknown, strict = true): Trimmed {
  return trimObject(raw, { strict, position: null, inspectKeyPair: () => GOOD });
}
function object(raw: unknown, strict = true): KubernetesObject {
  const trimmed = trim(raw, strict);
  assert.equal(trimmed.kind, "object", JSON.stringify(trimmed));
  if (trimmed.kind !== "object") throw new Error("unreachable");
  return trimmed.object;
}
function faults(raw: unknown, strict = true): string[] {
  const trimmed = trim(raw, strict);
  assert.equal(trimmed.kind, "refused", JSON.stringify(trimmed));
  if (trimmed.kind !== "refused") throw new Error("unreachable");
  return trimmed.faults.map((fault) => `${fault.field}: ${fault.message} -> ${fault.fix}`);
}
function ingress(spec: unknown, metadata: object = {}): unknown {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "web", namespace: "shop", ...metadata },
    spec,
  };
}
const backend = { service: { name: "web", port: { number: 80 } } };
const path = { path: "/", pathType: "Prefix", backend };
const rules = [{ host: "a.example", http: { paths: [path] } }];

describe("trimming an Ingress", () => {
  test("keeps class, rules, tls and default backend", () => {
    const spec = {
      ingressClassName: "headgate",
      defaultBackend: { resource: { apiGroup: "k8s.example", kind: "Bucket", name: "b" } },
      tls: [{ hosts: ["a.example"], secretName: "cert" }, { hosts: ["b.example"] }],
      rules: [{ host: "a.example", http: { paths: [{ ...path, backend: named("http") }] } }, { host: "b.example" }],
    };
    assert.deepEqual(object(ingress(spec)), {
      kind: "Ingress",
      meta: {
        namespace: "shop",
        name: "web",
        uid: "",
        resourceVersion: "",
        createdAt: null,
        position: null,
        annotations: {},
      },
      ingressClassName: "headgate",
      defaultBackend: { kind: "resource", apiGroup: "k8s.example", resourceKind: "Bucket", name: "b" },
      tls: [
        { hosts: ["a.example"], secretName: "cert" },
        { hosts: ["b.example"], secretName: null },
      ],
      rules: [
        {
          host: "a.example",
          paths: [{ path: "/", pathType: "Prefix", backend: { kind: "service", service: "web", port: "http" } }],
        },
        { host: "b.example", paths: [] },
      ],
    });
  });

  test("names every fault of an object at once, each with its field and fix", () => {
    const bad = [
      { path: "/", pathtype: "Prefix", backend },
      { path: 5, pathType: "prefix", backend: { service: { name: "web", port: { number: "80" } } } },
      { path: "/", pathType: "Exact", backend: { service: { name: "a/b", port: {} } } },
      { path: "/", pathType: "Exact", backend: { serviceName: "web", servicePort: 80 } },
      { path: "/", pathType: "Exact", backend: { service: { name: "web", port: 80 } } },
      { path: "/", pathType: "Exact", backend: 80 },
    ];
    assert.deepEqual(faults(ingress({ rules: [{ http: { paths: bad } }] })), [
      "spec.rules[0].http.paths[0].pathtype: is not a known field -> did you mean pathType?",
      "spec.rules[0].http.paths[0].pathType: is missing -> add it: one of Exact, Prefix, ImplementationSpecific",
      'spec.rules[0].http.paths[1].path: is 5, not a string -> write it in quotes: "5"',
      'spec.rules[0].http.paths[1].pathType: "prefix" is none of Exact, Prefix, ImplementationSpecific -> write Prefix',
      'spec.rules[0].http.paths[1].backend.service.port.number: is "80", not a whole number from 1 to 65535 -> write a whole number from 1 to 65535, without quotes',
      "spec.rules[0].http.paths[2].backend.service.name: \"a/b\" is no valid name -> use lower-case letters, digits and '-', at most 63 characters",
      "spec.rules[0].http.paths[2].backend.service.port: has neither number nor name -> write one of number and name",
      "spec.rules[0].http.paths[3].backend.serviceName: is of an old API -> convert to networking.k8s.io/v1: service: {name: …, port: {number: …}}",
      "spec.rules[0].http.paths[4].backend.service.port: is 80, not a map -> write port: {number: 80}",
      "spec.rules[0].http.paths[5].backend: is 80, not a map -> write it as a map with the fields service, resource",
    ]);
  });

  test("drops unknown fields of an API server without a word", () => {
    const spec = { rules: [{ ...rules[0], future: { a: 1 } }], other: true };
    assert.equal(object(ingress(spec), false).kind, "Ingress");
    assert.deepEqual(faults(ingress(spec)), [
      "spec.other: is not a known field -> remove it",
      "spec.rules[0].future: is not a known field -> remove it",
    ]);
  });

  test("leaves a path without backend to the model, however it is written", () => {
    for (const none of [undefined, null, {}, { service: null }, { service: { name: "" } }]) {
      const trimmed = object(ingress({ rules: [{ http: { paths: [{ ...path, backend: none }] } }] }));
      assert.deepEqual(trimmed.kind === "Ingress" && trimmed.rules[0]?.paths[0]?.backend, { kind: "none" });
    }
  });

  test("leaves bad hosts and paths to the model, so that they cost only their rule", () => {
    const odd = [{ host: "x".repeat(300), http: { paths: [{ ...path, path: "/\u0000" }] } }];
    const trimmed = object(ingress({ rules: odd }));
    assert.equal(trimmed.kind === "Ingress" && trimmed.rules[0]?.host.length, 300);
  });

  test("refuses an Ingress that routes nothing", () => {
    assert.deepEqual(faults(ingress({})), ["spec: has neither rules nor a defaultBackend -> add one of them"]);
    assert.deepEqual(faults(ingress(undefined)), ["spec: is missing -> add it: spec: with rules or a defaultBackend"]);
  });

  test("keeps annotations meant for an ingress controller, misspelt ones too, and no others", () => {
    const annotations = {
      "nginx.ingress.kubernetes.io/auth-url": "1",
      "nginx.ingres.kubernetes.io/auth-url": "2",
      "ingress.kubernetes.io/ssl-redirect": "3",
      "nginx.ingress.kubernetes.io.auth-url": "4",
      "NGINX.ingress.kubernetes.io/auth-url": "5",
      "kubernetes.io/ingress.class": "6",
      "headgate.dev/x": "7",
      "kubectl.kubernetes.io/last-applied-configuration": "8",
      "traefik.ingress.kubernetes.io/router.tls": "9",
      "cert-manager.io/cluster-issuer": "10",
      "kubernetes.io/description": "11",
    };
    const trimmed = object(ingress({ rules }, { annotations }));
    assert.deepEqual(Object.values(trimmed.meta.annotations), ["1", "2", "3", "4", "5", "6", "7"]);
  });

  test("refuses an annotation that is no string", () => {
    assert.deepEqual(faults(ingress({ rules }, { annotations: { "nginx.ingress.kubernetes.io/limit-rps": 5 } })), [
      'metadata.annotations["nginx.ingress.kubernetes.io/limit-rps"]: is 5, not a string -> write it in quotes: nginx.ingress.kubernetes.io/limit-rps: "5"',
    ]);
  });
});

describe("trimming metadata", () => {
  test("reads creationTimestamp in milliseconds, in any zone", () => {
    for (const stamp of ["2026-02-28T23:59:59Z", "2024-02-29T00:00:00.5+02:00", "1969-12-31T23:59:59Z"]) {
      const trimmed = object(ingress({ rules }, { creationTimestamp: stamp }));
      assert.equal(trimmed.meta.createdAt, Date.parse(stamp));
    }
    assert.equal(faults(ingress({ rules }, { creationTimestamp: "yesterday" })).length, 1);
  });

  test("puts an object without namespace into default", () => {
    assert.equal(object(ingress({ rules }, { namespace: undefined })).meta.namespace, "default");
  });

  test("refuses names that could not be keys", () => {
    for (const name of ["", "a/b", "A", "a_b", "-a", "x".repeat(254), 5, null]) {
      assert.equal(trim(ingress({ rules }, { name })).kind, "refused", String(name));
    }
  });
});

describe("which documents are read", () => {
  test("ignores kinds that have nothing to do with traffic", () => {
    for (const [apiVersion, kind] of [
      ["apps/v1", "Deployment"],
      ["v1", "Pod"],
      ["serving.knative.dev/v1", "Service"],
      ["config.openshift.io/v1", "Ingress"],
    ]) {
      assert.equal(trim({ apiVersion, kind, metadata: { name: "x" } }).kind, "ignored");
    }
  });

  test("asks to convert old versions, and names the object", () => {
    for (const apiVersion of ["extensions/v1beta2", "networking.k8s.io/v1alpha1", "networking.k8s.io"]) {
      const trimmed = trim({ apiVersion, kind: "Ingress", metadata: { name: "x" }, spec: {} });
      assert.deepEqual(trimmed, {
        kind: "refused",
        ref: { kind: "Ingress", namespace: "default", name: "x" },
        faults: [
          { field: "apiVersion", message: `"${apiVersion}" is not served`, fix: "convert to networking.k8s.io/v1" },
        ],
      });
    }
  });

  test("does not lose a manifest with a misspelt kind", () => {
    const misspelt = { apiVersion: "networking.k8s.io/v1", kind: "ingress", metadata: { name: "x" } };
    assert.deepEqual(faults(misspelt), ['kind: is "ingress" -> did you mean Ingress?']);
    assert.equal(trim(misspelt, false).kind, "ignored");
  });

  test("refuses what is no object at all", () => {
    for (const raw of [null, 5, "text", [], {}, { kind: 5 }, { kind: "Ingress" }]) {
      assert.equal(trim(raw).kind, "refused", JSON.stringify(raw));
      assert.equal(trim(raw, false).kind, "refused", JSON.stringify(raw));
    }
  });

  test("opens a List as kubectl prints it", () => {
    assert.deepEqual(itemsOfList({ apiVersion: "v1", kind: "List", items: [1, 2] }), [1, 2]);
    assert.equal(itemsOfList(ingress({ rules })), null);
  });
});

describe("trimming Services and EndpointSlices", () => {
  test("reads what kubectl prints of a Service", () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "web",
        creationTimestamp: "2026-01-01T00:00:00Z",
        managedFields: [{}],
        labels: { a: "b" },
        ownerReferences: [{}],
        finalizers: ["x"],
        generation: 1,
        uid: "u",
        resourceVersion: "5",
        annotations: {
          "nginx.ingress.kubernetes.io/x": "y",
          "headgate.dev/load-balance": "ewma",
          "headgate.dev/endpoints": "nodePort",
        },
      },
      spec: {
        clusterIP: "10.0.0.1",
        clusterIPs: ["10.0.0.1"],
        internalTrafficPolicy: "Cluster",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        ports: [{ name: "http", port: 80, protocol: "TCP", targetPort: "web", nodePort: 30000, appProtocol: "http" }],
        selector: { app: "web" },
        sessionAffinity: "None",
        type: "NodePort",
      },
      status: { loadBalancer: {} },
    };
    const trimmed = object(service);
    assert.deepEqual(trimmed.kind === "Service" && trimmed.ports, [
      { name: "http", port: 80, protocol: "TCP", targetPort: "web", appProtocol: "http", nodePort: 30000 },
    ]);
    assert.deepEqual(trimmed.meta.annotations, {
      "headgate.dev/endpoints": "nodePort",
      "headgate.dev/load-balance": "ewma",
    });
  });

  test("reads the name that a Service of type ExternalName is, and of no other type", () => {
    const named = (type: string): unknown => {
      const spec = { type, externalName: "db.example.org." };
      const trimmed = object({ apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec });
      return trimmed.kind === "Service" && trimmed.externalName;
    };
    assert.deepEqual([named("ExternalName"), named("ClusterIP")], ["db.example.org.", null]);
  });

  test("reads a slice: absent conditions mean ready and serving, a port without number is left out", () => {
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "web-1", namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }, { name: "all" }, null, { port: 1, name: null }],
      endpoints: [
        { addresses: ["10.0.0.1"], nodeName: "n", targetRef: {}, zone: "z", hints: {}, hostname: "h" },
        { addresses: ["10.0.0.2"], conditions: { ready: false, serving: null, terminating: true } },
        { addresses: ["10.0.0.3"], hints: { forZones: [{ name: "b" }, { name: "c" }], forNodes: [{ name: "n" }] } },
      ],
    };
    const trimmed = object(slice);
    assert.ok(trimmed.kind === "EndpointSlice");
    assert.equal(trimmed.service, "web");
    assert.deepEqual(trimmed.ports, [
      { name: "http", port: 8080, protocol: "TCP" },
      { name: "", port: 1, protocol: "TCP" },
    ]);
    assert.deepEqual(trimmed.endpoints, [
      { address: "10.0.0.1", ready: true, serving: true, terminating: false, zone: "z", nodeName: "n" },
      { address: "10.0.0.2", ready: false, serving: true, terminating: true, zone: null, nodeName: null },
      {
        address: "10.0.0.3",
        ready: true,
        serving: true,
        terminating: false,
        zone: null,
        nodeName: null,
        hintedZones: ["b", "c"],
      },
    ]);
    const labels = {};
    assert.equal(trim({ ...slice, metadata: { name: "x", labels } }).kind, "ignored");
  });
});

test("trimming a Node keeps what changes seldom", () => {
  const trimmed = object({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1", labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" } },
    spec: { podCIDR: "10.244.0.0/24" },
    status: {
      conditions: [
        { type: "MemoryPressure", status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z" },
        { type: "Ready", status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z", reason: "KubeletReady" },
      ],
      addresses: [
        { type: "InternalIP", address: "192.0.2.11" },
        { type: "Hostname", address: "n1" },
        { type: "InternalIP", address: "2001:db8::11" },
        { type: "ExternalIP", address: "198.51.100.1" },
      ],
      images: [{ names: ["x"] }],
    },
  });
  assert.deepEqual(trimmed, {
    kind: "Node",
    meta: { ...trimmed.meta, namespace: "", name: "n1" },
    ready: true,
    excluded: true,
    addresses: ["192.0.2.11", "2001:db8::11"],
  });
});

test("a Node that is being deleted is asked no more", () => {
  const metadata = { name: "n1", finalizers: ["example.org/slow"] };
  const read = (more: object): unknown => {
    const trimmed = object({ apiVersion: "v1", kind: "Node", metadata: { ...metadata, ...more } });
    return trimmed.kind === "Node" && trimmed.excluded;
  };
  assert.equal(read({}), false);
  assert.equal(read({ deletionTimestamp: "2026-01-01T00:00:00Z" }), true);
});

describe("trimming Secrets", () => {
  const secret = (fields: object): unknown => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s" },
    ...fields,
  });
  const keyPair = (fields: object): KeyPair => {
    const trimmed = object(secret(fields));
    assert.ok(trimmed.kind === "Secret");
    return trimmed.keyPair;
  };

  test("hands both decoded fields to the inspection, stringData first", () => {
    let seen: string[] = [];
    trimObject(secret({ data: { "tls.crt": btoa("old"), "tls.key": btoa("kéy") }, stringData: { "tls.crt": "new" } }), {
      strict: true,
      position: null,
      inspectKeyPair: (certificate, key) => {
        seen = [certificate, key];
        return GOOD;
      },
    });
    assert.deepEqual(seen, ["new", "kéy"]);
  });

  test("a Secret that is no key pair is kept with what is wrong with it", () => {
    assert.deepEqual(keyPair({ data: { password: "x" } }), {
      kind: "bad",
      field: 'data["tls.crt"]',
      message: "is missing",
      fix: "create it with `kubectl create secret tls NAME --cert=FILE --key=FILE`",
    });
    for (const text of ["a", "ab=c", "%%%%", "YQ", "YR==", "YWF="]) {
      const found = keyPair({ data: { "tls.crt": text, "tls.key": "" } });
      assert.equal(found.kind === "bad" && found.message, "is not base64", text);
    }
  });
});

function named(name: string): unknown {
  return { service: { name: "web", port: { name } } };
}
