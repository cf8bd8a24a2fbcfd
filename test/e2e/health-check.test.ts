// Checks that a Service asks for: the agent makes them, nginx sends no requests to a peer that fails, `status` says why.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { EjectedPeerStatus } from "../../agent/api/wire.ts";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";

const HOST = "checked.example.test";
const CHECK_PORT = 9090;
const KEY = "headgate.dev/health-check";

let edge: Edge;
let one: Backend;
let two: Backend;

before(async () => {
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  await one.serve(CHECK_PORT);
  edge = await Edge.prepare({ name: "checks", args: [] });
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
});

async function write(annotations: Readonly<Record<string, string>>): Promise<void> {
  const made = service("web");
  const objects: readonly KubeObject[] = [
    { ...made, metadata: { ...made.metadata, annotations } },
    slice("web", [one, two]),
    ingress({ name: "web", host: HOST, className: null, paths: [{ path: "/", service: "web" }] }),
  ];
  await edge.writeManifest("web.yaml", objects.map((object) => stringify(object)).join("---\n"));
}

async function whoAnswers(): Promise<readonly string[]> {
  const names = new Set<string>();
  for (let i = 0; i < 12; i++) names.add(await edge.who({ host: HOST }));
  return [...names].toSorted();
}

async function ejected(): Promise<readonly EjectedPeerStatus[]> {
  return (await edge.status()).hosts.find(({ host }) => host === HOST)?.ejected ?? [];
}

test("a peer that fails its checks gets no requests, is named with the cause, and gets them again", async () => {
  await write({ [KEY]: "http", [`${KEY}-port`]: String(CHECK_PORT), [`${KEY}-interval`]: "1", [`${KEY}-fails`]: "2" });
  await eventually("one peer is out", async () => (await ejected()).length === 1);
  const [out] = await ejected();
  assert.equal(out?.address, `${two.address}:${two.port}`);
  assert.equal(out.cause, "check: refused");
  assert.deepEqual(await whoAnswers(), ["one"]);
  assert.match((await edge.headgate("status")).stdout, /1 ejected: .* \(check: refused\)/);
  await two.serve(CHECK_PORT);
  await eventually("it is back", async () => (await ejected()).length === 0);
  assert.deepEqual(await whoAnswers(), ["one", "two"]);
  assert.equal((await edge.status()).reloads.total, 0);
});

test("a check that fails everywhere closes nothing", async () => {
  await write({ [KEY]: "http", [`${KEY}-path`]: "/?close", [`${KEY}-interval`]: "1", [`${KEY}-fails`]: "1" });
  await eventually("both are out", async () => (await ejected()).length === 2);
  assert.deepEqual(await whoAnswers(), ["one", "two"]);
  await write({});
  await eventually("nobody is checked any more", async () => (await ejected()).length === 0);
});

test("what cannot be used is a problem of the Service", async () => {
  await write({ [KEY]: "ping" });
  await eventually("it is told", async () =>
    (await edge.status()).problems.some(({ field }) => field === `metadata.annotations["${KEY}"]`),
  );
});
