// Canaries and sessions from the manifest to the answer, on an edge of each Debian that know nothing of each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const HOST = "shop.example.test";
const NGINX = "nginx.ingress.kubernetes.io";

let edges: readonly Edge[] = [];
let backends: readonly Backend[] = [];

before(async () => {
  backends = await Promise.all(["main-1", "main-2", "next-1", "next-2"].map((name) => startBackend(name)));
  edges = await Promise.all(
    (["trixie", "bookworm"] as const).map(async (suite) => {
      const edge = await Edge.prepare({ name: `split-${suite}`, suite, args: [] });
      await edge.run(["--manifests", edge.manifestDir]);
      await edge.ready();
      return edge;
    }),
  );
});

after(async () => {
  await Promise.all([...edges, ...backends].map((each) => each.stop()));
});

type Annotations = Readonly<Record<string, string>>;

function named(annotations: Annotations): Annotations {
  return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${NGINX}/${name}`, value]));
}

/** Puts a main Ingress, and a canary unless it is null, on both edges. */
async function put(main: Annotations, canary: Annotations | null): Promise<void> {
  const paths = (to: string) => ({ host: HOST, className: null, paths: [{ path: "/", service: to }] });
  const objects = [
    service("web"),
    service("next"),
    slice("web", backends.slice(0, 2)),
    slice("next", backends.slice(2)),
    ingress({ name: "main", annotations: named(main), ...paths("web") }),
    ...(canary === null
      ? []
      : [ingress({ name: "canary", annotations: named({ canary: "true", ...canary }), ...paths("next") })]),
  ];
  const text = objects.map((object) => stringify(object)).join("---\n");
  for (const edge of edges) await edge.writeManifest("all.yaml", text);
}

async function names(edge: Edge, count: number, headers: Annotations = {}): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let at = 0; at < count; at++) found.add((await edge.who({ host: HOST, headers })).replace(/-\d$/, ""));
  return found;
}

const onlyOf = async (edge: Edge, name: string, headers: Annotations = {}): Promise<boolean> =>
  [...(await names(edge, 20, headers))].join() === name;

test("a canary goes from a header to all requests and away, without a lost request or a reload", async (context) => {
  const [edge] = edges;
  assert.ok(edge !== undefined);
  await put({}, null);
  for (const each of edges) await eventually("main serves", () => onlyOf(each, "main"));
  const prober = startProber(edge, HOST);
  context.after(() => prober.stop());
  await put({}, { "canary-by-header": "X-Canary", "canary-weight": "0" });
  await eventually("the header leads to the canary", () => onlyOf(edge, "next", { "x-canary": "always" }));
  assert.ok(await onlyOf(edge, "main"));
  const shown = await edge.explain("GET", `http://${HOST}/`, "-H", "X-Canary: always", "--live");
  assert.deepEqual(shown.live?.differences, []);
  assert.equal(shown.answer.kind === "proxy" ? shown.answer.service : "", "shop/next:80");
  const { hosts } = await edge.status();
  const services = hosts.filter(({ host }) => host === HOST).map((row) => `${row.service} ${row.ready}/${row.total}`);
  assert.deepEqual(services.toSorted(), ["shop/next:80 2/2", "shop/web:80 2/2"]);
  await put({}, { "canary-weight": "100" });
  await eventually("the canary gets all", () => onlyOf(edge, "next"));
  assert.deepEqual((await edge.explain("GET", `http://${HOST}/`, "--live")).live?.differences, []);
  await put({}, null);
  await eventually("main has all again", () => onlyOf(edge, "main"));
  assert.deepEqual(await prober.stop(), []);
  assert.equal((await edge.status()).reloads.total, 0);
});

test("a session has the same peer on both edges, and keeps it when the canary comes", async () => {
  const affinity = { affinity: "cookie", "affinity-mode": "persistent" };
  await put(affinity, null);
  const nameIn = (body: string): string => (JSON.parse(body) as { backend: string }).backend; // our own backend's words
  const begin = async (edge: Edge): Promise<readonly [cookie: string, name: string]> => {
    const { headers, body } = await edge.ask({ host: HOST });
    return [headers["set-cookie"]?.[0]?.split(";")[0] ?? "", nameIn(body)];
  };
  for (const edge of edges) {
    await eventually("a session begins", async () => (await begin(edge))[0].startsWith("INGRESSCOOKIE="));
  }
  const begun = await Promise.all([...edges, ...edges, ...edges, ...edges].map((edge) => begin(edge)));
  const same = async (): Promise<void> => {
    for (const [cookie, name] of begun) {
      for (const edge of edges) assert.equal(await edge.who({ host: HOST, headers: { cookie } }), name);
    }
  };
  await same();
  await put(affinity, { "canary-weight": "100" });
  for (const edge of edges) await eventually("new ones begin at the canary", () => onlyOf(edge, "next"));
  await same();
});

test("a canary with a guard of its own gets nothing, and status names it", async () => {
  const [edge] = edges;
  assert.ok(edge !== undefined);
  await put({}, { "canary-weight": "100", "whitelist-source-range": "10.0.0.0/8" });
  const problem = await eventually("it is told", async () =>
    (await edge.status()).problems.find(({ code }) => code === "canary-unused"),
  );
  assert.match(problem.message, /restricts access by whitelist-source-range/);
  await eventually("main has all", () => onlyOf(edge, "main"));
});
