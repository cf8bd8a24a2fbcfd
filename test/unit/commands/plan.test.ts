// `headgate plan` and `diff` as processes, on a real socket behind which a real change is tried.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startApiServer } from "../../../agent/api/server.ts";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { PLAN_BYTES_MAX, type PlanReport, type PlanRequest, WIRE_VERSION } from "../../../agent/api/wire.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import { buildersOf } from "../../../agent/loop/builders.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { allKeys } from "../../../agent/model/keys.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { buildPlanReport, type ReportInput } from "../../../agent/trial/plan-report.ts";
import { tryChange } from "../../../agent/trial/try-change.ts";
import { statusInput } from "../api/support.ts";
import {
  endpoint,
  goodKeyPair,
  ingress,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  slice,
  storeOf,
} from "../model/objects.ts";
import { folderFor, runCli } from "./support.ts";

const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };
const nothing = () => Promise.reject(new Error("not here"));

const KNOWN: readonly KubernetesObject[] = [
  ingress("shop/web", { rules: [rule("shop.example.org", path("/"))] }),
  service("shop/web", [servicePort(80, "http")]),
  slice("shop/web-1", "web", [endpoint("10.0.0.1")], { ports: [{ name: "http", port: 8080, protocol: "TCP" }] }),
];

const CHANGED = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: headgate
  rules:
    - host: shop.example.org
      http: {paths: [
        {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}},
        {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}
`;
const API = `---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: shop, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.2], conditions: {ready: true}}]
`;
const NO_RELOAD = { reason: null, before: [], after: [] };

function builtOf(objects: readonly KubernetesObject[]): EdgeBuilder {
  const store = storeOf(objects);
  const builder = new EdgeBuilder(buildersOf(store, SETTINGS, Date.now));
  for (const key of allKeys(store)) builder.build(key);
  return builder;
}

/** A folder, and the socket of an agent that knows KNOWN. */
async function agent(
  t: TestContext,
  configuration: ReportInput["configuration"] = NO_RELOAD,
  known: readonly KubernetesObject[] = KNOWN,
): Promise<{ folder: string; socket: string }> {
  const folder = await folderFor(t);
  const socket = join(folder, "run", "agent.sock");
  const base = {
    settings: SETTINGS,
    objects: known,
    names: new Map(),
    refusals: [],
    source: "manifests" as const,
    now: Date.now(),
    builder: builtOf(known),
  };
  const plan = async (request: PlanRequest, signal: AbortSignal): Promise<PlanReport> => {
    const tried = await tryChange(base, request, signal);
    return buildPlanReport({ edge: "edge-3", staleSince: null, tried, configuration, values: request.values });
  };
  const server = await startApiServer({
    socket,
    address: "127.0.0.1",
    port: null,
    inputs: {
      report: () => buildStatusReport(statusInput()),
      explain: nothing,
      render: nothing,
      accept: () => ({ apiVersion: WIRE_VERSION, accepted: [] }),
      plan,
      health: () => [],
      readiness: () => [],
      metrics: () => Promise.resolve(""),
      dataPlaneMetrics: () => Promise.resolve(""),
    },
    log: quiet,
  });
  t.after(() => server.stop());
  return { folder, socket };
}

/** Keys of routes end in a hash. */
function withoutHashes(text: string): string {
  return text.replaceAll(/\b[0-9a-z]{11}\b/g, "HASH");
}

test("plan: one block for each object, then the sum", async (t) => {
  const { folder, socket } = await agent(t);
  const file = join(folder, "shop.yaml");
  await writeFile(file, CHANGED + API);
  const { code, out, err } = await runCli(["plan", file, "--socket", socket]);
  assert.deepEqual([code, err], [0, ""]);
  assert.equal(
    withoutHashes(out),
    `create Service shop/api (shop.yaml:12)
  hosts: shop.example.org
  + backend shop/api/80

create EndpointSlice shop/api-1 (shop.yaml:17)
  hosts: shop.example.org
  + backend shop/api/80

change Ingress shop/web (shop.yaml:1)
  hosts: shop.example.org
  + route shop/web/HASH
  ~ host ingress/shop.example.org

3 objects change 3 documents, 0 reloads, 0 new problems
`,
  );
});

test("plan: a new error is exit 1, and standard input is a manifest", async (t) => {
  const { socket } = await agent(t);
  const { code, out } = await runCli(["plan", "-", "--socket", socket], { stdin: CHANGED });
  assert.equal(code, 1);
  assert.match(
    out,
    /^ {2}new problem: error service-missing: Ingress shop\/web, stdin:1, spec\.rules\[0\].*there is no Service shop\/api/m,
  );
  assert.match(out, /1 object changes 3 documents, 0 reloads, 1 new problem\n$/);
});

test("plan: what is known already is one line, and what is refused is an error", async (t) => {
  const { folder, socket } = await agent(t);
  const same = await runCli(["plan", "--delete", "-", "--socket", socket], {
    stdin: "apiVersion: v1\nkind: Service\nmetadata: {name: nobody}\nspec: {ports: [{port: 80}]}\n",
  });
  assert.equal(same.code, 0);
  assert.equal(same.out, "1 object as the agent knows it\n\n0 objects change 0 documents, 0 reloads, 0 new problems\n");
  await writeFile(
    join(folder, "a.yaml"),
    "kind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: web, namespace: shop}\nspec: {rule: []}\n",
  );
  await writeFile(join(folder, "b.yaml"), "{");
  const { code, out } = await runCli(["plan", folder, "--socket", socket]);
  assert.equal(code, 1);
  assert.match(out, /^refused Ingress shop\/web \(a\.yaml:1 \(document 1\)\)\n {2}new problem: error object-refused/m);
  assert.match(out, /^refused a document without a name \(b\.yaml.*\n {2}new problem: error object-refused: b\.yaml/m);
});

test("plan: --delete and --replace take away, and a reload can fail a pipeline", async (t) => {
  const files = { before: [{ path: "nginx.conf", text: "a\n" }], after: [{ path: "nginx.conf", text: "b\n" }] };
  const { folder, socket } = await agent(t, { reason: "upstreamBlocks changed", ...files });
  const file = join(folder, "api.yaml");
  await writeFile(file, API);
  const all = await runCli(["plan", "--replace", file, "--socket", socket]);
  assert.equal(all.code, 0);
  assert.match(
    all.out,
    /^delete Ingress shop\/web\n {2}hosts: shop\.example\.org\n {2}- host ingress\/shop\.example\.org/m,
  );
  assert.match(all.out, /^nginx would reload: upstreamBlocks changed$/m);
  assert.equal((await runCli(["plan", "--fail-on-reload", file, "--socket", socket])).code, 1);
  const deleted = await runCli(["plan", "--delete", file, "--delete", "-", "--socket", socket], { stdin: CHANGED });
  assert.match(deleted.out, /^delete Ingress shop\/web \(stdin:1\)$/m);
});

test("plan -o json is the report, without values", async (t) => {
  const { socket } = await agent(t);
  const { out } = await runCli(["plan", "-", "-o", "json", "--socket", socket], { stdin: CHANGED + API });
  const report = JSON.parse(out) as PlanReport; // our own wire format
  assert.equal(report.apiVersion, "headgate/v1");
  assert.deepEqual(
    report.documents.map(({ kind, change, before, after }) => [kind, change, before, after]),
    [
      ["backend", "add", null, null],
      ["route", "add", null, null],
      ["host", "change", null, null],
    ],
  );
});

test("diff: a unified diff of documents, exit 1; none, exit 0; and nothing secret", async (t) => {
  const { socket } = await agent(t);
  const { code, out } = await runCli(["diff", "-", "--socket", socket], { stdin: CHANGED + API });
  assert.equal(code, 1);
  assert.match(
    withoutHashes(out),
    /^--- \/dev\/null\n\+\+\+ b\/documents\/backend\/shop\/api\/80\n@@ -0,0 \+1,\d+ @@\n\+\{\n/,
  );
  assert.match(
    withoutHashes(out),
    /^--- a\/documents\/host\/ingress\/shop\.example\.org\n\+\+\+ b\/documents\/host\/ingress\/shop\.example\.org\n(.*\n)*\+ {4}"\/api": "shop\/web\/HASH"/m,
  );
  const none = await runCli(["diff", "--delete", "-", "--socket", socket], { stdin: API });
  assert.deepEqual([none.code, none.out], [0, ""]);
});

test("diff: a certificate shows its fingerprint and never its key", async (t) => {
  const tls = [{ hosts: ["shop.example.org"], secretName: "tls" }];
  const known = [
    ingress("shop/web", { rules: [rule("shop.example.org", path("/"))], tls }),
    secret("shop/tls", goodKeyPair(["shop.example.org"])),
  ];
  const { socket } = await agent(t, NO_RELOAD, known);
  const gone = "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: shop}\ntype: kubernetes.io/tls\n";
  const { code, out } = await runCli(["diff", "--delete", "-", "--socket", socket], { stdin: gone });
  assert.equal(code, 1);
  assert.match(out, /^--- a\/documents\/certificate\/shop\/tls\n\+\+\+ \/dev\/null\n/m);
  assert.match(out, /^- {2}"fingerprint"/m);
  assert.doesNotMatch(out, /"key"|"certificate": "[^"s]/);
});

test("diff: files of nginx too, and 2 where something is refused or fails", async (t) => {
  const files = { before: [{ path: "nginx.conf", text: "a 1;\n" }], after: [{ path: "nginx.conf", text: "a 2;\n" }] };
  const { socket } = await agent(t, { reason: "upstreamBlocks changed", ...files });
  const { out } = await runCli(["diff", "-", "--socket", socket], { stdin: API });
  assert.equal(out, "--- a/files/nginx.conf\n+++ b/files/nginx.conf\n@@ -1 +1 @@\n-a 1;\n+a 2;\n");
  const refused = await runCli(["diff", "-", "--socket", socket], { stdin: "{" });
  assert.equal(refused.code, 2);
  assert.match(refused.err, /^headgate: error object-refused: stdin:1/);
  assert.equal((await runCli(["diff", "/nonexistent", "--socket", socket])).code, 2);
  assert.equal((await runCli(["diff", "-", "--socket", "/nonexistent/a.sock"], { stdin: API })).code, 3);
});

test("command lines that cannot be understood, and too much at once", async (t) => {
  const { folder, socket } = await agent(t);
  for (const [args, expected] of [
    [["plan"], /no manifests are given\nName a file, a folder, or -\./],
    [["plan", "/nonexistent"], /cannot read \/nonexistent: no such file or directory/],
    [["plan", folder], /no file in it ends in \.yaml, \.yml or \.json/],
  ] as const) {
    const { code, err } = await runCli([...args, "--socket", socket]);
    assert.equal(code, 2);
    assert.match(err, expected);
  }
  const many = Array.from({ length: 60 }, (_, index) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: `s${index}`, annotations: { "nginx.ingress.kubernetes.io/x": "x".repeat(PLAN_BYTES_MAX / 50) } },
    spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } },
  }));
  await writeFile(join(folder, "many.json"), JSON.stringify({ apiVersion: "v1", kind: "List", items: many }));
  const { code, err } = await runCli(["plan", folder, "--socket", socket]);
  assert.equal(code, 2, err);
  assert.match(err, /the manifests have \d+ bytes, and the agent takes 8388608/);
});
