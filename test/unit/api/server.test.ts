import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { createMetrics } from "../../../agent/api/metrics.ts";
import { buildChecks } from "../../../agent/api/readiness.ts";
import type { ReadinessInput } from "../../../agent/api/readiness.ts";
import { startApiServer } from "../../../agent/api/server.ts";
import type { ApiInputs, ApiServer } from "../../../agent/api/server.ts";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { PLAN_BYTES_MAX, WIRE_VERSION } from "../../../agent/api/wire.ts";
import type { ExplainReport, PlanReport, PlanRequest } from "../../../agent/api/wire.ts";
import { VERSION } from "../../../agent/lib/version.ts";
import { AgentError } from "../../../agent/lib/errors.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import { NOW, statusInput } from "./support.ts";

const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };

const READY: ReadinessInput = {
  source: statusInput().source,
  snapshotLoaded: false,
  nginxRunning: true,
  dataPlaneVerified: true,
  conditions: [],
};

const report = () => buildStatusReport(statusInput());
const EXPLAINED: ExplainReport = {
  apiVersion: WIRE_VERSION,
  request: { method: "GET", url: "http://a/b", host: "a", path: "/b" },
  steps: [],
  candidates: [],
  answer: { kind: "refuse", status: 404, reason: "no host" },
  staleSince: null,
  live: null,
};

const CERTIFICATES = [
  { key: "shop/late", notAfter: 1_900_000_000_000 },
  { key: "shop/soon", notAfter: 1_800_000_000_500 },
];

function inputs(more: Partial<ApiInputs> = {}): ApiInputs {
  return {
    report,
    explain: () => EXPLAINED,
    render: () => ({ apiVersion: WIRE_VERSION, files: [], documents: [] }),
    accept: () => ({ apiVersion: WIRE_VERSION, accepted: [] }),
    plan: () => Promise.reject(new Error("nothing is planned here")),
    health: () => [{ name: "loop", state: "ok", detail: "" }],
    readiness: () => buildChecks(READY),
    metrics: () => createMetrics(report, () => CERTIFICATES).text(),
    dataPlaneMetrics: () => Promise.resolve("headgate_requests_total 5\n"),
    ...more,
  };
}

async function start(t: TestContext, more: Partial<ApiInputs> = {}): Promise<{ server: ApiServer; socket: string }> {
  const folder = await mkdtemp(join(tmpdir(), "headgate-api-"));
  const socket = join(folder, "run", "agent.sock");
  const server = await startApiServer({ socket, address: "127.0.0.1", port: 0, inputs: inputs(more), log: quiet });
  t.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { server, socket };
}

interface Got {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function ask(where: { socketPath: string } | { port: number }, path: string, method = "GET", body = ""): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const headers = body === "" ? {} : { "content-length": String(body.length) };
  const asking = request({ ...where, path, method, headers, agent: false }, (response) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("end", () => {
      const type = response.headers["content-type"] ?? "";
      resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(parts).toString() });
    });
  });
  asking.on("error", reject);
  asking.end(body);
  return promise;
}

test("answers status, explain and render on a socket that only owner and group may use", async (t) => {
  const { socket } = await start(t);
  assert.equal((await stat(socket)).mode & 0o777, 0o660);
  const status = await ask({ socketPath: socket }, "/v1/status");
  assert.equal(status.type, "application/json");
  assert.deepEqual(JSON.parse(status.body), report());
  const explained = await ask({ socketPath: socket }, "/v1/explain?method=GET&url=http%3A%2F%2Fa%2Fb");
  assert.deepEqual(JSON.parse(explained.body), EXPLAINED);
  assert.equal((await ask({ socketPath: socket }, "/v1/render")).status, 200);
});

test("refuses what it cannot explain, with the cause and a hint", async (t) => {
  const { socket } = await start(t);
  for (const query of ["", "?url=nonsense", "?url=ftp://a/", "?method=get%20x&url=http://a/"]) {
    const got = await ask({ socketPath: socket }, `/v1/explain${query}`);
    assert.equal(got.status, 400);
    const error: unknown = JSON.parse(got.body);
    assert.match(JSON.stringify(error), /"code":"usage","message":"cannot explain: .*"hint":"Write/);
  }
});

test("refuses other methods, other paths and bodies", async (t) => {
  const { socket, server } = await start(t);
  assert.equal((await ask({ socketPath: socket }, "/v1/status", "POST")).status, 405);
  assert.equal((await ask({ socketPath: socket }, "/v1/status", "GET", "x")).status, 413);
  assert.equal((await ask({ socketPath: socket }, "/metrics")).status, 404);
  assert.equal((await ask({ port: server.port ?? 0 }, "/v1/status")).status, 404);
});

const PLAN: PlanRequest = {
  version: VERSION,
  mode: "overlay",
  given: { objects: [], refusals: [] },
  deletions: { objects: [], refusals: [] },
  values: false,
};
const PLANNED: PlanReport = {
  apiVersion: WIRE_VERSION,
  edge: "edge-3",
  staleSince: null,
  objects: [],
  documents: [],
  reload: null,
  files: [],
  newProblems: [],
  goneProblems: [],
  notes: [],
};

test("plans what is posted, on the socket alone", async (t) => {
  const asked: PlanRequest[] = [];
  const { socket, server } = await start(t, {
    plan: (request) => {
      asked.push(request);
      return Promise.resolve(PLANNED);
    },
  });
  const got = await ask({ socketPath: socket }, "/v1/plan", "POST", JSON.stringify(PLAN));
  assert.deepEqual([got.status, JSON.parse(got.body), asked], [200, PLANNED, [PLAN]]);
  assert.equal((await ask({ socketPath: socket }, "/v1/plan")).status, 405);
  assert.equal((await ask({ port: server.port ?? 0 }, "/v1/plan", "POST", JSON.stringify(PLAN))).status, 413);
});

test("refuses a plan that is none, of another version, or too long, without reading it", async (t) => {
  const { socket } = await start(t, { plan: () => Promise.resolve(PLANNED) });
  const bodies: readonly (readonly [unknown, RegExp])[] = [
    ["x", /no object/],
    [{ ...PLAN, version: "0.0.1" }, /version 0\.0\.1 asks, and the agent is of version.*Restart the agent/],
    [{ ...PLAN, mode: "else" }, /`mode`/],
    [{ ...PLAN, values: 1 }, /`values`/],
    [{ ...PLAN, given: { objects: [{}], refusals: [] } }, /`given`/],
    [{ ...PLAN, deletions: null }, /`deletions`/],
  ];
  for (const [body, expected] of bodies) {
    const got = await ask({ socketPath: socket }, "/v1/plan", "POST", JSON.stringify(body));
    assert.equal(got.status, 400);
    assert.match(got.body, expected);
  }
  assert.equal((await ask({ socketPath: socket }, "/v1/plan", "POST", "{")).status, 400);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const headers = { "content-length": String(PLAN_BYTES_MAX + 1) };
  const long = request({ socketPath: socket, path: "/v1/plan", method: "POST", headers, agent: false }, (response) => {
    resolve(response.statusCode);
    response.resume();
  });
  long.on("error", () => resolve(undefined));
  long.flushHeaders();
  assert.equal(await promise, 413);
  long.destroy();
  assert.equal((await ask({ socketPath: socket }, "/v1/status")).status, 200);
});

test("tells a plan that nobody waits for it any more", async (t) => {
  const begun = Promise.withResolvers<AbortSignal>();
  const { socket } = await start(t, {
    plan: (_request, signal) => {
      begun.resolve(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(PLANNED)));
    },
  });
  const asking = request({ socketPath: socket, path: "/v1/plan", method: "POST", agent: false });
  asking.on("error", () => undefined);
  asking.setHeader("content-length", JSON.stringify(PLAN).length);
  asking.end(JSON.stringify(PLAN));
  const signal = await begun.promise;
  assert.equal(signal.aborted, false);
  const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
  asking.destroy();
  await aborted;
});

test("what a handler throws is an answer, and the next request is served", async (t) => {
  let broken = true;
  const { socket } = await start(t, {
    report: () => {
      if (broken) throw new Error("out of luck");
      return report();
    },
    render: () => Promise.reject(new AgentError("push-failed", "cannot ask the data plane", { hint: "Wait." })),
  });
  const failed = await ask({ socketPath: socket }, "/v1/status");
  assert.deepEqual([failed.status, JSON.parse(failed.body).message], [500, "out of luck"]);
  broken = false;
  assert.equal((await ask({ socketPath: socket }, "/v1/status")).status, 200);
  assert.match((await ask({ socketPath: socket }, "/v1/render")).body, /push-failed/);
});

test("takes over the socket of an agent that crashed, and refuses that of one that lives", async (t) => {
  const { socket } = await start(t);
  const second = { socket, address: "127.0.0.1", port: null, inputs: inputs(), log: quiet };
  await assert.rejects(startApiServer(second), /another agent answers there/);
  const folder = await mkdtemp(join(tmpdir(), "headgate-api-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const stale = join(folder, "agent.sock");
  await writeFile(stale, "");
  const server = await startApiServer({ ...second, socket: stale });
  t.after(() => server.stop());
  assert.equal((await ask({ socketPath: stale }, "/v1/status")).status, 200);
});

test("says which port is taken and what to set", async (t) => {
  const { server } = await start(t);
  const folder = await mkdtemp(join(tmpdir(), "headgate-api-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = {
    socket: join(folder, "a.sock"),
    address: "127.0.0.1",
    port: server.port,
    inputs: inputs(),
    log: quiet,
  };
  await assert.rejects(startApiServer(options), (thrown: unknown) => {
    assert.ok(thrown instanceof AgentError);
    assert.match(thrown.message, /cannot listen on 127\.0\.0\.1 port \d+/);
    assert.match(thrown.hint ?? "", /api\.port/);
    return true;
  });
});

test("is ready while the source is away, and says it is degraded", async (t) => {
  let input = READY;
  const { server } = await start(t, { readiness: () => buildChecks(input) });
  const where = { port: server.port ?? 0 };
  assert.deepEqual(await ask(where, "/readyz"), { status: 200, type: "text/plain; charset=utf-8", body: "ok\n" });
  const trouble = { resource: "", message: "no connection", since: NOW, hint: "" };
  input = { ...READY, source: { ...READY.source, troubles: [trouble] } };
  assert.equal((await ask(where, "/readyz")).body, "ok (degraded)\n");
  assert.match((await ask(where, "/readyz?verbose")).body, /^\[~\]source degraded: no connection\n\[\+\]nginx ok\n/);
  input = { ...READY, source: { ...READY.source, synced: false } };
  assert.equal((await ask(where, "/readyz")).status, 503);
  input = { ...input, snapshotLoaded: true };
  assert.equal((await ask(where, "/readyz")).status, 200);
  input = { ...READY, dataPlaneVerified: false };
  const unverified = await ask(where, "/readyz");
  assert.deepEqual(
    [unverified.status, unverified.body.includes("[-]data-plane failed: not verified yet")],
    [503, true],
  );
});

test("is alive as long as the loop is", async (t) => {
  let state: "ok" | "failed" = "ok";
  const { server } = await start(t, { health: () => [{ name: "loop", state, detail: "no round for 40 s" }] });
  assert.equal((await ask({ port: server.port ?? 0 }, "/healthz")).status, 200);
  state = "failed";
  assert.equal((await ask({ port: server.port ?? 0 }, "/healthz")).status, 503);
});

test("gives its own metrics and the data plane's, and its own alone when that is silent", async (t) => {
  let silent = false;
  const { server } = await start(t, {
    dataPlaneMetrics: () =>
      silent ? Promise.reject(new Error("gone")) : Promise.resolve("headgate_requests_total 5\n"),
  });
  const where = { port: server.port ?? 0 };
  const { body } = await ask(where, "/metrics");
  assert.match(body, /^headgate_generation 42$/m);
  assert.match(body, /^headgate_reloads_total 2$/m);
  assert.match(body, /^headgate_state\{state="serving"\} 1$/m);
  assert.match(body, /^headgate_info\{version="0\.1\.0",nginx="1\.26\.3"\} 1$/m);
  assert.match(
    body,
    /^headgate_certificate_expires_timestamp_seconds\{namespace="shop",secret="soon"\} 1800000000\.5\n.*secret="late"/m,
  );
  assert.match(body, /^headgate_requests_total 5$/m);
  assert.match(body, /^headgate_agent_process_resident_memory_bytes \d+$/m);
  // Measured by a timer of 10 ms, for as long as the agent lives.
  assert.doesNotMatch(body, /eventloop_lag_(min|mean|max|p99)/);
  silent = true;
  const alone = await ask(where, "/metrics");
  assert.equal(alone.status, 200);
  assert.doesNotMatch(alone.body, /headgate_requests_total/);
});

test("a client that sends nothing, or garbage, disturbs nobody", async (t) => {
  const { socket, server } = await start(t);
  const idle = Array.from({ length: 20 }, () => connect(server.port ?? 0, "127.0.0.1"));
  const garbage = connect(socket);
  garbage.write("\u0000\u0001 nonsense\r\n\r\n");
  garbage.on("error", () => {});
  assert.equal((await ask({ socketPath: socket }, "/v1/status")).status, 200);
  assert.equal((await ask({ port: server.port ?? 0 }, "/healthz")).status, 200);
  for (const connection of [...idle, garbage]) connection.destroy();
});

test("believes a list when it is told to by POST on the socket, and by nothing else", async (t) => {
  const told: (string | null)[] = [];
  const accept: ApiInputs["accept"] = (kind) => {
    told.push(kind);
    if (kind === "Pod") throw new AgentError("usage", "cannot accept", { hint: "Held back are: Ingress." });
    return { apiVersion: WIRE_VERSION, accepted: [{ kind: "Ingress", objects: 60 }] };
  };
  const { server, socket } = await start(t, { accept });
  const post = (body: string): Promise<Got> => ask({ socketPath: socket }, "/v1/accept", "POST", body);
  const one = await post('{"kind":"Ingress"}');
  assert.deepEqual([one.status, JSON.parse(one.body).accepted], [200, [{ kind: "Ingress", objects: 60 }]]);
  assert.equal((await post('{"kind":null}')).status, 200);
  assert.deepEqual(told, ["Ingress", null]);
  const stranger = await post('{"kind":"Pod"}');
  assert.deepEqual([stranger.status, JSON.parse(stranger.body).hint], [400, "Held back are: Ingress."]);
  told.length = 0;
  for (const body of ["{}", "null", '{"kind":""}', '{"kind":"a b"}', "x"]) assert.equal((await post(body)).status, 400);
  assert.equal((await post(`{"kind":"${"a".repeat(2000)}"}`)).status, 413);
  assert.equal((await ask({ socketPath: socket }, "/v1/accept")).status, 405);
  assert.equal((await ask({ port: server.port ?? 0 }, "/v1/accept", "POST", '{"kind":null}')).status, 413);
  assert.deepEqual(told, []);
});
