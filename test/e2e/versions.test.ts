// An upgrade replaces files while nginx and perhaps the agent of before still run: agent and Lua are one version apart,
// in either direction, with traffic. What the other side does not know waits; everything else goes on.

import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { stringify } from "yaml";
import { NODE } from "../edges/machine.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";
import { type Prober, startProber } from "./support/prober.ts";
import { install, type Version } from "./support/versions.ts";

/** Every version knows all that it asks for. */
const PLAIN = "plain.example.test";
const GUARDED = "guarded.example.test";
/** The older Lua does not know its filter. */
const SHARED = "shared.example.test";
const ORIGIN = "https://page.example.test";

let edge: Edge;
let one: Backend;
let two: Backend;
let configFile: string;
let prober: Prober;

before(async () => {
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
});

after(async () => {
  await Promise.all([one?.stop(), two?.stop()]);
});

beforeEach(async () => {
  edge = await Edge.prepare({ name: "versions", args: [], portFlags: false });
  configFile = join(edge.machine.scratch, "config.yaml");
  await configure(443);
  await serve(one);
  const annotation = "nginx.ingress.kubernetes.io";
  const guard = { [`${annotation}/whitelist-source-range`]: "192.0.2.0/24" };
  const paths = [{ path: "/", service: "web" }];
  const objects = [
    ingress({ name: "plain", host: PLAIN, paths }),
    ingress({ name: "guarded", host: GUARDED, paths, annotations: guard }),
    ingress({ name: "shared", host: SHARED, paths, annotations: { [`${annotation}/enable-cors`]: "true" } }),
  ];
  await edge.writeManifest("hosts.yaml", objects.map((object) => stringify(object)).join("---\n"));
});

afterEach(async () => {
  // A test that failed before has not stopped it.
  await prober?.stop().catch(() => undefined);
  await edge.stop();
});

function configure(httpsPort: number): Promise<void> {
  return writeFile(configFile, stringify({ log: { level: "debug" }, listeners: { httpPort: 80, httpsPort } }));
}

/** `backend` is the one peer of the Service from now on. */
async function serve(backend: Backend): Promise<void> {
  await edge.writeManifest(
    "web.yaml",
    [service("web"), slice("web", [backend])].map((o) => stringify(o)).join("---\n"),
  );
}

function startAgent(version: Version): Promise<void> {
  edge.home = install(edge.machine, version);
  return runAgent();
}

function runAgent(): Promise<void> {
  return edge.run(["--config", configFile, "--manifests", edge.manifestDir]);
}

async function startReady(version: Version): Promise<void> {
  await startAgent(version);
  await edge.ready();
  await eventually("it serves", async () => (await edge.who({ host: PLAIN })) === "one");
  assert.equal((await edge.ask({ host: GUARDED })).status, 403);
}

/** A change arrives, and what is guarded stays so. */
async function assertFollows(backend: Backend): Promise<void> {
  await serve(backend);
  await eventually(`${backend.name} serves`, async () => (await edge.who({ host: PLAIN })) === backend.name);
  assert.equal((await edge.ask({ host: GUARDED })).status, 403);
}

/** What the older Lua cannot do: null where the host's route is not as it was asked for. */
async function allowedOrigin(): Promise<string | null> {
  const { status, headers } = await edge.ask({ host: SHARED, headers: { origin: ORIGIN } });
  assert.equal(status, 200);
  return headers["access-control-allow-origin"] ?? null;
}

/** The worker that answers on the push socket. Where it is one of a new configuration, those of before take no more. */
async function worker(): Promise<number> {
  const socket = join(edge.stateDir, "run/push/push.sock");
  const { stdout } = await edge.machine.exec(["curl", "-sS", "--unix-socket", socket, "http://nginx/v1/state"]);
  return (JSON.parse(stdout) as { worker: { pid: number } }).worker.pid; // documented answer
}

async function assertNothingFailed(): Promise<void> {
  assert.deepEqual(await prober.stop(), []);
}

test("an agent of today takes over an nginx on Lua of before: what that does not know waits for the reload", async () => {
  await startReady("older");
  assert.equal(await allowedOrigin(), null);
  prober = startProber(edge, PLAIN, "/", true);
  await edge.endAgent("SIGKILL");
  // nginx cannot take today's configuration for now, and stays with all that it has loaded.
  const busy = await edge.machine.spawn([NODE, "-e", "require('net').createServer().listen(8099, '0.0.0.0')"]);
  await eventually("the port is taken", async () => {
    const { stdout } = await edge.machine.exec(["cat", "/proc/net/tcp"]);
    return stdout.includes(`:${(8099).toString(16).toUpperCase()} `);
  });
  await configure(8099);
  await startAgent("today");
  const { status } = await eventually(
    "the configuration is rejected and the document refused",
    async () => {
      const now = await edge.status();
      const rejected = now.conditions.some(({ code }) => code === "configuration-rejected");
      return rejected && now.problems.some(({ code }) => code === "document-refused") ? { status: now } : null;
    },
    // nginx finds out about the port when it reloads, and the agent when no new worker answers.
    30_000,
  );
  assert.match(status.problems.map(({ message }) => message).join(), /filters\[0\]\.kind: not one of the known words/);
  await assertFollows(two);
  assert.equal(await allowedOrigin(), null, "its last good state");
  busy.kill("SIGKILL");
  await busy.exited;
  edge.signalAgent("SIGHUP");
  await eventually("the new Lua has the document", async () => (await allowedOrigin()) !== null);
  await eventually("nothing is refused", async () => {
    const { conditions, problems } = await edge.status();
    return [...conditions, ...problems].every(({ code }) => !/configuration-rejected|document-refused/.test(code));
  });
  await assertFollows(one);
  await assertNothingFailed();
});

test("an agent of today that finds nginx on Lua of before reloads it by itself", async () => {
  await startReady("older");
  prober = startProber(edge, PLAIN, "/", true);
  await edge.endAgent("SIGKILL");
  await startAgent("today");
  await eventually("the new Lua has the document", async () => (await allowedOrigin()) !== null);
  await assertFollows(two);
  const { reloads, problems } = await edge.status();
  assert.equal(reloads.total, 1);
  assert.deepEqual(problems, []);
  await assertNothingFailed();
});

test("where a new version has other Lua and nothing else, nginx reloads too", async () => {
  await startReady("today");
  const state = await worker();
  await edge.endAgent("SIGKILL");
  await appendFile(join(edge.home, "lua/headgate/version.lua"), "-- another release\n");
  await runAgent();
  await eventually("it reloads", async () => (await edge.status()).reloads.total === 1);
  assert.notEqual(await worker(), state);
});

test("an agent of before goes on with an nginx that somebody reloaded onto the Lua of today", async () => {
  await startReady("older");
  prober = startProber(edge, PLAIN, "/", true);
  const before = new Set<number>();
  for (let i = 0; i < 50; i++) before.add(await worker());
  install(edge.machine, "today");
  await edge.machine.exec(["sh", "-c", `kill -HUP "$(cat ${join(edge.stateDir, "run/nginx.pid")})"`]);
  await eventually("only new workers answer", async () => {
    for (let i = 0; i < 20; i++) if (before.has(await worker())) return false;
    return true;
  });
  await assertFollows(two);
  const more = ingress({ name: "more", host: "more.example.test", paths: [{ path: "/", service: "web" }] });
  await edge.writeManifest("more.yaml", stringify(more));
  await eventually("a new host serves", async () => (await edge.who({ host: "more.example.test" })) === "two");
  const { conditions } = await edge.status();
  assert.deepEqual(
    conditions.filter(({ severity }) => severity !== "info"),
    [],
  );
  await assertNothingFailed();
});

test("an agent of before takes over an nginx of today, as after a downgrade", async () => {
  await startReady("today");
  assert.notEqual(await allowedOrigin(), null);
  prober = startProber(edge, PLAIN, "/", true);
  await edge.endAgent("SIGKILL");
  await startAgent("older");
  // Its own rules again: it never knew the annotation.
  await eventually("the older agent has pushed anew", async () => (await allowedOrigin()) === null);
  await edge.ready();
  await assertFollows(two);
  await assertNothingFailed();
});

test("an agent of before starts on the snapshot of today's: what it cannot read it makes anew", async () => {
  await startReady("today");
  await assertFollows(two);
  await edge.endAgent("SIGTERM");
  await startAgent("older");
  await edge.ready();
  await eventually("it serves", async () => (await edge.who({ host: PLAIN })) === "two");
  assert.equal((await edge.ask({ host: GUARDED })).status, 403);
  await eventually("the older agent has pushed anew", async () => (await allowedOrigin()) === null);
});
