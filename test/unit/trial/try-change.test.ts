// Trying a change gives what applying it gives, and touches nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildersOf } from "../../../agent/loop/builders.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { allKeys } from "../../../agent/model/keys.ts";
import { type KubernetesObject, type ObjectRef, refKey, refOf, type Secret } from "../../../agent/objects/objects.ts";
import { documentId } from "../../../agent/plan/plan-documents.ts";
import type { GivenObjects } from "../../../agent/api/wire.ts";
import { USUAL_ROUTE_DEFAULTS } from "../../../agent/render/documents.ts";
import type { Refusal } from "../../../agent/store/source.ts";
import { Store } from "../../../agent/store/store.ts";
import { type TrialBase, type TrialChange, type Tried, tryChange } from "../../../agent/trial/try-change.ts";
import {
  backend,
  BAD_KEY_PAIR,
  endpoint,
  externalService,
  goodKeyPair,
  ingress,
  ingressClass,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  slice,
} from "../model/objects.ts";

const NOW = 1_000_000_000_000;
const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 200);
const NONE: GivenObjects = { objects: [], refusals: [] };

const position = { file: "f.yaml", index: 0, line: 1 };
const POOL: readonly KubernetesObject[] = [
  ingress("a/one", { rules: [rule("x.example", path("/"), path("/a", "Exact", backend("api")))] }),
  ingress("a/one", { rules: [rule("y.example", path("/b"))], tls: [{ hosts: ["y.example"], secretName: "cert" }] }),
  ingress("a/one", { rules: [rule("x.example", path("/"))], ingressClassName: "mine" }),
  ingress("a/two", { rules: [rule("x.example", path("/"))], meta: { position } }),
  ingress("a/two", { rules: [rule("x.example", path("/"))], tls: [{ hosts: ["x.example"], secretName: "cert" }] }),
  ingress("a/two", { rules: [rule("bad host", path("/"))], defaultBackend: backend("web") }),
  ingress("a/two", {
    rules: [rule("x.example", path("/"))],
    meta: {
      annotations: {
        "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
        "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
        "nginx.ingress.kubernetes.io/proxy-ssl-secret": "a/cert",
      },
    },
  }),
  service("a/web", [servicePort(80, "http")]),
  service("a/web", [servicePort(81)]),
  externalService("a/web", "db.example.org", [servicePort(80)]),
  externalService("a/web", "db.example.net"),
  service("a/api", [servicePort(80)]),
  slice("a/s1", "web", [endpoint("10.0.0.1"), endpoint("10.0.0.2", "not-ready")]),
  slice("a/s1", "api", [endpoint("10.0.0.1")]),
  slice("a/s2", "web", [endpoint("127.0.0.1")]),
  secret("a/cert", goodKeyPair(["x.example"])),
  secret("a/cert", BAD_KEY_PAIR),
  secret("a/cert", goodKeyPair(["*.example"], NOW + 1)),
  ingressClass("mine", "headgate.dev/ingress"),
  ingressClass("mine", "else"),
];

const settings = fc.constantFrom(
  SETTINGS,
  { ...SETTINGS, defaultBackend: { service: "a/web", port: 80 }, defaultCertificate: "a/cert" },
  { ...SETTINGS, externalNames: ["*.example.org"] },
  { ...SETTINGS, allowLocalEndpoints: true, classless: "true" as const },
);
/** Some of the pool, one for each name. */
const some = fc
  .subarray([...POOL])
  .map((objects) => [...new Map(objects.map((object) => [refKey(refOf(object)), object])).values()]);

function base(objects: readonly KubernetesObject[], more: Partial<Omit<TrialBase, "builder">> = {}): TrialBase {
  const names = new Map();
  const from = { settings: SETTINGS, objects, names, refusals: [], source: "manifests" as const, now: NOW, ...more };
  return { ...from, builder: full(from, objects).builder };
}

function overlay(objects: readonly KubernetesObject[], refusals: readonly Refusal[] = []): TrialChange {
  return { mode: "overlay", given: { objects, refusals }, deletions: NONE };
}

function attempt(from: TrialBase, change: TrialChange): Promise<Tried> {
  return tryChange(from, change, new AbortController().signal);
}

/** Documents and problems of a store that was told these objects, each in its turn. */
function full({ settings: given }: Pick<TrialBase, "settings">, ...steps: readonly (readonly KubernetesObject[])[]) {
  const store = new Store({ settings: given, requiredKinds: [], onDirty: () => {}, onWantedSecrets: () => {} });
  store.restore([]);
  let last: readonly KubernetesObject[] = [];
  for (const step of steps) {
    const kept = new Set(step.map((object) => refKey(refOf(object))));
    const gone = last.filter((object) => !kept.has(refKey(refOf(object))));
    store.apply(gone.map((object) => ({ kind: "delete", ref: refOf(object) })));
    store.apply(step.map((object) => ({ kind: "put", object })));
    last = step;
  }
  const builder = new EdgeBuilder(buildersOf(store, given, () => NOW));
  builder.setRouteDefaults({ ...USUAL_ROUTE_DEFAULTS, timeouts: { connect_ms: 1, send_ms: 2, read_ms: 3 } });
  for (const key of allKeys(store)) builder.build(key);
  return { builder, documents: textsOf(builder) };
}

function textsOf(builder: EdgeBuilder): ReadonlyMap<string, string> {
  return new Map([...builder.wanted].map(([id, { text }]) => [id, text]));
}

function sorted(texts: ReadonlyMap<string, string>): unknown {
  return [...texts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** What nginx must be large enough for. */
function sizeOf({ peers, verified }: EdgeBuilder): unknown {
  return { peers, verified };
}

function ids(tried: Tried): readonly string[] {
  return tried.lines.map(
    (line) => `${line.text === null ? "-" : tried.before.has(documentId(line)) ? "~" : "+"}${documentId(line)}`,
  );
}

test("what was tried is what a full build of the changed objects gives", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ given: settings, mode: fc.constantFrom("overlay", "replace") }),
      some,
      some,
      some,
      async ({ given, mode }, known, change, deleted) => {
        const from = base(known, { settings: given });
        const before = full(from, known);
        const deletions = { objects: mode === "overlay" ? deleted : [], refusals: [] };
        const tried = await attempt(from, { mode, given: { objects: change, refusals: [] }, deletions });
        const named = new Set(change.map((object) => refKey(refOf(object))));
        const gone = new Set(deletions.objects.map((object) => refKey(refOf(object))));
        const left = known.filter((object) => {
          const key = refKey(refOf(object));
          return !named.has(key) && mode === "overlay" && !gone.has(key);
        });
        const after = full(from, known, [...left, ...change]);
        const documents = new Map(before.documents);
        for (const line of tried.lines) {
          if (line.text === null) documents.delete(documentId(line));
          else documents.set(documentId(line), line.text);
        }
        assert.deepEqual(sorted(documents), sorted(after.documents));
        assert.deepEqual(sorted(textsOf(tried.whole)), sorted(after.documents));
        assert.deepEqual(sizeOf(tried.whole), sizeOf(after.builder));
        assert.deepEqual(sorted(textsOf(from.builder)), sorted(before.documents), "what runs was touched");
        assert.deepEqual(sizeOf(from.builder), sizeOf(before.builder), "what runs was touched");
        for (const [id, { text }] of tried.before) assert.equal(before.documents.get(id), text);
        for (const line of tried.lines) assert.notEqual(before.documents.get(documentId(line)) ?? null, line.text);
      },
    ),
    { numRuns: RUNS },
  );
});

function node(name: string, address: string): KubernetesObject {
  const meta = { ...service(`/${name}`).meta };
  return { kind: "Node", meta, ready: true, excluded: false, addresses: [address] };
}

const SHOP = [
  ingress("a/one", { rules: [rule("x.example", path("/"))] }),
  service("a/web", [servicePort(80)]),
  slice("a/s1", "web", [endpoint("10.0.0.1")]),
];

test("documents come in the order of the push, and those that wait for their grace stand last", async () => {
  const tried = await attempt(base(SHOP), {
    mode: "replace",
    given: {
      objects: [
        ingress("a/two", { rules: [rule("y.example", path("/", "Prefix", backend("api")))] }),
        service("a/api", [servicePort(80)]),
      ],
      refusals: [],
    },
    deletions: NONE,
  });
  const kinds = ids(tried).map((id) => id.split(":")[0]);
  assert.deepEqual(kinds, ["+backend", "+route", "+host", "-host", "-route", "-backend"]);
  assert.equal(tried.atOnce, 4);
});

test("says of each object what becomes of it", async () => {
  const tried = await attempt(base(SHOP), {
    mode: "overlay",
    given: {
      objects: [SHOP[1] as KubernetesObject, service("a/api", [servicePort(80)])], // the second of three
      refusals: [refusal({ kind: "Secret", namespace: "a", name: "cert" })],
    },
    deletions: { objects: [SHOP[0] as KubernetesObject], refusals: [] }, // the first of three
  });
  assert.deepEqual(
    tried.objects.map(({ ref, action }) => `${action} ${ref.kind} ${ref.name}`),
    ["none Service web", "create Service api", "refused Secret cert", "delete Ingress one"],
  );
});

function refusal(ref: ObjectRef | null, message = "is no Secret"): Refusal {
  return { ref, where: "f.yaml:1", position, faults: [{ field: "type", message, fix: "mend it" }] };
}

test("problems are new or gone; one that only moved in its file is neither", async () => {
  const lost = ingress("a/two", { rules: [rule("y.example", path("/", "Prefix", backend("api")))] });
  const moved = { ...lost, meta: { ...lost.meta, position: { ...position, line: 40 } } };
  const from = base([...SHOP, lost], { refusals: [refusal({ kind: "Secret", namespace: "a", name: "cert" })] });
  const same = await attempt(from, overlay([moved]));
  assert.deepEqual([same.newProblems, same.goneProblems, ids(same)], [[], [], []]);
  const mended = await attempt(from, overlay([service("a/api", [servicePort(80)]), secret("a/cert", BAD_KEY_PAIR)]));
  assert.deepEqual(
    mended.goneProblems.map(({ code }) => code),
    ["object-refused", "service-missing"],
  );
  assert.deepEqual(
    mended.newProblems.map(({ code }) => code),
    ["no-endpoints"],
  );
});

test("a file that is refused again is no new problem, and another fault of it is", async () => {
  const ref = { kind: "Secret", namespace: "a", name: "cert" } as const;
  const from = base(SHOP, { refusals: [refusal(ref)] });
  assert.deepEqual((await attempt(from, overlay([], [refusal(ref)]))).newProblems, []);
  const worse = await attempt(from, overlay([], [refusal(ref, "is no object")]));
  assert.deepEqual([worse.newProblems.length, worse.goneProblems.length], [1, 1]);
});

test("an object to be deleted may be broken, but not nameless", async () => {
  const broken = { objects: [], refusals: [refusal(refOf(SHOP[1] as KubernetesObject)), refusal(null)] }; // of three
  const tried = await attempt(base(SHOP), { mode: "overlay", given: NONE, deletions: broken });
  assert.deepEqual(
    tried.newProblems.map(({ code }) => code),
    ["object-refused", "service-missing"],
  );
});

test("in a cluster a new object is the youngest, and a changed one keeps its age", async () => {
  const old = ingress("a/one", { rules: [rule("x.example", path("/"))], meta: { createdAt: NOW - 1000 } });
  const from = base([old, ...SHOP.slice(1)], { source: "kubernetes" });
  const thief = ingress("a/aaa", { rules: [rule("x.example", path("/"))], meta: { position, createdAt: 1 } });
  const tried = await attempt(from, overlay([thief, { ...old, meta: { ...old.meta, createdAt: null, position } }]));
  assert.deepEqual(
    tried.newProblems.map(({ code, object }) => [code, object?.name]),
    [["path-conflict", "aaa"]],
  );
  assert.deepEqual(
    tried.objects.map(({ action }) => action),
    ["create", "none"],
  );
});

test("in a cluster, endpoints stay where manifests take the place of all", async () => {
  const change: TrialChange = { mode: "replace", given: { objects: SHOP.slice(0, 2), refusals: [] }, deletions: NONE };
  const cluster = await attempt(base(SHOP, { source: "kubernetes" }), change);
  assert.deepEqual([ids(cluster), cluster.newProblems], [[], []]);
  const manifests = await attempt(base(SHOP), change);
  assert.deepEqual(
    manifests.newProblems.map(({ code }) => code),
    ["no-endpoints"],
  );
});

test("what the agent did not read of a cluster is a note and no problem", async () => {
  const next = [
    ingress("a/two", {
      rules: [rule("y.example", path("/", "Prefix", backend("api")))],
      tls: [{ hosts: ["y.example"], secretName: "cert" }],
    }),
    service("a/api", [servicePort(80)]),
  ];
  const cluster = await attempt(base(SHOP, { source: "kubernetes" }), overlay(next));
  assert.deepEqual(cluster.newProblems, []);
  assert.match(cluster.notes.join("\n"), /^Secret a\/cert was not read yet.*\nService a\/api is new: its endpoints/);
  const manifests = await attempt(base(SHOP), overlay(next));
  assert.deepEqual(manifests.newProblems.map(({ code }) => code).toSorted(), ["no-endpoints", "secret-missing"]);
});

test("a name has the addresses that are known; one that is not resolved here is a note, not a problem", async () => {
  const settings = { ...SETTINGS, externalNames: ["*"] };
  const names = new Map([["db.example.org", { addresses: ["10.0.0.9"], trouble: null }]]);
  const from = base(SHOP, { source: "kubernetes", settings, names });
  const known = await attempt(from, overlay([externalService("a/web", "db.example.org", [servicePort(80)])]));
  assert.match(known.lines.find(({ kind }) => kind === "backend")?.text ?? "", /10\.0\.0\.9/);
  assert.deepEqual([known.notes, known.newProblems], [[], []]);
  const next = [
    externalService("a/api", "new.example.org"),
    ingress("a/two", { rules: [rule("y.example", path("/", "Prefix", backend("api")))] }),
  ];
  const unknown = await attempt(from, overlay(next));
  const note = "Service a/api is new.example.org, which is not resolved here: its peers show when it is served";
  assert.deepEqual([unknown.notes, unknown.newProblems], [[note], []]);
});

test("a Service of a cluster keeps the addresses and node ports that its server gave it", async () => {
  const at = (mode: "clusterIP" | "nodePort") => ({ ...SETTINGS, endpointsMode: mode });
  const given = service("a/web", [servicePort(80)], "NodePort");
  const port = { ...servicePort(80), nodePort: 30_080 };
  const held = { ...given, clusterIP: "10.9.0.1", clusterIPs: ["10.9.0.1"], ports: [port] };
  const known = [SHOP[0] as KubernetesObject, held, SHOP[2] as KubernetesObject, node("n1", "10.1.0.1")]; // of three
  for (const settings of [at("clusterIP"), at("nodePort")]) {
    const tried = await attempt(base(known, { source: "kubernetes", settings }), overlay([given]));
    assert.deepEqual([ids(tried), tried.newProblems, tried.objects[0]?.action], [[], [], "none"]);
    const manifests = await attempt(base(known, { settings }), overlay([given]));
    assert.deepEqual(ids(manifests), ["~backend:a/web/80"]);
  }
  const moved = { ...given, ports: [{ ...servicePort(81), nodePort: 30_081 }] };
  const tried = await attempt(base(known, { source: "kubernetes", settings: at("nodePort") }), overlay([moved]));
  assert.equal(tried.objects[0]?.action, "change");
});

test("a cluster whose Nodes were not read yet has a note for Services at their ports", async () => {
  const annotations = { "headgate.dev/endpoints": "nodePort" };
  const ports = [{ ...servicePort(80), nodePort: 30_080 }];
  const before = service("a/web", ports, "NodePort");
  const given = { ...before, meta: { ...before.meta, annotations } };
  const from = base([SHOP[0] as KubernetesObject, before, SHOP[2] as KubernetesObject], { source: "kubernetes" }); // of three
  const tried = await attempt(from, overlay([given]));
  assert.deepEqual(tried.newProblems, []);
  assert.match(tried.notes.join("\n"), /^Nodes were not read yet/);
});

test("Secrets and ConfigMaps that are named for the first time are such notes too", async () => {
  const annotations = {
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
    "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret": "a/ca",
  };
  const parameters = { kind: "ConfigMap", key: "a/settings", text: "ConfigMap a/settings" } as const;
  const next = [
    ingress("a/two", { rules: [rule("y.example", path("/"))], meta: { annotations } }),
    { ...ingressClass("mine", "headgate.dev/ingress"), parameters },
  ];
  const cluster = await attempt(base(SHOP, { source: "kubernetes" }), overlay(next));
  assert.deepEqual(cluster.newProblems, []);
  assert.match(cluster.notes.join("\n"), /^Secret a\/ca was not read yet.*\nConfigMap a\/settings was not read yet/);
  const manifests = await attempt(base(SHOP), overlay(next));
  assert.deepEqual(manifests.newProblems.map(({ code }) => code).toSorted(), ["class-parameters", "secret-invalid"]);
});

test("a Secret that got worse and better again leaves nothing behind", async () => {
  const tls = ingress("a/one", {
    rules: [rule("x.example", path("/"))],
    tls: [{ hosts: ["x.example"], secretName: "cert" }],
  });
  const bad: Secret = secret("a/cert", BAD_KEY_PAIR);
  const tried = await attempt(
    base([tls, ...SHOP.slice(1), bad]),
    overlay([secret("a/cert", goodKeyPair(["x.example"]))]),
  );
  assert.deepEqual(ids(tried), ["+certificate:a/cert", "~server_name:ingress/x.example"]);
  assert.deepEqual(
    tried.goneProblems.map(({ code }) => code),
    ["secret-invalid"],
  );
});

test("is given up when nobody waits", async () => {
  const many = Array.from({ length: 20_000 }, (_, index) => service(`a/s${index}`, [servicePort(80)]));
  const left = new AbortController();
  const trying = tryChange(base(many), overlay(SHOP), left.signal);
  left.abort(new Error("gone"));
  await assert.rejects(trying, /gone/);
});
