// What a real API server lets through although nobody should have to bear it: it validates less than one thinks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openLan } from "../edges/lan.ts";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { startClusterEdge } from "../e2e/support/cluster-edge.ts";
import type { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, namespace, service, slice } from "../e2e/support/objects.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import { beside, bystanderObjects, bystanderServes } from "./support/bystander.ts";
import { statusSays } from "./support/status.ts";

// A contributor in a hurry has no real API server; the other files of this folder do without it.
const skip = process.env["HEADGATE_FAKE_ONLY"] === "1";
const HOST = "odd.example.test";

let cluster: Cluster;
let edge: Edge;
let backend: Backend;

before(async () => {
  if (skip) return;
  cluster = await startCluster({ address: openLan().gateway, controllers: false });
  backend = await startBackend("own");
  await cluster.apply(namespace());
  for (const object of await bystanderObjects(backend)) await cluster.apply(object);
  edge = await startClusterEdge("realserver", cluster);
  await eventually("the bystander is served", () => bystanderServes(edge));
});

after(async () => {
  await Promise.all([edge?.stop(), backend?.stop()]);
  await cluster?.stop();
});

/** The good path of the Ingress under test goes on. */
async function isFine(): Promise<boolean> {
  return (await edge.ask({ host: HOST, path: "/fine" })).status === 200;
}

test("control characters in a path without a type", { skip }, () =>
  beside(edge, async () => {
    const path = "/odd\u0001\u001b[2J\nreturn 200;";
    const odd = { path, service: "bystander", pathType: "ImplementationSpecific" as const };
    const stored = await cluster.apply(
      ingress({ name: "odd", host: HOST, paths: [{ path: "/fine", service: "bystander" }, odd] }),
    );
    assert.ok(JSON.stringify(stored).includes("\\u001b[2J"), "the server lets it through");
    await eventually("the good path serves", isFine);
    const field = /^spec\.rules\[0\]\.http\.paths\[1\]\.path$/;
    await statusSays(edge, { code: "path-invalid", object: "Ingress shop/odd", field, message: /control character/ });
    assert.equal((await edge.ask({ host: HOST, path: "/odd" })).status, 404);
  }),
);

test("an annotation with line breaks and a directive closes its routes, and opens them when it is gone", { skip }, () =>
  beside(edge, async () => {
    const key = "nginx.ingress.kubernetes.io/configuration-snippet";
    const paths = [{ path: "/fine", service: "bystander" }];
    await cluster.apply(
      ingress({ name: "odd", host: HOST, paths, annotations: { [key]: "a;\n}\u0007\nreturn 200;" } }),
    );
    const field = /configuration-snippet/;
    const message = /restricts access/;
    await statusSays(edge, { code: "annotation-closes-route", object: "Ingress shop/odd", field, message });
    await eventually("it is closed", async () => (await edge.ask({ host: HOST, path: "/fine" })).status === 503);
    await cluster.apply(ingress({ name: "odd", host: HOST, paths }));
    await eventually("it is open", isFine);
  }),
);

test("a Service that is only another name for this very machine", { skip }, () =>
  beside(edge, async () => {
    await cluster.apply({
      ...service("elsewhere"),
      spec: { type: "ExternalName", externalName: "localhost", ports: [{ name: "http", port: 80 }] },
    });
    const paths = [
      { path: "/fine", service: "bystander" },
      { path: "/elsewhere", service: "elsewhere" },
    ];
    await cluster.apply(ingress({ name: "odd", host: HOST, paths }));
    const object = "Service shop/elsewhere";
    await statusSays(edge, { code: "backend-unsupported", object, field: /^spec\.type$/, message: /ExternalName/ });
    await eventually("it is refused", async () => (await edge.ask({ host: HOST, path: "/elsewhere" })).status === 503);
    assert.ok(await isFine());
  }),
);

test("endpoints that are a network's other machines by trick: reserved addresses", { skip }, () =>
  beside(edge, async () => {
    await cluster.apply(service("reserved"));
    await cluster.apply(slice("reserved", [{ address: "240.0.0.1", port: 8080 }]));
    const paths = [
      { path: "/fine", service: "bystander" },
      { path: "/reserved", service: "reserved" },
    ];
    await cluster.apply(ingress({ name: "odd", host: HOST, paths }));
    const object = "EndpointSlice shop/reserved-1";
    await statusSays(edge, { code: "endpoint-refused", object, field: /^endpoints\[0\]/, message: /reserved/ });
    await eventually("it is refused", async () => (await edge.ask({ host: HOST, path: "/reserved" })).status === 503);
    assert.ok(await isFine());
  }),
);

test("a Secret of the TLS type whose data is no key pair", { skip }, () =>
  beside(edge, async () => {
    const data = { "tls.crt": "bm90IFBFTQ==", "tls.key": "bm90IFBFTQ==" };
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "odd-tls", namespace: "shop" },
      type: "kubernetes.io/tls",
      data,
    });
    const tls = [{ hosts: [HOST], secretName: "odd-tls" }];
    await cluster.apply(ingress({ name: "odd", host: HOST, paths: [{ path: "/fine", service: "bystander" }], tls }));
    const field = /^spec\.tls\[0\]\.secretName$/;
    const message = /Secret shop\/odd-tls is no key pair: data\["tls\.crt"\] holds no PEM certificate/;
    await statusSays(edge, { code: "secret-invalid", object: "Ingress shop/odd", field, message });
    assert.equal((await edge.ask({ host: HOST, path: "/fine", tls: true })).status, 200);
  }),
);
