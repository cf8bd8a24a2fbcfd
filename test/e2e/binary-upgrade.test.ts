// nginx's binary is replaced while it serves, as the packages of Debian do it: USR2 starts a second master beside the
// first one, on the same sockets; QUIT ends the first. What is pushed then would reach either of them.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";
import { type Prober, startProber } from "./support/prober.ts";

const HOST = "upgrade.example.test";

let edge: Edge;
let one: Backend;
let two: Backend;
let prober: Prober | null = null;

before(async () => {
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  edge = await Edge.prepare({ name: "binary-upgrade", args: [], portFlags: false });
  await serve(one);
  await edge.writeManifest("host.yaml", stringify(host("upgrade")));
  // An nginx of its own the agent starts in the foreground, and there it takes no USR2; a unit's runs in the background.
  const configFile = join(edge.machine.scratch, "config.yaml");
  const listeners = { httpPort: 80, httpsPort: 443 };
  await writeFile(configFile, stringify({ log: { level: "debug" }, nginx: { service: "nginx.service" }, listeners }));
  await edge.run(["--config", configFile, "--manifests", edge.manifestDir]);
  const main = join(edge.stateDir, "nginx/current/nginx.conf");
  await eventually("nginx has files", () => existsSync(main));
  const prefix = join(edge.stateDir, "run/nginx");
  const errors = join(edge.stateDir, "log/nginx-error.log");
  await edge.machine.exec(["/usr/sbin/nginx", "-c", main, "-p", prefix, "-e", errors]);
  await edge.ready();
  await eventually("it serves", async () => (await edge.who({ host: HOST })) === "one");
  // What a second master begins with.
  await eventually("the snapshot is written", () => existsSync(join(edge.stateDir, "snapshot/manifest.json")));
});

after(async () => {
  await prober?.stop().catch(() => undefined); // stopped already, unless the test failed
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
});

function host(name: string): object {
  return ingress({ name, host: `${name}.example.test`, paths: [{ path: "/", service: "web" }] });
}

async function serve(backend: Backend): Promise<void> {
  await edge.writeManifest(
    "web.yaml",
    [service("web"), slice("web", [backend])].map((o) => stringify(o)).join("---\n"),
  );
}

async function pidIn(file: string): Promise<number | null> {
  const { stdout } = await edge.machine.exec(["cat", join(edge.stateDir, "run", file)], { reject: false });
  return stdout === "" ? null : Number(stdout.trim());
}

async function signal(name: string, pid: number | null): Promise<void> {
  assert.ok(pid !== null);
  await edge.machine.exec(["kill", `-${name}`, String(pid)]);
}

async function twoMasters(): Promise<readonly [number, number]> {
  const old = await pidIn("nginx.pid");
  await signal("USR2", old);
  const young = await eventually("a second master runs", async () => {
    const pid = await pidIn("nginx.pid");
    return pid !== null && pid !== old && (await pidIn("nginx.pid.oldbin")) === old ? pid : null;
  });
  return [old ?? 0, young];
}

function isHeld(): Promise<boolean> {
  return edge.status().then(({ conditions }) => conditions.some(({ message }) => /two masters/.test(message)));
}

test("while two masters share the sockets nothing is pushed; the new one gets all of it when it is alone", async () => {
  prober = startProber(edge, HOST, "/", true);
  const [old, young] = await twoMasters();
  await serve(two);
  await edge.writeManifest("more.yaml", stringify(host("more")));
  await eventually("the push is held back, and status says so", isHeld);
  // Both serve what was known before, whoever answers.
  for (let i = 0; i < 50; i++) assert.equal(await edge.who({ host: HOST }), "one");
  for (let i = 0; i < 50; i++) assert.equal((await edge.ask({ host: "more.example.test" })).status, 404);
  await signal("WINCH", old);
  await signal("QUIT", old);
  await eventually("the old master is gone", async () => (await pidIn("nginx.pid.oldbin")) === null);
  await eventually("two serves", async () => (await edge.who({ host: HOST })) === "two");
  for (let i = 0; i < 50; i++) assert.equal(await edge.who({ host: HOST }), "two");
  assert.equal((await edge.ask({ host: "more.example.test" })).status, 200);
  const { components } = await eventually("all is well", async () => {
    const now = await edge.status();
    return now.conditions.every(({ severity }) => severity === "info") ? now : null;
  });
  assert.match(components.find(({ name }) => name === "NGINX")?.detail ?? "", new RegExp(`^pid ${young},`));
  assert.deepEqual(await prober.stop(), []);
});

test("an upgrade that is taken back loses nothing either", async () => {
  prober = startProber(edge, HOST, "/", true);
  const [old, young] = await twoMasters();
  await serve(one);
  await eventually("the push is held back", isHeld);
  await signal("QUIT", young);
  await eventually("the old master has its pid file again", async () => (await pidIn("nginx.pid")) === old);
  await eventually("one serves", async () => (await edge.who({ host: HOST })) === "one");
  for (let i = 0; i < 50; i++) assert.equal(await edge.who({ host: HOST }), "one");
  assert.deepEqual(await prober.stop(), []);
});
