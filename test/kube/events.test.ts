// Events on the real API server: from its objects through store and builders to what `kubectl describe` shows.

import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { ApiClient } from "../../agent/kubernetes/client.ts";
import { eventBody, eventsPath, warningOf } from "../../agent/kubernetes/event-body.ts";
import { EventWriter, type RefusedEvents } from "../../agent/kubernetes/event-writer.ts";
import { loadKubeconfig } from "../../agent/kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../../agent/kubernetes/kubernetes-source.ts";
import { LIMITS } from "../../agent/kubernetes/limits.ts";
import { uidIn } from "../../agent/edge/source.ts";
import { EdgeBuilder } from "../../agent/loop/edge-builder.ts";
import { buildBackends } from "../../agent/model/build-backends.ts";
import { buildCertificate } from "../../agent/model/build-certificate.ts";
import { buildHost } from "../../agent/model/build-host.ts";
import { Store } from "../../agent/store/store.ts";
import { trim, until } from "../unit/kubernetes/harness.ts";
import { SETTINGS } from "../unit/model/objects.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import type { KubeObject } from "./paths.ts";

const READ = ["get", "list", "watch"];
const ROLE: KubeObject = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "edge" },
  rules: [
    { apiGroups: [""], resources: ["services", "secrets"], verbs: READ },
    { apiGroups: ["networking.k8s.io"], resources: ["ingresses", "ingressclasses"], verbs: READ },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
  ],
};

let cluster: Cluster;

before(async () => {
  cluster = await startCluster({ controllers: false, users: [{ name: "edge", groups: [] }] });
  await cluster.apply(ROLE);
  await cluster.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "edge" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edge" },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "edge" }],
  });
});

after(() => cluster?.stop());

interface Running {
  readonly source: KubernetesSource;
  readonly refused: (RefusedEvents | null)[];
  /** Everything was looked at once, and written or not. */
  readonly idle: () => boolean;
  stop(): Promise<void>;
}

/** All of an edge between the API server and nginx. */
async function start(t: TestContext, kubeconfig: string): Promise<Running> {
  const connection = loadKubeconfig({ flag: kubeconfig, environment: null, configured: null, context: null });
  const refused: (RefusedEvents | null)[] = [];
  const quiet = (): void => undefined;
  const common = {
    now: Date.now,
    random: Math.random,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  };
  let built = 0;
  const store: Store = new Store({
    settings: SETTINGS,
    requiredKinds: ["Ingress", "Service", "EndpointSlice"],
    onDirty: () => {
      for (const key of store.takeDirty()) builder.build(key);
      built++;
    },
    onWantedSecrets: (keys) => source.wantSecrets(keys),
  });
  const events = new EventWriter({
    client: new ApiClient(connection, "0.0.0-test"),
    limits: { ...LIMITS, eventsSettleMs: 200, eventsRefusedMs: 1_000 },
    edge: "edge-3",
    uidOf: (ref) => uidIn(store, ref),
    onRefused: (one) => refused.push(one),
    ...common,
  });
  const builder = new EdgeBuilder(
    {
      host: (name) => buildHost(store, SETTINGS, name),
      backends: (service) => buildBackends(store, SETTINGS, service),
      certificate: (secret) => buildCertificate(store, SETTINGS, secret, Date.now()),
    },
    (was, is) => events.note(was, is),
  );
  const source = new KubernetesSource({
    connection,
    namespace: null,
    trim,
    sink: (changes) => store.apply(changes),
    onState: ({ synced }) => {
      if (synced) events.start();
    },
    version: "0.0.0-test",
    ...common,
  });
  const stop = async (): Promise<void> => {
    await Promise.all([source.stop(), events.stop()]);
  };
  t.after(stop);
  source.start();
  await until(() => source.state().synced && built > 0, "synced");
  return { source, refused, idle: () => refused.length > 0, stop };
}

function ingress(name: string, path: string, namespace: string): KubeObject {
  const backend = { service: { name: "web", port: { number: 80 } } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace },
    spec: {
      ingressClassName: "headgate",
      rules: [{ host: `${namespace}.example.test`, http: { paths: [{ path, pathType: "Prefix", backend }] } }],
    },
  };
}

/** Two Ingresses that want the same path, and all else that they need. */
async function conflict(namespace: string): Promise<void> {
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await cluster.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace },
    spec: { ports: [{ port: 80 }] },
  });
  await cluster.apply({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: [{ addresses: ["10.1.0.1"], conditions: { ready: true } }],
  });
  await cluster.apply(ingress("a-first", "/", namespace));
  await cluster.apply(ingress("b-second", "/", namespace));
}

type Fields = Readonly<Record<string, unknown>>;

/** As `kubectl describe` asks, in the words of one group. */
async function eventsOf(namespace: string, base = "/api/v1", field = "involvedObject"): Promise<readonly Fields[]> {
  const selector = encodeURIComponent(`${field}.kind=Ingress,${field}.name=b-second`);
  const path = `${base}/namespaces/${namespace}/events?fieldSelector=${selector}`;
  const { status, body } = await cluster.request("GET", path);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as { items: readonly Fields[] }).items; // a list of the API server
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a path conflict is one Event with the fix; a restart writes no second one; mending it says Valid", async (t) => {
  await conflict("shop");
  const first = await start(t, cluster.kubeconfig);
  await eventually("the Event", async () => (await eventsOf("shop")).length > 0);
  const [event = {}] = await eventsOf("shop");
  const stored = await cluster.request("GET", "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/b-second");
  const { uid } = (stored.body as KubeObject).metadata; // the API server's own object
  assert.deepEqual(event["involvedObject"], {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    namespace: "shop",
    name: "b-second",
    uid,
  });
  assert.deepEqual([event["type"], event["reason"]], ["Warning", "PathConflict"]);
  assert.match(String(event["message"]), /a-first.*To mend it: /);
  assert.deepEqual([event["reportingComponent"], event["reportingInstance"]], ["headgate.dev/ingress", "edge-3"]);
  const [same = {}] = await eventsOf("shop", "/apis/events.k8s.io/v1", "regarding");
  assert.deepEqual([same["regarding"], same["note"]], [event["involvedObject"], event["message"]]);

  await first.stop();
  const second = await start(t, cluster.kubeconfig);
  await until(second.idle, "it has tried");
  assert.equal((await eventsOf("shop")).length, 1);
  await cluster.apply(ingress("b-second", "/mended", "shop"));
  await eventually("Valid", async () => (await eventsOf("shop")).some(({ reason }) => reason === "Valid"));
  const told = (await eventsOf("shop")).map(({ type, reason }) => `${String(type)} ${String(reason)}`);
  assert.deepEqual(told.toSorted(), ["Normal Valid", "Warning PathConflict"]);
  assert.ok([...first.refused, ...second.refused].every((one) => one === null));
});

test("a user who may not write Events reads all the same, is told the right, and writes once it has it", async (t) => {
  await conflict("forbidden");
  const { source, refused } = await start(t, cluster.kubeconfigFor("edge"));
  await until(() => refused.some((one) => one !== null), "the refusal is told");
  assert.deepEqual(source.state().troubles, []);
  assert.match(refused.at(-1)?.message ?? "", /\(403\): events\.events\.k8s\.io is forbidden/);
  assert.equal((await eventsOf("forbidden")).length, 0);
  const { rules } = ROLE;
  const right = { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] };
  await cluster.apply({ ...ROLE, rules: [...(rules as readonly unknown[]), right] }); // as written above
  await eventually("the Event", async () => (await eventsOf("forbidden")).length === 1);
  await until(() => refused.at(-1) === null, "the refusal is over");
});

test("the core group's words are taken by a server that has both", async (t) => {
  await conflict("old");
  const connection = loadKubeconfig({
    flag: cluster.kubeconfig,
    environment: null,
    configured: null,
    context: null,
  });
  const client = new ApiClient(connection, "0.0.0-test");
  t.after(() => client.close());
  const subject = { ref: { kind: "Ingress", namespace: "old", name: "b-second" }, uid: "u", round: 0 } as const;
  const text = warningOf(subject, { code: "path-conflict", field: "", message: "m", fix: "f" });
  const body = eventBody("core", text, { subject, edge: "edge-3", at: Date.now() });
  await client.postJson(eventsPath("core", "old"), body, {
    signal: AbortSignal.timeout(10_000),
    msMax: 10_000,
  });
  const [event = {}] = await eventsOf("old");
  assert.deepEqual([event["reason"], event["message"]], ["PathConflict", "m. To mend it: f"]);
});
