import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import type { Backend } from "../../../agent/model/edge-model.ts";
import type { ModelSettings } from "../../../agent/model/input.ts";
import { nodeProblems } from "../../../agent/model/node-problems.ts";
import { ENDPOINTS_ANNOTATION } from "../../../agent/objects/annotation-keys.ts";
import type { Endpoint, KubernetesObject, Service } from "../../../agent/objects/objects.ts";
import { renderBackend } from "../../../agent/render/documents.ts";
import {
  endpoint,
  externalService,
  ingress,
  node,
  path,
  rule,
  service,
  servicePort,
  SETTINGS,
  slice,
  storeOf,
} from "./objects.ts";

const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
const endpoints = [
  { ...endpoint("10.244.0.1"), nodeName: "n1" },
  { ...endpoint("10.244.0.2"), nodeName: "n1" },
  { ...endpoint("10.244.1.1"), nodeName: "n2" },
  { ...endpoint("10.244.2.1", "not-ready"), nodeName: "n3" },
];
const nodes = [
  node("n1", ["192.0.2.11", "2001:db8::11"]),
  node("n2", ["192.0.2.12"]),
  node("n3", ["192.0.2.13"]),
  node("down", ["192.0.2.14"], { ready: false }),
  node("excluded", ["192.0.2.15"], { excluded: true }),
];

function serviceOf(fields: Partial<Service> = {}, mode?: string): Service {
  const made = service("shop/web", [{ ...servicePort(80), nodePort: 30_080 }]);
  const annotations = mode === undefined ? {} : { [ENDPOINTS_ANNOTATION]: mode };
  return { ...made, clusterIP: "10.96.0.1", ...fields, meta: { ...made.meta, annotations } };
}
interface Built {
  readonly peers: readonly string[];
  readonly reason: string | null;
  readonly problems: readonly string[];
}
function built(
  settings: Partial<ModelSettings>,
  of: Service,
  more: readonly KubernetesObject[] = [slice("shop/s", "web", endpoints)],
): Built {
  const all = { ...SETTINGS, ...settings };
  const { backends, problems } = buildBackends(storeOf([web, of, ...nodes, ...more], all), all, "shop/web");
  const [backend] = backends as readonly [Backend]; // one port is used
  return {
    peers: backend.peers.map(({ address, port, weight }) => `${address}:${port}*${weight}`),
    reason: backend.reason,
    problems: problems.map(({ code, field }) => `${code} ${field}`),
  };
}
const peers = (...of: Parameters<typeof built>): readonly string[] => built(...of).peers;
const PODS = ["10.244.0.1:8080*1", "10.244.0.2:8080*1", "10.244.1.1:8080*1"];
const NODES = ["192.0.2.11:30080*1", "192.0.2.12:30080*1", "192.0.2.13:30080*1"];

describe("where endpoints are asked", () => {
  test("is at their Pods, at the nodes or at the cluster IP, by the configuration", () => {
    assert.deepEqual(peers({}, serviceOf()), PODS);
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, serviceOf()), NODES, "Ready nodes that are not excluded");
    assert.deepEqual(peers({ endpointsMode: "clusterIP" }, serviceOf()), ["10.96.0.1:80*1"]);
  });

  test("is what the Service says itself; a word that is none is told and changes nothing", () => {
    assert.deepEqual(peers({}, serviceOf({}, "nodePort")), NODES);
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, serviceOf({}, "pod")), PODS);
    const bad = built({}, serviceOf({}, "nodeport"));
    assert.deepEqual(bad.peers, PODS);
    assert.deepEqual(bad.problems, [`annotation-invalid metadata.annotations["${ENDPOINTS_ANNOTATION}"]`]);
  });

  test("with externalTrafficPolicy Local only at nodes with endpoints that are ready, by their number", () => {
    const local = serviceOf({ externalTrafficPolicy: "Local" });
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, local), ["192.0.2.11:30080*2", "192.0.2.12:30080*1"]);
    const elsewhere = [slice("shop/s", "web", [{ ...endpoint("10.244.9.1"), nodeName: "down" }])];
    assert.match(built({ endpointsMode: "nodePort" }, local, elsewhere).reason ?? "", /Local, and no Ready node/);
  });

  test("at nodes whose endpoints serve while they end, where none is ready", () => {
    const local = serviceOf({ externalTrafficPolicy: "Local" });
    const ending = (["10.244.0.1", "10.244.1.1"] as const).map((address, index) => ({
      ...endpoint(address, index === 0 ? "draining" : "not-ready"),
      nodeName: `n${index + 1}`,
    }));
    const slices = [slice("shop/s", "web", ending)];
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, local, slices), ["192.0.2.11:30080*1"]);
  });

  test("in the families of the Service, its first one first", () => {
    const six = serviceOf({ clusterIP: "fd00::1" });
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, six), ["2001:db8::11:30080*1"]);
    const both = serviceOf({ clusterIP: "fd00::1", clusterIPs: ["fd00::1", "10.96.0.1"] });
    assert.deepEqual(peers({ endpointsMode: "nodePort" }, both), [
      "192.0.2.12:30080*1",
      "192.0.2.13:30080*1",
      "2001:db8::11:30080*1",
    ]);
  });

  test("is at the Pods until Nodes were read, and that is said once for all Services", () => {
    const settings = { ...SETTINGS, endpointsMode: "nodePort" as const };
    const slices = slice("shop/s", "web", endpoints);
    const store = storeOf([web, serviceOf(), slices], settings);
    const addresses = (): unknown =>
      buildBackends(store, settings, "shop/web").backends[0]?.peers.map(({ address }) => address);
    assert.deepEqual(addresses(), ["10.244.0.1", "10.244.0.2", "10.244.1.1"]);
    const [problem, ...more] = nodeProblems(store, settings);
    assert.deepEqual([problem?.code, more], ["nodes-unknown", []]);
    assert.match(problem?.message ?? "", /^Service shop\/web is to be asked/);
    store.apply([{ kind: "replace", objectKind: "Node", objects: [] }]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web"], "no Nodes is an answer");
    assert.deepEqual([addresses(), nodeProblems(store, settings)], [[], []]);
    assert.deepEqual(nodeProblems(storeOf([web, serviceOf(), slices]), SETTINGS), [], "nobody is asked at nodes");
    const external = externalService("shop/web", "db.example.org");
    assert.deepEqual(nodeProblems(storeOf([web, external]), settings), [], "a name is not asked at nodes");
  });

  test("is at the address of a node that may be asked, and those that may not are named with their Node", () => {
    const two = node("n1", ["192.0.2.11", "192.0.2.99"]);
    const settings = { ...SETTINGS, endpointsMode: "nodePort" as const, refusedNetworks: ["192.0.2.11/32"] };
    const down = node("down", ["192.0.2.11"], { ready: false });
    const store = storeOf([web, serviceOf(), slice("shop/s", "web", endpoints), two, down], settings);
    const { backends, problems } = buildBackends(store, settings, "shop/web");
    assert.deepEqual([backends[0]?.peers.map(({ address }) => address), problems], [["192.0.2.99"], []]);
    const told = nodeProblems(store, settings);
    assert.deepEqual(
      told.map(({ code, object, message }) => `${code} ${object?.name}: ${message}`),
      ["endpoint-refused n1: 192.0.2.11 is in 192.0.2.11/32, which endpoints.refused names, and gets no requests"],
    );
  });

  test("is the same document when Pods change and what is asked does not", () => {
    const document = (mode: "pod" | "nodePort" | "clusterIP", pods: readonly Endpoint[]): string | null => {
      const settings = { ...SETTINGS, endpointsMode: mode };
      const store = storeOf([web, serviceOf(), ...nodes, slice("shop/s", "web", pods)], settings);
      const [backend] = buildBackends(store, settings, "shop/web").backends as readonly [Backend]; // one port is used
      return renderBackend(backend).text;
    };
    for (const mode of ["nodePort", "clusterIP"] as const) {
      assert.equal(document(mode, endpoints), document(mode, endpoints.slice(1)), mode);
    }
    assert.notEqual(document("pod", endpoints), document("pod", endpoints.slice(1)));
  });

  test("is nowhere without endpoints that serve, in any mode", () => {
    for (const endpointsMode of ["pod", "nodePort", "clusterIP"] as const) {
      const none = built({ endpointsMode }, serviceOf(), [
        slice("shop/s", "web", [endpoint("10.244.0.1", "not-ready")]),
      ]);
      assert.deepEqual(none.peers, [], endpointsMode);
      assert.equal(none.reason, "no ready endpoints (1 not ready)", endpointsMode);
    }
  });

  test("is nowhere without what the mode needs, and the reason says what", () => {
    const noPort = serviceOf({ ports: [servicePort(80)] });
    const byNodes = built({ endpointsMode: "nodePort" }, noPort);
    assert.deepEqual([byNodes.peers, byNodes.problems], [[], ["no-endpoints spec.selector"]]);
    assert.match(byNodes.reason ?? "", /has no node port: give it type NodePort/);
    assert.match(built({ endpointsMode: "clusterIP" }, serviceOf({ clusterIP: "None" })).reason ?? "", /headless/);
  });

  test("is never at addresses of this machine or in refused networks, of nodes and cluster IPs too", () => {
    const refusedNetworks = ["192.0.2.12/32", "10.96.0.0/16"];
    const settings = { refusedNetworks, hostAddresses: ["192.0.2.11"] };
    assert.deepEqual(peers({ endpointsMode: "nodePort", ...settings }, serviceOf()), ["192.0.2.13:30080*1"]);
    assert.match(built({ endpointsMode: "clusterIP", ...settings }, serviceOf()).reason ?? "", /10.96.0.1 is in 10.96/);
    const pods = built({ refusedNetworks: ["10.244.0.0/24"] }, serviceOf());
    assert.deepEqual(
      [pods.peers, pods.problems],
      [["10.244.1.1:8080*1"], ["endpoint-refused endpoints[0].addresses[0]"]],
    );
    assert.deepEqual(peers({ refusedNetworks: ["10.0.0.0/8"], allowLocalEndpoints: true }, serviceOf()), []);
  });

  test("follows Nodes as they come and go, and no Service but those that are asked there", () => {
    const all = { ...SETTINGS };
    const other = ingress("shop/other", {
      rules: [rule("b.example", path("/", "Prefix", { kind: "service", service: "pods", port: 80 }))],
    });
    const store = storeOf([web, other, serviceOf({}, "nodePort"), service("shop/pods"), ...nodes], all);
    store.apply([{ kind: "put", object: node("n2", ["192.0.2.12"], { ready: false }) }]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web"]);
    store.apply([{ kind: "put", object: node("n2", ["192.0.2.12"], { ready: false }) }]);
    assert.deepEqual(store.takeDirty(), [], "a heartbeat says nothing new");
    store.apply([{ kind: "put", object: serviceOf({}, "pod") }]);
    store.takeDirty();
    store.apply([{ kind: "put", object: node("n2", ["192.0.2.12"]) }]);
    assert.deepEqual(store.takeDirty(), [], "nobody is asked there any more");
  });
});
