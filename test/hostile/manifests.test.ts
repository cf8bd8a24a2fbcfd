// Bad input from a directory of manifests: each harm costs its own object alone, is named in status with its cure, and
// is over when the file is mended. A prober asks a bystander through every case.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import type { KubeObject } from "../kube/paths.ts";
import { ingress } from "../e2e/support/objects.ts";
import { startProber } from "../e2e/support/prober.ts";
import { beside, bystanderObjects, bystanderServes } from "./support/bystander.ts";
import type { Case } from "./support/case.ts";
import { DOCUMENT_CASES } from "./support/document-cases.ts";
import { FILE_CASES } from "./support/file-cases.ts";
import { OBJECT_CASES } from "./support/object-cases.ts";
import { SECRET_CASES } from "./support/secret-cases.ts";
import { readStatus, statusSays } from "./support/status.ts";
import { allBy, BYSTANDER_FILE, Site, VICTIM } from "./support/victim.ts";

const FIRST = "first.example.test";
/** What the agent takes of one Ingress. */
const RULES_MAX = 5000;
const PATHS = 10_000;
const PATHS_EACH = 50;

let edge: Edge;
let backends: readonly Backend[] = [];
let site: Site;

before(async () => {
  const [one, two, own] = (await Promise.all(["one", "two", "bystander"].map(startBackend))) as [
    Backend,
    Backend,
    Backend,
  ]; // as many as names
  backends = [one, two, own];
  // Root reads every file. Without these two capabilities the agent meets permissions as other users do.
  const wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
  edge = await Edge.prepare({ name: "hostile", args: [], wrapper });
  const bystander = await bystanderObjects(own);
  await edge.writeManifest(BYSTANDER_FILE, bystander.map((object) => stringify(object)).join("---\n"));
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
  site = await Site.make(edge, one, two);
  await eventually("the bystander is served", () => bystanderServes(edge));
  await site.mend();
});

after(async () => {
  await Promise.all([edge?.stop(), ...backends.map((backend) => backend.stop())]);
});

for (const harm of [...DOCUMENT_CASES, ...OBJECT_CASES, ...SECRET_CASES, ...FILE_CASES]) {
  test(harm.name, () => beside(edge, () => runCase(harm)));
}

async function runCase({ harm, problem, answers }: Case): Promise<void> {
  await harm(site);
  if (problem !== null) await statusSays(edge, problem);
  await site.answersAre(answers);
  // Every worker, and every endpoint that a balancer might take next.
  for (let again = 0; again < 4; again++) assert.deepEqual(await site.answers(), answers);
  await site.mend();
  await nothingIsLeft();
}

async function nothingIsLeft(): Promise<void> {
  let seen: unknown = null;
  await eventually("no problem is left", async () => {
    const { problems, conditions } = await readStatus(edge);
    seen = [problems, conditions.filter((condition) => condition.severity !== "info")];
    return problems.length === 0;
  }).catch((cause: unknown) => assert.deepEqual(seen, [], String(cause)));
}

test("of a file that is half written, what is whole counts and what is not keeps its last good state", () =>
  beside(edge, async () => {
    const text = site.text();
    const half = text.slice(0, text.indexOf("endpoints: [{addresses: [") + 20);
    const first = ingress({ name: "first", host: FIRST, paths: [{ path: "/", service: "victim" }] });
    await site.write(`${stringify(first)}---\n${half}`);
    await eventually("the first document counts", async () => (await edge.who({ host: FIRST })) === site.served.name);
    const where = /^victim\.yaml:\d+ \(document 3\)$/;
    await statusSays(edge, { code: "object-refused", object: "", where, field: /^$/, message: /is no YAML.*line \d+/ });
    assert.deepEqual(await site.answers(), allBy("served"), "the documents that are cut off or not there yet stay");
    await site.mend();
    await eventually(
      "what the file does not say any more is gone",
      async () => (await edge.ask({ host: FIRST })).status === 404,
    );
    await nothingIsLeft();
  }));

// mend() deletes the file first.
test("a file that is deleted and written again at once loses not one request of its own host", () =>
  beside(edge, async () => {
    const prober = startProber(edge, VICTIM, "/good");
    for (let again = 0; again < 4; again++) await site.mend();
    await eventually("the prober has asked enough", () => prober.asked() >= 30);
    assert.deepEqual(await prober.stop(), []);
  }));

test("an Ingress of 5,000 rules is served to the last one; with one more it is refused and the last good stays", () =>
  beside(edge, async () => {
    const last = `h${RULES_MAX - 1}.many.example.test`;
    await edge.writeManifest("many.json", manyRules(RULES_MAX));
    await eventually("the last rule serves", async () => (await edge.who({ host: last })) === site.served.name);
    assert.equal(await edge.who({ host: "h0.many.example.test" }), site.served.name);
    await edge.writeManifest("many.json", manyRules(RULES_MAX + 1));
    const message = /has 5001 entries, more than 5000|5001/;
    await statusSays(edge, { code: "object-refused", object: "Ingress shop/many", field: /^spec\.rules$/, message });
    assert.equal(await edge.who({ host: last }), site.served.name);
    await rm(join(edge.manifestDir, "many.json"));
    await eventually("it is gone", async () => (await edge.ask({ host: last })).status === 404);
    await nothingIsLeft();
  }));

test("10,000 paths of one host in 200 Ingresses are served to the last one", () =>
  beside(edge, async () => {
    const host = "paths.example.test";
    const list = Array.from({ length: PATHS / PATHS_EACH }, (_, index) => pathsIngress(host, index));
    await edge.writeManifest("paths.json", JSON.stringify({ apiVersion: "v1", kind: "List", items: list }));
    for (const path of ["/0", `/${PATHS - 1}`]) {
      await eventually(`${path} serves`, async () => (await edge.who({ host, path })) === site.served.name);
    }
    assert.equal((await edge.ask({ host, path: `/${PATHS}` })).status, 404);
    await rm(join(edge.manifestDir, "paths.json"));
    await eventually("they are gone", async () => (await edge.ask({ host, path: "/0" })).status === 404);
    await nothingIsLeft();
  }));

test("every name as long as it may be, and the longest path, are served", () =>
  beside(edge, async () => {
    const label = "a".repeat(63);
    const name = [label, label, label, "a".repeat(61)].join(".");
    const path = `/${"p".repeat(4095)}`;
    const port = "p".repeat(15);
    const metadata = { namespace: label };
    const names = { name, namespace: label };
    const objects = [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { ...metadata, name: label },
        spec: { ports: [{ name: port, port: 65_535, targetPort: site.served.port }] },
      },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { ...names, labels: { "kubernetes.io/service-name": label } },
        addressType: "IPv4",
        ports: [{ name: port, port: site.served.port, protocol: "TCP" }],
        endpoints: [{ addresses: [site.served.address], conditions: { ready: true } }],
      },
      {
        ...ingress({ name, host: name, paths: [{ path, service: label }] }),
        metadata: names,
        spec: {
          ingressClassName: "headgate",
          tls: [{ hosts: [name], secretName: name }],
          rules: [
            {
              host: name,
              http: {
                paths: [{ path, pathType: "Exact", backend: { service: { name: label, port: { name: port } } } }],
              },
            },
          ],
        },
      },
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: names,
        type: "kubernetes.io/tls",
        stringData: { "tls.crt": site.pair.certificate, "tls.key": site.pair.key },
      },
    ];
    await edge.writeManifest("longest.json", JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    await eventually(
      "the longest serves",
      async () => (await edge.who({ host: name, path, tls: true })) === site.served.name,
    );
    await rm(join(edge.manifestDir, "longest.json"));
    await eventually("it is gone", async () => (await edge.ask({ host: name, path })).status === 404);
    await nothingIsLeft();
  }));

test("none of all that has cost a reload", async () => {
  assert.equal((await readStatus(edge)).reloads.total, 0);
});

function pathsIngress(host: string, index: number): KubeObject {
  const first = index * PATHS_EACH;
  const paths = Array.from({ length: PATHS_EACH }, (_, at) => ({ path: `/${first + at}`, service: "victim" }));
  return ingress({ name: `paths-${index}`, host, paths });
}

function manyRules(count: number): string {
  const paths = [{ path: "/", pathType: "Prefix", backend: { service: { name: "victim", port: { number: 80 } } } }];
  const rules = Array.from({ length: count }, (_, index) => ({ host: `h${index}.many.example.test`, http: { paths } }));
  const metadata = { name: "many", namespace: "shop" };
  return JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata,
    spec: { ingressClassName: "headgate", rules },
  });
}
