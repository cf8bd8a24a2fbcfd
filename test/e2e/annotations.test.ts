// Annotations that need a word of nginx's configuration, from the manifest to the wire.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, NAMESPACE, service, slice } from "./support/objects.ts";

let edge: Edge;
let one: Backend;

before(async () => {
  one = await startBackend("one");
  edge = await Edge.prepare({ name: "annotations", args: [] });
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop()]);
});

function yaml(...objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

/** An Ingress for a host with annotations under ingress-nginx's prefix. */
function annotated(host: string, annotations: Readonly<Record<string, string>>, to = "web"): KubeObject {
  const named = Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]);
  const name = host.split(".")[0] ?? "";
  const pairs = Object.fromEntries(named) as Record<string, string>; // pairs of strings
  return ingress({ name, host, paths: [{ path: "/", service: to }], annotations: pairs });
}

test("an Ingress with a size of its own serves at once, and its size comes with one reload", async () => {
  const host = "large.example.test";
  const body = "x".repeat(3 * 1024 * 1024);
  const posted = async (): Promise<number> => (await edge.ask({ host, method: "POST", body })).status;
  await edge.writeManifest("web.yaml", yaml(service("web"), slice("web", [one])));
  const seen = new Set<number>();
  await edge.writeManifest("large.yaml", yaml(annotated(host, { "proxy-body-size": "8m" })));
  await eventually("large bodies get through", async () => {
    seen.add((await edge.ask({ host })).status);
    return (await posted()) === 200;
  });
  assert.ok(!seen.has(503), "no request was refused for want of the reload");
  const { reloads } = await edge.status();
  assert.deepEqual([reloads.total, reloads.lastReason], [1, "variants changed"]);
  await edge.writeManifest("large.yaml", yaml(annotated(host, { "proxy-body-size": "2m" })));
  await eventually("large bodies do not", async () => (await posted()) === 413);
  await edge.writeManifest("large.yaml", yaml(annotated(host, { "proxy-body-size": "8m" })));
  await eventually("large bodies get through again", async () => (await posted()) === 200);
  assert.ok((await edge.status()).reloads.total <= 2, "what was there once costs no reload");
});

test("headers of a ConfigMap come with it and change with it", async () => {
  const host = "headers.example.test";
  const headers = (data: Readonly<Record<string, string>>): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "headers", namespace: NAMESPACE },
    data,
  });
  const header = async (): Promise<unknown> => (await edge.ask({ host })).headers["x-frame-options"];
  await edge.writeManifest("headers.yaml", yaml(annotated(host, { "custom-headers": "headers" })));
  await eventually("it serves without", async () => (await edge.ask({ host })).status === 200);
  const { problems } = await edge.status();
  assert.ok(problems.some(({ code }) => code === "config-map-missing"));
  await edge.writeManifest("data.yaml", yaml(headers({ "X-Frame-Options": "DENY" })));
  await eventually("the header is there", async () => (await header()) === "DENY");
  await edge.writeManifest("data.yaml", yaml(headers({ "X-Frame-Options": "SAMEORIGIN" })));
  await eventually("the header has changed", async () => (await header()) === "SAMEORIGIN");
});

test("a default backend answers for a Service without endpoints, and explain says so", async () => {
  const host = "errors.example.test";
  await edge.writeManifest("errors.yaml", yaml(annotated(host, { "default-backend": "web" }, "nobody")));
  await eventually("the default backend answers", async () => (await edge.who({ host })) === "one");
  assert.equal((await edge.ask({ host })).status, 200);
  const { answer, live } = await edge.explain("GET", `http://${host}/`, "--live");
  assert.equal(answer.kind, "proxy");
  assert.deepEqual(live?.differences, []);
});
