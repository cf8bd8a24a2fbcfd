// A directory of manifests is a source like a cluster: the same objects, the same answers.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { NODE } from "../edges/machine.ts";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const SECURE = "secure.example.test";

let edge: Edge;
let one: Backend;
let two: Backend;
let configFile: string;

before(async () => {
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  edge = await Edge.prepare({ name: "manifests", args: [], portFlags: false });
  configFile = join(edge.machine.scratch, "config.yaml");
  await configure({});
  await edge.run(["--config", configFile, "--manifests", edge.manifestDir]);
  await edge.ready();
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
});

function configure(more: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<void> {
  const listeners = { httpPort: 80, httpsPort: 443, ...more["listeners"] };
  return writeFile(configFile, stringify({ log: { level: "debug" }, ...more, listeners }));
}

/** What nginx does and what explain says of it, which is held against what nginx says of itself. */
async function assertRedirects(status: number, port = ""): Promise<void> {
  assert.equal((await edge.ask({ host: SECURE })).status, status);
  const { answer, live } = await edge.explain("GET", `http://${SECURE}/`, "--live");
  assert.deepEqual(answer, { kind: "redirect", status, location: `https://${SECURE}${port}/` });
  assert.deepEqual(live?.differences, []);
}

function yaml(...objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

test("a file appears, changes and goes; each is seen by the next request, without a reload", async () => {
  const host = "shop.example.test";
  const web = (backends: readonly Backend[]): string =>
    yaml(
      service("web"),
      slice("web", backends),
      ingress({ name: "web", host, className: null, paths: [{ path: "/", service: "web" }] }),
    );
  assert.equal((await edge.ask({ host })).status, 404);
  await edge.writeManifest("web.yaml", web([one]));
  await eventually("one serves", async () => (await edge.who({ host })) === "one");
  await edge.writeManifest("web.yaml", web([two]));
  await eventually("two serves", async () => (await edge.who({ host })) === "two");
  await rm(join(edge.manifestDir, "web.yaml"));
  await eventually("nobody serves", async () => (await edge.ask({ host })).status === 404);
  assert.equal((await edge.status()).reloads.total, 0);
});

test("without creationTimestamp, the file name and the position in it decide a conflict", async () => {
  const host = "age.example.test";
  await edge.writeManifest("10.yaml", yaml(service("a"), slice("a", [one]), service("b"), slice("b", [two])));
  await edge.writeManifest("30.yaml", yaml(ingress({ name: "a", host, paths: [{ path: "/", service: "a" }] })));
  await eventually("one serves", async () => (await edge.who({ host })) === "one");
  await edge.writeManifest("20.yaml", yaml(ingress({ name: "b", host, paths: [{ path: "/", service: "b" }] })));
  await eventually("two serves", async () => (await edge.who({ host })) === "two");
  const conflict = await eventually("the loser is told", async () =>
    (await edge.status()).problems.find((problem) => problem.code === "path-conflict"),
  );
  assert.equal(conflict.object, "Ingress shop/a");
  assert.match(conflict.where, /30\.yaml/);
});

test("a configuration that changed is tested, swapped, reloaded and proved", async () => {
  const host = "age.example.test";
  const annotations = { "nginx.ingress.kubernetes.io/force-ssl-redirect": "true" };
  const secure = ingress({ name: "secure", host: SECURE, annotations, paths: [{ path: "/", service: "a" }] });
  await edge.writeManifest("secure.yaml", yaml(secure));
  await configure({ nginx: { clientMaxBodyMb: 2 }, http: { redirectCode: 301 } });
  edge.signalAgent("SIGHUP");
  const reloads = await eventually("it was reloaded", async () => {
    const { reloads: told } = await edge.status();
    return told.total === 1 ? told : null;
  });
  assert.match(reloads.lastReason ?? "", /clientMaxBodyMb/);
  await assertRedirects(301);
  assert.equal((await edge.ask({ host, method: "POST", body: Buffer.alloc(1_500_000) })).status, 200);
  assert.equal((await edge.ask({ host, method: "POST", body: Buffer.alloc(2_500_000) })).status, 413);
});

test("a configuration that nginx cannot take is put back and named, and holds up no push", async () => {
  const host = "age.example.test";
  // Another program has the port: nginx finds out only when it reloads.
  const busy = await edge.machine.spawn([NODE, "-e", "require('net').createServer().listen(8099, '0.0.0.0')"]);
  await eventually("the port is taken", async () => {
    const { stdout } = await edge.machine.exec(["cat", "/proc/net/tcp"]);
    return stdout.includes(`:${(8099).toString(16).toUpperCase()} `);
  });
  await configure({ nginx: { clientMaxBodyMb: 2 }, listeners: { httpsPort: 8099 }, http: { redirectCode: 307 } });
  edge.signalAgent("SIGHUP");
  await eventually("it is being tried", () => edge.output().includes("httpsPort") || edge.output().includes("reload"));
  await edge.writeManifest("10.yaml", yaml(service("a"), slice("a", [one]), service("b"), slice("b", [one])));
  await eventually("the push arrives", async () => (await edge.who({ host })) === "one", 5000);
  const rejected = await eventually(
    "the rejection is told",
    async () => (await edge.status()).conditions.find((condition) => condition.code === "configuration-rejected"),
    30_000,
  );
  assert.match(rejected.message, /8099.*Address already in use/);
  assert.equal((await edge.ask({ host, tls: true })).status, 200, "the old listener serves");
  await assertRedirects(301);
  busy.kill("SIGKILL");
  await busy.exited;
  edge.signalAgent("SIGHUP");
  await eventually("the next try is taken", async () =>
    (await edge.status()).conditions.every((condition) => condition.code !== "configuration-rejected"),
  );
  await assertRedirects(307, ":8099");
});

test("the table of status names each host and its Service, worst first", async () => {
  const { stdout, exitCode } = await edge.headgate("status");
  assert.equal(exitCode, 0);
  assert.match(stdout, /^Edge \S+ is (serving|degraded): generation \d+/);
  assert.match(stdout, /age\.example\.test +shop\/b:80 +1\/1/);
  assert.match(stdout, /# Health/);
});

test("explain says which rule took a request, and why the others lost", async () => {
  const { stdout, exitCode } = await edge.headgate("explain", "GET", "http://age.example.test/x");
  assert.equal(exitCode, 0);
  assert.match(stdout, /shop\/b/);
  assert.match(stdout, /shop\/a/);
});

test("shared memory grows with the cluster: one reload, nothing lost, and everything serves from the new one", async () => {
  const host = "age.example.test";
  const reloads = (await edge.status()).reloads.total;
  const prober = startProber(edge, host, "/", true);
  for (let file = 0; file < 20; file++) {
    const paths = Array.from({ length: 1000 }, (_, index) => ({
      path: `/${"long-".repeat(20)}${index}`,
      service: "a",
    }));
    await edge.writeManifest(
      `big-${file}.yaml`,
      yaml(ingress({ name: `big-${file}`, host: `big-${file}.example.test`, paths })),
    );
  }
  await eventually("one reload", async () => (await edge.status()).reloads.total === reloads + 1, 60_000);
  assert.match((await edge.status()).reloads.lastReason ?? "", /documentsDictMb/);
  const path = `/${"long-".repeat(20)}999`;
  await eventually(
    "the last of them serves",
    async () => (await edge.ask({ host: "big-19.example.test", path })).status === 200,
  );
  assert.deepEqual(await prober.stop(), []);
  // A change after it arrives in the new memory.
  await edge.writeManifest("10.yaml", yaml(service("a"), slice("a", [one]), service("b"), slice("b", [two])));
  await eventually("two serves", async () => (await edge.who({ host })) === "two");
});
