import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLASS_ANNOTATION } from "../../../agent/objects/annotation-keys.ts";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import type { Endpoints, KubernetesObject, ObjectKind } from "../../../agent/objects/objects.ts";
import type { Change } from "../../../agent/store/source.ts";
import { Store } from "../../../agent/store/store.ts";
import {
  BAD_KEY_PAIR,
  endpoint,
  goodKeyPair,
  ingress,
  ingressClass,
  meta,
  path,
  rule,
  secret,
  service,
  SETTINGS,
  slice,
  storeOf,
} from "../model/objects.ts";

const web = ingress("shop/web", {
  rules: [rule("b.example", path("/")), rule("a.example", path("/"))],
  tls: [{ hosts: ["a.example"], secretName: "cert" }],
});
const put = (object: KubernetesObject): Change => ({ kind: "put", object });

describe("dirty keys", () => {
  test("an Ingress dirties its hosts, and the Services and Secrets it begins to use", () => {
    const store = storeOf([]);
    store.apply([put(web)]);
    assert.deepEqual(store.takeDirty(), [
      "host:a.example",
      "host:b.example",
      "backend:shop/web",
      "certificate:shop/cert",
    ]);
    assert.deepEqual(store.takeDirty(), []);
  });

  test("an EndpointSlice dirties the backends of its Service and nothing else", () => {
    const store = storeOf([web, service("shop/web")]);
    store.apply([put(slice("shop/web-1", "web", [endpoint("10.0.0.1")]))]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web"]);
    store.apply([{ kind: "delete", ref: { kind: "EndpointSlice", namespace: "shop", name: "web-1" } }]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web"]);
    assert.deepEqual(store.endpointSlices("shop/web"), []);
  });

  test("a slice that moves to another Service dirties both", () => {
    const other = ingress("shop/other", {
      rules: [rule("c.example", path("/", "Prefix", { kind: "service", service: "api", port: 80 }))],
    });
    const store = storeOf([web, other, slice("shop/s", "web", [endpoint("10.0.0.1")])]);
    store.apply([put(slice("shop/s", "api", [endpoint("10.0.0.1")]))]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web", "backend:shop/api"]);
  });

  test("what no Ingress uses dirties nothing", () => {
    const store = storeOf([web]);
    store.apply([
      put(service("shop/unused")),
      put(slice("shop/unused-1", "unused", [endpoint("10.0.0.1")])),
      put(secret("shop/unused", goodKeyPair([]))),
      put(ingress("shop/foreign", { ingressClassName: "traefik", rules: [rule("z.example", path("/"))] })),
    ]);
    assert.deepEqual(store.takeDirty(), []);
  });

  test("the same content dirties nothing, whatever its resource version", () => {
    const objects = [web, service("shop/web"), slice("shop/s", "web", [endpoint("10.0.0.1")]), ingressClass("x", "y")];
    const store = storeOf(objects);
    const again = structuredClone(objects).map((object) => ({
      ...object,
      meta: { ...object.meta, resourceVersion: "2" },
    }));
    store.apply(again.map(put));
    store.apply([{ kind: "replace", objectKind: "Ingress", objects: [again[0]!] }]); // there are four
    assert.deepEqual(store.takeDirty(), []);
  });

  test("a Secret dirties its certificate and the hosts that may get it", () => {
    const store = storeOf([web]);
    store.apply([put(secret("shop/cert", goodKeyPair(["a.example"])))]);
    assert.deepEqual(store.takeDirty(), ["certificate:shop/cert", "host:a.example", "host:b.example"]);
  });

  test("a Service dirties its backends and the hosts that route to it", () => {
    const store = storeOf([web]);
    store.apply([put(service("shop/web"))]);
    assert.deepEqual(store.takeDirty(), ["backend:shop/web", "host:a.example", "host:b.example"]);
  });

  test("the default backend and the default certificate dirty the host without name", () => {
    const store = storeOf([], { defaultBackend: { service: "ops/404", port: 80 }, defaultCertificate: "ops/cert" });
    store.apply([put(service("ops/404")), put(secret("ops/cert", goodKeyPair([])))]);
    assert.deepEqual(store.takeDirty(), ["backend:ops/404", "host:_", "certificate:ops/cert"]);
    assert.deepEqual(store.portsInUse("ops/404"), [80]);
  });

  test("replace removes what is not in it, but not what came and could not be read", () => {
    const store = storeOf([web, ingress("shop/api", { rules: [rule("c.example", path("/"))] })]);
    const ref = { kind: "Ingress", namespace: "shop", name: "web" } as const;
    store.apply([
      { kind: "refuse", refusal: { ref, where: "API server", position: null, faults: [] } },
      { kind: "replace", objectKind: "Ingress", objects: [] },
    ]);
    assert.deepEqual(store.takeDirty(), ["host:c.example", "backend:shop/web"]);
    assert.deepEqual(store.ingressesOfHost("a.example"), [web]);
    store.apply([
      { kind: "accept", where: "API server" },
      { kind: "replace", objectKind: "Ingress", objects: [] },
    ]);
    assert.deepEqual([store.refusals(), store.ingressesOfHost("a.example"), store.objects()], [[], [], []]);
  });
});

describe("the synced gate", () => {
  function gated(kinds: readonly ObjectKind[]): { store: Store; calls: string[] } {
    const calls: string[] = [];
    const store = new Store({
      settings: SETTINGS,
      requiredKinds: kinds,
      onDirty: () => calls.push("dirty"),
      onWantedSecrets: (keys) => calls.push(`secrets ${[...keys].join()}`),
    });
    return { store, calls };
  }

  test("nothing is dirty before every kind was listed, then everything is", () => {
    const { store, calls } = gated(["Ingress", "Service"]);
    store.apply([{ kind: "replace", objectKind: "Ingress", objects: [web] }, put(slice("shop/s", "web", []))]);
    assert.deepEqual([store.synced(), store.takeDirty(), calls], [false, [], ["secrets shop/cert"]]);
    store.apply([{ kind: "replace", objectKind: "Service", objects: [] }]);
    assert.equal(store.synced(), true);
    assert.deepEqual(store.takeDirty(), [
      "host:_",
      "host:a.example",
      "host:b.example",
      "backend:shop/web",
      "certificate:shop/cert",
    ]);
    assert.deepEqual(calls, ["secrets shop/cert", "dirty"]);
  });

  test("tells once that something is dirty, and again after it was taken", () => {
    const { store, calls } = gated([]);
    store.apply([put(web)]);
    store.apply([put(service("shop/web"))]);
    assert.deepEqual(calls, ["secrets shop/cert", "dirty"]);
    store.takeDirty();
    store.apply([{ kind: "delete", ref: { kind: "Service", namespace: "shop", name: "web" } }]);
    assert.deepEqual(calls, ["secrets shop/cert", "dirty", "dirty"]);
  });

  test("wanted Secrets are told only when the set changes", () => {
    const { store, calls } = gated([]);
    store.apply([put(web)]);
    store.apply([put({ ...web, rules: [] })]);
    store.apply([put(ingress("shop/two", { tls: [{ hosts: ["x.example"], secretName: "cert" }] }))]);
    store.apply([{ kind: "delete", ref: { kind: "Ingress", namespace: "shop", name: "web" } }]);
    store.apply([{ kind: "delete", ref: { kind: "Ingress", namespace: "shop", name: "two" } }]);
    assert.deepEqual(
      calls.filter((call) => call !== "dirty"),
      ["secrets shop/cert", "secrets "],
    );
    assert.deepEqual([...store.wantedSecrets()], []);
  });

  test("a restored snapshot is synced at once and gives back the same objects", () => {
    const before = storeOf([web, service("shop/web"), ingressClass("headgate", "headgate.dev/ingress")]);
    const { store, calls } = gated(["Ingress", "Service", "EndpointSlice", "IngressClass"]);
    store.restore(JSON.parse(JSON.stringify(before.objects())));
    assert.equal(store.synced(), true);
    assert.deepEqual(store.objects(), before.objects());
    assert.ok(store.takeDirty().includes("host:a.example"));
    assert.deepEqual(calls, ["secrets shop/cert", "dirty"]);
  });
});

describe("which Ingresses are ours", () => {
  const classless = ingress("shop/none", { ingressClassName: null, rules: [rule("n.example", path("/"))] });
  const served = (store: Store): boolean => store.ingressesOfHost("n.example").length > 0;

  test("by class name, and by the controller of the class", () => {
    for (const [className, ours] of [
      ["headgate", true],
      ["nginx", true],
      ["mine", true],
      ["other", false],
    ] as const) {
      const store = storeOf([
        ingressClass("mine", "headgate.dev/ingress"),
        ingressClass("other", "k8s.io/ingress-nginx"),
        { ...classless, ingressClassName: className },
      ]);
      assert.equal(served(store), ours, className);
    }
  });

  test("by the old annotation, unless there is a class name", () => {
    const annotations = { [CLASS_ANNOTATION]: "nginx" };
    const annotated = { ...classless, meta: { ...classless.meta, annotations } };
    assert.equal(served(storeOf([ingressClass("x", "y"), annotated])), true);
    assert.equal(served(storeOf([{ ...annotated, ingressClassName: "traefik" }])), false);
    const other = { ...annotated, meta: { ...annotated.meta, annotations: { [CLASS_ANNOTATION]: "traefik" } } };
    assert.equal(served(storeOf([other], { classless: "true" })), false);
  });

  test("without a class: as the setting says; auto takes manifests and clusters without IngressClass", () => {
    assert.equal(served(storeOf([classless])), true);
    assert.equal(served(storeOf([classless], { classless: "false" })), false);
    const foreign = ingressClass("x", "y", true);
    assert.equal(served(storeOf([foreign, classless])), false);
    assert.equal(served(storeOf([foreign, classless], { classless: "true" })), true);
    const position = { file: "a.yaml", index: 0, line: 1 };
    assert.equal(served(storeOf([foreign, { ...classless, meta: { ...classless.meta, position } }])), true);
    assert.equal(served(storeOf([ingressClass("h", "headgate.dev/ingress", true), classless])), true);
  });

  test("a Secret that is no key pair any more keeps the pair it had, until a good one comes or it goes", () => {
    const good = goodKeyPair(["n.example"]);
    const store = storeOf([secret("shop/tls", good)]);
    store.apply([put(secret("shop/tls", BAD_KEY_PAIR))]);
    assert.deepEqual(store.secret("shop/tls"), { ...secret("shop/tls", good), refused: BAD_KEY_PAIR });
    store.apply([put(secret("shop/tls", goodKeyPair(["m.example"])))]);
    assert.equal(store.secret("shop/tls")?.refused, null);
    store.apply([{ kind: "delete", ref: { kind: "Secret", namespace: "shop", name: "tls" } }]);
    store.apply([put(secret("shop/tls", BAD_KEY_PAIR))]);
    assert.equal(store.secret("shop/tls")?.keyPair.kind, "bad", "a Secret that never was a pair is none");
  });

  test("without a class, auto leaves it alone while nobody may say whether there are IngressClasses", () => {
    const options = { requiredKinds: [], onDirty: () => undefined, onWantedSecrets: () => undefined };
    const store = new Store({ settings: SETTINGS, ...options });
    store.apply([put(classless)]);
    assert.equal(served(store), false);
    store.takeDirty();
    store.apply([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
    assert.deepEqual([store.takeDirty(), served(store)], [["host:n.example", "backend:shop/web"], true]);
  });

  test("a class that comes or goes dirties the Ingresses that depend on it", () => {
    const mine = ingress("shop/mine", { ingressClassName: "mine", rules: [rule("m.example", path("/"))] });
    const store = storeOf([classless, mine]);
    store.apply([put(ingressClass("mine", "headgate.dev/ingress"))]);
    assert.deepEqual(store.takeDirty(), ["host:m.example", "backend:shop/web", "host:n.example"]);
    store.apply([{ kind: "delete", ref: { kind: "IngressClass", namespace: "", name: "mine" } }]);
    assert.deepEqual(store.takeDirty(), ["host:m.example", "backend:shop/web", "host:n.example"]);
  });

  test("our class becoming the default takes the Ingresses without class that were there before", () => {
    const store = storeOf([ingressClass("other", "k8s.io/ingress-nginx"), classless]);
    store.apply([put(ingressClass("ours", "headgate.dev/ingress", true))]);
    assert.deepEqual(store.takeDirty(), ["host:n.example", "backend:shop/web"]);
    store.apply([put(ingressClass("ours", "headgate.dev/ingress", false))]);
    assert.deepEqual([store.takeDirty(), served(store)], [["host:n.example", "backend:shop/web"], false]);
  });
});

test("Endpoints count where a Service has no slices of its own", () => {
  const addresses = (...ready: readonly string[]): Endpoints => ({
    kind: "Endpoints",
    meta: meta("shop/web"),
    subsets: [
      {
        ready: ready.map((address) => ({ address, nodeName: null })),
        notReady: [{ address: "10.0.0.9", nodeName: null }],
        ports: [{ name: "", port: 8080, protocol: "TCP" }],
      },
    ],
  });
  const store = storeOf([
    ingress("shop/web", { rules: [rule("a.example", path("/"))] }),
    service("shop/web"),
    addresses("10.0.0.1", "2001:db8::1"),
  ]);
  const peers = (): readonly string[] =>
    buildBackends(store, SETTINGS, "shop/web").backends.flatMap((built) => built.peers.map(({ address }) => address));
  assert.deepEqual(peers(), ["10.0.0.1", "2001:db8::1"]);
  store.apply([{ kind: "put", object: addresses("10.0.0.2") }]);
  assert.deepEqual(store.takeDirty(), ["backend:shop/web"]);
  assert.deepEqual(peers(), ["10.0.0.2"]);
  store.apply([{ kind: "put", object: slice("shop/web-1", "web", [endpoint("10.0.0.3")]) }]);
  assert.deepEqual(store.takeDirty(), ["backend:shop/web"]);
  assert.deepEqual(peers(), ["10.0.0.3"]);
  store.apply([{ kind: "put", object: addresses("10.0.0.4") }]);
  assert.deepEqual(store.takeDirty(), [], "they say nothing beside slices");
  store.apply([{ kind: "delete", ref: { kind: "EndpointSlice", namespace: "shop", name: "web-1" } }]);
  assert.deepEqual(peers(), ["10.0.0.4"]);
});
