// The command itself, as a process, on a real socket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startApiServer } from "../../../agent/api/server.ts";
import type { ApiInputs } from "../../../agent/api/server.ts";
import { AgentError } from "../../../agent/lib/errors.ts";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { WIRE_VERSION } from "../../../agent/api/wire.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import { VERSION } from "../../../agent/lib/version.ts";
import { problem, statusInput } from "../api/support.ts";

const CLI = join(import.meta.dirname, "../../../agent/cli.ts");
const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", HEADGATE_STATE_DIR: "/nonexistent", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (written.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (written.err += text));
  const { promise, resolve } = Promise.withResolvers<Ran>();
  child.once("close", (code) => resolve({ code, ...written }));
  return { child, written, ended: promise };
}

function headgate(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return start(args, env).ended;
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "headgate-cli-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An agent's socket in a state folder of its own. */
async function agent(t: TestContext, more: Partial<ApiInputs> = {}): Promise<{ folder: string; socket: string }> {
  const folder = await folderFor(t);
  const socket = join(folder, "run", "agent.sock");
  const inputs: ApiInputs = {
    report: () => buildStatusReport(statusInput()),
    explain: ({ method, url }) => ({
      apiVersion: WIRE_VERSION,
      request: { method, url: url.href, host: url.host, path: url.pathname },
      steps: [],
      candidates: [],
      answer: { kind: "refuse", status: 404, reason: `${method} ${url.href}` },
      staleSince: null,
      live: null,
    }),
    render: () => ({
      apiVersion: WIRE_VERSION,
      files: [{ path: "nginx.conf", text: "events {}\n" }],
      documents: [{ kind: "backend", key: "shop/web/80", value: { service: "web" } }],
    }),
    accept: () => ({ apiVersion: WIRE_VERSION, accepted: [] }),
    plan: () => Promise.reject(new Error("nothing is planned here")),
    health: () => [],
    readiness: () => [],
    metrics: () => Promise.resolve(""),
    dataPlaneMetrics: () => Promise.resolve(""),
    ...more,
  };
  const server = await startApiServer({ socket, address: "127.0.0.1", port: null, inputs, log: quiet });
  t.after(() => server.stop());
  return { folder, socket };
}

test("finds the agent by --socket, HEADGATE_SOCKET, --state-dir and HEADGATE_STATE_DIR", async (t) => {
  const { folder, socket } = await agent(t);
  const ways: readonly (readonly [readonly string[], Record<string, string>])[] = [
    [["status", "--socket", socket], {}],
    [["status"], { HEADGATE_SOCKET: socket }],
    [["status", "--state-dir", folder], { HEADGATE_SOCKET: "/nonexistent/other" }],
    [["status"], { HEADGATE_STATE_DIR: folder }],
  ];
  for (const [args, env] of ways) {
    const { code, out, err } = await headgate(args, env);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^Edge edge-3 is serving: generation 42/);
  }
});

test("status -o json is the report as it is", async (t) => {
  const { socket } = await agent(t);
  const { code, out } = await headgate(["status", "-o", "json", "--socket", socket]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), buildStatusReport(statusInput()));
});

test("status --check tells a degraded edge by exit code 4, and status alone does not", async (t) => {
  let problems = [problem()];
  const { socket } = await agent(t, { report: () => buildStatusReport(statusInput({ problems })) });
  assert.equal((await headgate(["status", "--socket", socket])).code, 0);
  assert.equal((await headgate(["status", "--check", "--socket", socket])).code, 4);
  problems = [];
  assert.equal((await headgate(["status", "--check", "--socket", socket])).code, 0);
});

test("without an agent every command that asks exits 3 with a hint, on standard error", async (t) => {
  const folder = await folderFor(t);
  for (const args of [["status"], ["explain", "GET", "http://a/"], ["render"]]) {
    const { code, out, err } = await headgate([...args, "--state-dir", folder]);
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /^headgate: no agent is running: nothing answers on .*agent\.sock\nStart it with `headgate run/);
  }
});

test("version needs no agent", async (t) => {
  const folder = await folderFor(t);
  const { code, out } = await headgate(["version", "-o", "json", "--state-dir", folder]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), { cli: VERSION, agent: null, nginx: null });
  const { socket } = await agent(t);
  const running = await headgate(["version", "-o", "json", "--socket", socket]);
  assert.deepEqual(JSON.parse(running.out), { cli: VERSION, agent: "0.1.0", nginx: "1.26.3" });
});

test("the version is that of the package", async () => {
  const text = await readFile(join(import.meta.dirname, "../../../package.json"), "utf8");
  const { version } = JSON.parse(text) as { version: string }; // our own package.json
  assert.equal(VERSION, version);
});

test("a command line that cannot be understood exits 2 and says what was meant", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^Usage: headgate COMMAND/],
    [["statsu"], /there is no such command\nDid you mean `headgate status`\?/],
    [["status", "--wach"], /Unknown option '--wach'\nDid you mean `--watch`\?/],
    [["status", "extra"], /it takes no arguments\nSee `headgate status --help`/],
    [["status", "-o", "xml"], /formats are text and json/],
    [["status", "--socket"], /argument missing/],
    [["explain"], /it takes \[METHOD\] URL/],
    [["explain", "shop.example.org/x"], /is no http or https URL\nWrite it with scheme and host/],
  ];
  for (const [args, expected] of cases) {
    const { code, out, err } = await headgate(args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, expected);
  }
});

test("help is on standard output and names every command and option", async () => {
  const general = await headgate(["--help"]);
  assert.equal(general.code, 0);
  for (const name of ["run", "status", "explain", "render", "version"]) {
    assert.match(general.out, new RegExp(`^  ${name} `, "m"));
    const help = await headgate([name, "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`^Usage: headgate ${name}`));
  }
  assert.match((await headgate(["help", "run"])).out, /--allow-local-endpoints/);
});

test("explain sends method and URL as they are meant", async (t) => {
  const { socket } = await agent(t);
  const { out } = await headgate(["explain", "post", "https://a/x?y=1&z=ä", "--socket", socket]);
  assert.equal(out, "would answer 404: POST https://a/x?y=1&z=%C3%A4\n");
});

test("explain --live asks for nginx's answer too; a difference is exit 1", async (t) => {
  let differs = false;
  const asked: boolean[] = [];
  const { socket } = await agent(t, {
    explain: ({ method, url, live }) => {
      asked.push(live);
      const difference = { what: "peers", model: "10.0.0.1:80", nginx: "", hint: "Look again." };
      return {
        apiVersion: WIRE_VERSION,
        request: { method, url: url.href, host: url.host, path: url.pathname },
        steps: [],
        candidates: [],
        answer: { kind: "proxy", service: "shop/web:80", peers: ["10.0.0.1:80"] },
        staleSince: null,
        live: live ? { differences: differs ? [difference] : [] } : null,
      };
    },
  });
  const run = (...args: readonly string[]) => headgate(["explain", ...args, "http://a/", "--socket", socket]);
  assert.deepEqual(await run(), { code: 0, out: "would send it to shop/web:80: 10.0.0.1:80\n", err: "" });
  assert.match((await run("--live")).out, /\nnginx agrees\n$/);
  differs = true;
  const { code, out } = await run("--live");
  assert.equal(code, 1);
  assert.match(out, /\n\nDIFFERS {2}MODEL {8}NGINX\npeers {4}10\.0\.0\.1:80 {2}-\nLook again\.\n$/);
  assert.equal((await run()).code, 0);
  assert.deepEqual(asked, [false, true, true, false]);
});

test("render shows files and documents, all or those with a word in their name", async (t) => {
  const { socket } = await agent(t);
  const all = await headgate(["render", "--socket", socket]);
  assert.equal(all.out, '# file nginx.conf\nevents {}\n\n# documents\nbackend shop/web/80 {"service":"web"}\n');
  const part = await headgate(["render", "shop/web", "--socket", socket]);
  assert.equal(part.out, '# documents\nbackend shop/web/80 {"service":"web"}\n');
  assert.equal((await headgate(["render", "nothing", "--socket", socket])).code, 2);
});

test("status --watch without a terminal prints each change once, and waits for an agent that is away", async (t) => {
  let generation = 42;
  const { socket } = await agent(t, { report: () => buildStatusReport(statusInput({ generation, now: Date.now() })) });
  const { child, written, ended } = start(["status", "--watch", "--socket", socket]);
  t.after(() => child.kill("SIGKILL"));
  await shown(written, /generation 42/);
  generation = 43;
  await shown(written, /generation 43/);
  child.kill("SIGINT");
  const { code, out } = await ended;
  assert.equal(code, 0);
  assert.equal(out.match(/^Edge /gm)?.length, 2);
  const waiting = start(["status", "--watch", "--socket", "/nonexistent/a.sock"]);
  t.after(() => waiting.child.kill("SIGKILL"));
  await shown(waiting.written, /no agent is running/);
  waiting.child.kill("SIGTERM");
  assert.equal((await waiting.ended).code, 0);
});

async function shown(written: { readonly out: string }, expected: RegExp): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!expected.test(written.out)) {
    assert.ok(Date.now() < deadline, `${String(expected)} is not in ${written.out}`);
    await delay(20);
  }
}

test("something else on the socket is no agent, and its answer is not believed", async (t) => {
  const socket = join(await folderFor(t), "other.sock");
  const other = createServer((_request, response) => response.end("<html>"));
  t.after(() => other.close());
  await new Promise<void>((resolve) => other.listen(socket, resolve));
  const { code, err } = await headgate(["status", "--socket", socket]);
  assert.equal(code, 3);
  assert.match(err, /cannot understand the answer/);
});

test("run hands its options to the agent, in the same process", async () => {
  const child = start(["run", "--manifest", "x"]);
  const { code, err } = await child.ended;
  assert.equal(code, 2);
  assert.match(err, /Did you mean `--manifests`\?/);
});

test("accept names what is gone now, of one kind or of all, and fails for what is not held back", async (t) => {
  const held = new Map([
    ["EndpointSlice", 2988],
    ["Service", 1],
  ]);
  const accept: ApiInputs["accept"] = (kind) => {
    if (kind === "Pod") throw new AgentError("usage", "cannot accept", { hint: "Held back are: Service." });
    const kinds = [...held].filter(([name]) => kind === null || name === kind);
    for (const [name] of kinds) held.delete(name);
    return { apiVersion: WIRE_VERSION, accepted: kinds.map(([name, objects]) => ({ kind: name, objects })) };
  };
  const { socket } = await agent(t, { accept });
  const run = (...args: string[]): Promise<Ran> => headgate(["accept", ...args, "--socket", socket]);
  assert.deepEqual(await run("EndpointSlice"), { code: 0, out: "EndpointSlice: 2988 objects are gone now\n", err: "" });
  assert.deepEqual(JSON.parse((await run("-o", "json")).out).accepted, [{ kind: "Service", objects: 1 }]);
  assert.deepEqual(await run(), { code: 0, out: "", err: "Nothing is held back\n" });
  const stranger = await run("Pod");
  assert.equal(stranger.code, 2);
  assert.match(stranger.err, /cannot accept\nHeld back are: Service\./);
  assert.equal((await run("a/b")).code, 2);
});
