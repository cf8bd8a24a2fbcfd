import assert from "node:assert/strict";
import { test } from "node:test";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { backend, builtHost, model, NOW, problem, route, statusInput } from "./support.ts";

test("shows the hosts without a peer first, then by name", () => {
  const report = buildStatusReport(
    statusInput({
      model: model(
        [
          builtHost("b.example.org", [route("b.example.org", "web")]),
          builtHost("a.example.org", [route("a.example.org", "web")]),
          builtHost("z.example.org", [route("z.example.org", "gone")]),
          builtHost("y.example.org", [route("y.example.org", null, { closed: { reason: "auth-url is not served" } })]),
        ],
        [
          backend("web", 3, { notReady: 1, draining: 2 }),
          backend("gone", 0, { notReady: 3, reason: "no ready endpoints" }),
        ],
      ),
    }),
  );
  assert.deepEqual(
    report.hosts.map(({ host, service, ready, total, draining, state }) => [
      host,
      service,
      ready,
      total,
      draining,
      state,
    ]),
    [
      ["y.example.org", "", 0, 0, 0, "closed: auth-url is not served"],
      ["z.example.org", "shop/gone:80", 0, 3, 0, "no ready endpoints"],
      ["a.example.org", "shop/web:80", 3, 4, 2, "ok"],
      ["b.example.org", "shop/web:80", 3, 4, 2, "ok"],
    ],
  );
});

test("shows a Service once for each host, however many paths lead to it", () => {
  const routes = [route("a", "web"), route("a", "web", { path: "/x" }), route("a", "api", { path: "/api" })];
  const report = buildStatusReport(
    statusInput({ model: model([builtHost("a", routes)], [backend("web", 1), backend("api", 1)]) }),
  );
  assert.deepEqual(
    report.hosts.map(({ service }) => service),
    ["shop/api:80", "shop/web:80"],
  );
});

test("joins a fault that several hosts have, and shows errors before warnings", () => {
  const report = buildStatusReport(
    statusInput({
      model: model(
        [
          builtHost("a", [], [problem({ hosts: ["a"] }), problem({ severity: "warning", field: "tls" })]),
          builtHost("b", [], [problem({ hosts: ["b"] })]),
        ],
        [],
      ),
      problems: [problem({ code: "object-refused", object: null, where: "x.yaml:1 (document 1)" })],
    }),
  );
  assert.deepEqual(
    report.problems.map(({ code, severity, object, hosts }) => [code, severity, object, hosts.join()]),
    [
      ["object-refused", "error", "", ""],
      ["host-invalid", "error", "Ingress shop/web", "a,b"],
      ["host-invalid", "warning", "Ingress shop/web", ""],
    ],
  );
});

test("is serving, degraded, starting or down by what is known", () => {
  const state = (more: Parameters<typeof statusInput>[0]): string => buildStatusReport(statusInput(more)).state;
  const down = { state: "down", masterPid: null, version: null, since: NOW - 5000 } as const;
  const condition = { code: "reload-failed", severity: "error", message: "m", hint: "h", since: NOW } as const;
  const unsynced = {
    kind: "kubernetes",
    location: "https://x",
    synced: false,
    lastEventAt: null,
    troubles: [],
  } as const;
  assert.equal(state({}), "serving");
  assert.equal(state({ conditions: [condition] }), "degraded");
  assert.equal(state({ conditions: [{ ...condition, severity: "info" }] }), "serving");
  assert.equal(state({ problems: [problem()] }), "degraded");
  assert.equal(state({ problems: [problem({ severity: "warning" })] }), "serving");
  assert.equal(state({ generation: null }), "starting");
  assert.equal(state({ source: unsynced }), "starting");
  assert.equal(state({ source: unsynced, snapshotFrom: NOW - 1000 }), "serving");
  assert.equal(state({ nginx: down, conditions: [condition] }), "down");
});

test("says of each component what it is, since when, and why", () => {
  const trouble = { resource: "", message: "cannot read /m", since: NOW - 40_000, hint: "ls" };
  const source = {
    kind: "manifests",
    location: "/m",
    synced: true,
    lastEventAt: NOW - 90_000,
    troubles: [trouble],
  } as const;
  const report = buildStatusReport(statusInput({ source, snapshotFrom: NOW - 7_200_000 }));
  assert.deepEqual(report.components, [
    { name: "NGINX", state: "running", detail: "pid 812, reloaded 3h ago (new listener)", since: NOW - 60_000 },
    {
      name: "MANIFESTS",
      state: "troubled",
      detail: "for 40s: cannot read /m, serving what was known 2h ago, last change 1m ago",
      since: NOW - 40_000,
    },
  ]);
});
