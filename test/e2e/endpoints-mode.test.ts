// An edge outside the cluster: no route to Pods, but one to the nodes. kube-proxy is a program that answers at a
// node's port.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { ConditionStatus } from "../../agent/api/wire.ts";
import { openLan } from "../edges/lan.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import { collectionPath, type KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend, startBackendAt } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, namespace, NAMESPACE, slice } from "./support/objects.ts";
import { startProber } from "./support/prober.ts";

const HOST = "far.example.test";
const NEAR_HOST = "near.example.test";
const NODE_PORT = 30_080;
const NEAR_NODE_PORT = 30_081;
const POD_NETWORK = "10.244.0.0/16";
const WITHIN_MS = 60_000;
const ASKED_MIN = 50;
const READ = ["get", "list", "watch"];
const RBAC = "rbac.authorization.k8s.io";

let cluster: Cluster;
let one: Backend;
let two: Backend;
let near: Backend;
let edge: Edge;
let other: Edge;

before(async () => {
  cluster = await startCluster({
    address: openLan().gateway,
    controllers: false,
    users: [{ name: "edge", groups: [] }],
  });
  [one, two, near] = await Promise.all([
    startBackendAt("one", NODE_PORT),
    startBackendAt("two", NODE_PORT),
    startBackend("near"),
  ]);
  const known = [{ apiGroups: [""], resources: ["services", "secrets", "configmaps"], verbs: READ }];
  await allow("edge", [
    ...known,
    { apiGroups: ["networking.k8s.io"], resources: ["ingresses", "ingressclasses"], verbs: READ },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
  ]);
  await cluster.apply(namespace());
  await Promise.all([setNode("one", one), setNode("two", two)]);
  await cluster.apply(farService({}));
  await cluster.apply(farSlice(["one", "two"]));
  await cluster.apply(ingress({ name: "far", host: HOST, paths: [{ path: "/", service: "far" }] }));
  [edge, other] = await Promise.all([
    start("far", cluster.kubeconfigFor("edge"), {}),
    start("near", cluster.kubeconfig, { probe: false }),
  ]);
});

after(async () => {
  await Promise.all([edge?.stop(), other?.stop(), one?.stop(), two?.stop(), near?.stop()]);
  await cluster?.stop();
});

async function allow(name: string, rules: readonly object[]): Promise<void> {
  await cluster.apply({ apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name }, rules });
  await cluster.apply({
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name },
    subjects: [{ kind: "User", apiGroup: RBAC, name: "edge" }],
  });
}

/** Makes it or, if it is there, its status. */
async function setNode(name: string, { address }: Backend, ready = true): Promise<void> {
  const node: KubeObject = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    status: {
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      addresses: [{ type: "InternalIP", address }],
    },
  };
  const made = await cluster.request("POST", collectionPath(node), node);
  if (made.status === 201) return;
  const written = await cluster.request("PUT", `${collectionPath(node)}/${name}/status`, node);
  assert.equal(written.status, 200, JSON.stringify(written.body));
}

function farService(spec: object, mode: string | null = null): KubeObject {
  const ports = [{ name: "http", port: 80, targetPort: 8080, nodePort: NODE_PORT }];
  const annotations = mode === null ? {} : { "headgate.dev/endpoints": mode };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "far", namespace: NAMESPACE, annotations },
    spec: { type: "NodePort", externalTrafficPolicy: "Cluster", ports, ...spec },
  };
}

/** A Pod on each of these nodes. */
function farSlice(nodes: readonly string[]): KubeObject {
  const endpoints = nodes.map((nodeName, index) => ({
    addresses: [`10.244.${index}.1`],
    conditions: { ready: true },
    nodeName,
  }));
  return { ...slice("far", []), endpoints };
}

async function start(name: string, kubeconfig: string, endpoints: object): Promise<Edge> {
  const made = await Edge.prepare({
    name,
    args: ["--kubeconfig", kubeconfig],
    binds: [`ro:${cluster.dir}`],
    portFlags: false,
  });
  await made.machine.exec(["ip", "route", "add", "unreachable", POD_NETWORK]);
  await run(made, endpoints);
  return made;
}

async function run(made: Edge, endpoints: object): Promise<void> {
  const file = join(made.machine.scratch, "config.yaml");
  const listeners = { httpPort: 80, httpsPort: 443 };
  await writeFile(file, stringify({ log: { level: "debug" }, listeners, endpoints }));
  await made.run(["--config", file]);
  await made.ready();
}

async function unreachable(): Promise<ConditionStatus | undefined> {
  return (await edge.status()).conditions.find(({ code }) => code === "peers-unreachable");
}

async function whoServes(): Promise<readonly string[]> {
  const answers = await Promise.all(Array.from({ length: 6 }, () => edge.who({ host: HOST })));
  return [...new Set(answers)].toSorted();
}

async function served(by: readonly string[], withinMs = 15_000): Promise<void> {
  await eventually(`${by.join(" and ")} serve`, async () => (await whoServes()).join() === by.join(), withinMs);
}

test("Pods that cannot be reached are told, and nothing falls back; that Nodes may not be read is no trouble", async () => {
  assert.equal((await edge.ask({ host: HOST })).status, 502);
  const told = await eventually("it is told", unreachable, WITHIN_MS);
  assert.match(told.message, /^nothing answers at the addresses of Pods.*shop\/far at 10\.244\./);
  assert.match(told.hint, /^Whether nodePort would answer is not known: Nodes were not read/);
  const { conditions } = await edge.status();
  assert.ok(conditions.every(({ code }) => code !== "source-unreachable"));
});

test("once Nodes may be read, the mode that would work is named, and still nothing falls back", async () => {
  await allow("edge-nodes", [{ apiGroups: [""], resources: ["nodes"], verbs: READ }]);
  const told = await eventually(
    "the mode is named",
    async () => {
      const found = await unreachable();
      return found?.hint.startsWith("nodePort answers") === true ? found : null;
    },
    WITHIN_MS,
  );
  assert.equal(told.hint, "nodePort answers: set `endpoints.mode: nodePort` in the configuration file.");
  assert.equal((await edge.ask({ host: HOST })).status, 502);
});

test("a Service that says nodePort is served by its nodes, and the condition ends", async () => {
  await cluster.apply(farService({}, "nodePort"));
  await served(["one", "two"]);
  await eventually("the condition ends", async () => (await unreachable()) === undefined, WITHIN_MS);
});

test("a node that is not Ready is asked no more", async () => {
  await setNode("two", two, false);
  await served(["one"]);
  await setNode("two", two, true);
  await served(["one", "two"]);
});

test("with externalTrafficPolicy Local a node without endpoints is left out", async () => {
  await cluster.apply(farService({ externalTrafficPolicy: "Local" }, "nodePort"));
  await cluster.apply(farSlice(["one"]));
  await served(["one"]);
  await cluster.apply(farSlice(["one", "two"]));
  await served(["one", "two"]);
});

test("an address of a node that comes to this machine gets no requests, and is named with its Node", async () => {
  const change = (verb: string): Promise<unknown> =>
    edge.machine.exec(["ip", "address", verb, `${two.address}/32`, "dev", "lo"]);
  await change("add");
  await served(["one"], WITHIN_MS);
  // Before the addresses of this machine are read again the connection is refused, and the other node asked.
  const named = async (): Promise<boolean> =>
    (await edge.status()).problems.some(({ code, object }) => code === "endpoint-refused" && object === "Node two");
  await eventually("the Node is named", named, WITHIN_MS);
  await change("del");
  await served(["one", "two"], WITHIN_MS);
});

test("the configuration says it for all Services; the change costs nothing, with nginx running on", async () => {
  const prober = startProber(edge, HOST);
  let failures: readonly string[] = [];
  try {
    await edge.endAgent("SIGKILL");
    await run(edge, { mode: "nodePort" });
    await cluster.apply(farService({}));
    await cluster.apply(farSlice(["one"]));
    await served(["one", "two"]);
  } finally {
    failures = await prober.stop();
  }
  assert.deepEqual(failures, []);
});

test("a Service without endpoints that are ready answers at once, whatever its node port does", async () => {
  await cluster.apply(farSlice([]));
  await served(["status 503"]);
});

test("a Service that changes to its node port before Nodes were read loses nothing", async () => {
  const annotated = (mode: string | null): KubeObject => {
    const ports = [{ name: "http", port: 80, targetPort: 8080, nodePort: NEAR_NODE_PORT }];
    const { metadata, ...rest } = farService({ ports }, mode);
    return { ...rest, metadata: { ...metadata, name: "near" } };
  };
  await cluster.apply(annotated(null));
  await cluster.apply(slice("near", [near]));
  await cluster.apply(ingress({ name: "near", host: NEAR_HOST, paths: [{ path: "/", service: "near" }] }));
  await eventually("its Pod serves", async () => (await other.who({ host: NEAR_HOST })) === "near");
  await Promise.all([one.serve(NEAR_NODE_PORT), two.serve(NEAR_NODE_PORT)]);
  const prober = startProber(other, NEAR_HOST);
  let failures: readonly string[] = [];
  try {
    await cluster.apply(annotated("nodePort"));
    await eventually("its nodes serve", async () => ["one", "two"].includes(await other.who({ host: NEAR_HOST })));
    await eventually("the prober has asked enough", () => prober.asked() >= ASKED_MIN);
  } finally {
    failures = await prober.stop();
  }
  assert.deepEqual(failures, []);
});
