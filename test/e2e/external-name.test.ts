// Services that are DNS names, with a real DNS server that changes its mind, dies and comes back.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { ProblemStatus } from "../../agent/api/wire.ts";
import { openLan } from "../edges/lan.ts";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { DnsServer } from "./support/dns-server.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, NAMESPACE } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const HOST = "shop.example.test";
const NAME = "db.example.org";
const METADATA = "169.254.169.254";
/** Longer than the smallest time between two queries, and the agent's wait for a server that says nothing. */
const WITHIN_MS = 40_000;

let dns: DnsServer;
let edge: Edge;
let one: Backend;
let two: Backend;
let configFile: string;

before(async () => {
  dns = new DnsServer(openLan().gateway);
  await dns.start();
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  dns.zone.set(NAME, [one.address]);
  dns.zone.set("new.example.org", [two.address]);
  dns.zone.set("inside.example.org", [METADATA]);
  dns.zone.set("db.example.net", [one.address]);
  edge = await Edge.prepare({ name: "external", args: [], portFlags: false });
  await edge.machine.exec(["sh", "-c", `echo nameserver ${openLan().gateway} > /etc/resolv.conf`]);
  configFile = join(edge.machine.scratch, "config.yaml");
  const listeners = { httpPort: 80, httpsPort: 443 };
  const endpoints = { externalNames: ["*.example.org"] };
  await writeFile(configFile, stringify({ log: { level: "debug" }, listeners, endpoints }));
  await run();
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop(), dns?.stop()]);
});

async function run(): Promise<void> {
  await edge.run(["--config", configFile, "--manifests", edge.manifestDir]);
  await edge.ready();
}

/** A Service that is another name, and an Ingress of a host of its own for it. */
async function write(name: string, host: string, externalName: string): Promise<void> {
  const service: KubeObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE },
    spec: { type: "ExternalName", externalName, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  };
  const objects = [service, ingress({ name, host, paths: [{ path: "/", service: name }] })];
  await edge.writeManifest(`${name}.yaml`, objects.map((object) => stringify(object)).join("---\n"));
}

async function serves(who: string, host = HOST): Promise<void> {
  await eventually(`${who} serves ${host}`, async () => (await edge.who({ host })) === who, WITHIN_MS);
}

async function problem(code: ProblemStatus["code"], object: string): Promise<ProblemStatus> {
  const find = async (): Promise<ProblemStatus | undefined> =>
    (await edge.status()).problems.find((each) => each.code === code && each.object === object);
  return eventually(`${code} of ${object} is told`, find, WITHIN_MS);
}

/** Waits until the server was asked for a name so many times more, in both families. */
async function askedAgain(name: string, times: number): Promise<void> {
  const until = dns.asked(name) + 2 * times;
  await eventually(`${name} is asked for`, () => dns.asked(name) >= until, WITHIN_MS);
}

test("a name that is allowed serves, and explain shows its addresses", async () => {
  await write("web", HOST, `${NAME.toUpperCase()}.`);
  await serves("one");
  const { answer } = await edge.explain("GET", `http://${HOST}/`);
  assert.deepEqual(answer, { kind: "proxy", service: "shop/web:80", peers: [`${one.address}:8080`] });
  assert.deepEqual((await edge.status()).problems, []);
});

test("an answer that is the same causes no push", async () => {
  const { pushes } = await edge.status();
  await askedAgain(NAME, 2);
  assert.deepEqual((await edge.status()).pushes, pushes);
});

test("its address changes: requests go there after the TTL, without a failure or a reload", async () => {
  const prober = startProber(edge, HOST);
  let failures: readonly string[] = [];
  try {
    dns.zone.set(NAME, [two.address]);
    await serves("two");
  } finally {
    failures = await prober.stop();
  }
  assert.deepEqual(failures, []);
  assert.equal((await edge.status()).reloads.total, 0);
});

test("the Service becomes another name, which is silent at first: what served goes on until it is told", async () => {
  dns.zone.set("late.example.org", "silent");
  const prober = startProber(edge, HOST);
  let failures: readonly string[] = [];
  try {
    await write("web", HOST, "late.example.org");
    await eventually("it is asked for", () => dns.asked("late.example.org") > 0);
    dns.zone.set("late.example.org", [one.address]);
    await serves("one");
  } finally {
    failures = await prober.stop();
  }
  assert.deepEqual(failures, []);
  await write("web", HOST, NAME);
  await serves("two");
});

test("a name that no pattern allows answers 503, is told with the setting, and is not asked for", async () => {
  await write("foreign", "foreign.example.test", "db.example.net");
  const told = await problem("backend-unsupported", "Service shop/foreign");
  assert.match(told.message, /endpoints\.externalNames does not allow db\.example\.net: its requests get 503$/);
  assert.match(told.fix, /^allow db\.example\.net in `endpoints\.externalNames`/);
  assert.equal((await edge.ask({ host: "foreign.example.test" })).status, 503);
  assert.equal(dns.asked("db.example.net"), 0);
});

test("a name that is the metadata address of a cloud answers 503, and both are named", async () => {
  await write("inside", "inside.example.test", "inside.example.org");
  const told = await problem("endpoint-refused", "Service shop/inside");
  assert.equal(told.field, "spec.externalName");
  assert.match(told.message, /^inside\.example\.org is 169\.254\.169\.254, which is a link-local address/);
  assert.equal((await edge.ask({ host: "inside.example.test" })).status, 503);
});

test("DNS dies: traffic goes on, also after a restart of nginx and agent, and the Service is told", async () => {
  const kept = join(edge.stateDir, "snapshot", "names.json");
  await eventually("it is on disk", async () => (await readFile(kept, "utf8")).includes(two.address));
  await dns.stop();
  const told = await problem("external-name-unresolved", "Service shop/web");
  assert.equal(told.severity, "warning");
  assert.match(told.message, /^db\.example\.org is not resolved \(.+\): its addresses of 20.+Z stay in use$/);
  assert.equal(await edge.who({ host: HOST }), "two");

  await edge.endAgent("SIGTERM");
  await assert.rejects(edge.ask({ host: HOST }), "nginx has ended too");
  await run();
  assert.equal(await edge.who({ host: HOST }), "two");
  await problem("external-name-unresolved", "Service shop/web");
  assert.equal(await edge.who({ host: HOST }), "two");
});

test("a zone that lost the name is not believed at once; what comes back is", async () => {
  dns.zone.set(NAME, "NXDOMAIN");
  await dns.start();
  const message = /\(NXDOMAIN\): its addresses of 20.+Z stay in use until 20.+Z$/;
  await eventually(
    "it is told",
    async () => message.test((await problem("external-name-unresolved", "Service shop/web")).message),
    WITHIN_MS,
  );
  assert.equal(await edge.who({ host: HOST }), "two");
  dns.zone.set(NAME, [one.address]);
  await serves("one");
  const { problems } = await edge.status();
  assert.ok(problems.every(({ object }) => object !== "Service shop/web"));
});
