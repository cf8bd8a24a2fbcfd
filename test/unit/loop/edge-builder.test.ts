// A host of thousands of paths: what one change makes anew is counted, as times say nothing on another machine.

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildersOf } from "../../../agent/loop/builders.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import type { NameAddresses } from "../../../agent/model/input.ts";
import type { Route } from "../../../agent/model/edge-model.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import type { Change } from "../../../agent/store/source.ts";
import { profileOf } from "../../../agent/render/documents.ts";
import { Store } from "../../../agent/store/store.ts";
import {
  backend,
  BAD_KEY_PAIR,
  configMap,
  endpoint,
  externalService,
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

const INGRESSES = 30;
const PATHS = 100;
const PATTERNS = 200;
const HOST = "x.example";

interface BigHost {
  readonly builder: EdgeBuilder;
  readonly apply: (...changes: readonly Change[]) => ReadonlySet<string>;
  readonly routes: () => readonly Route[];
}

function changing(to: string): Change {
  const object = ingress("a/changing", { rules: [rule(HOST, path("/changing", "Prefix", backend(to)))] });
  return { kind: "put", object };
}

function range<T>(count: number, make: (at: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

function bigHost(withPatterns: boolean): BigHost {
  const nothing = (): void => undefined;
  const store = new Store({ settings: SETTINGS, requiredKinds: [], onDirty: nothing, onWantedSecrets: nothing });
  const builder = new EdgeBuilder(buildersOf(store, SETTINGS, () => 0));
  const apply = (...changes: readonly Change[]): ReadonlySet<string> => {
    store.apply(changes);
    return new Set(store.takeDirty().flatMap((key) => builder.build(key).ids));
  };
  const services = ["web", "other"].map((name) => service(`a/${name}`, [servicePort(80)]));
  const plain = range(INGRESSES, (at) =>
    ingress(`a/part-${at}`, { rules: [rule(HOST, ...range(PATHS, (index) => path(`/${at}/${index}`)))] }),
  );
  const patterns = ingress("a/patterns", {
    meta: { annotations: { "nginx.ingress.kubernetes.io/use-regex": "true" } },
    rules: [rule(HOST, ...range(PATTERNS, (at) => path(`/${at}/[a-z]+$`, "ImplementationSpecific")))],
  });
  const objects = [...services, ...plain, ...(withPatterns ? [patterns] : [])];
  store.apply([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
  apply(...objects.map((object): Change => ({ kind: "put", object })), changing("web"));
  return { builder, apply, routes: () => builder.model.hosts.get(HOST)?.routes ?? [] };
}

for (const withPatterns of [false, true]) {
  test(`one changed route of thousands is one new document (${withPatterns ? "with" : "without"} patterns)`, () => {
    const { builder, apply, routes } = bigHost(withPatterns);
    const before = routes();
    assert.equal(before.length, INGRESSES * PATHS + 1 + (withPatterns ? PATTERNS : 0));
    const table = builder.wanted.get(`host:ingress/${HOST}`);
    const ids = apply(changing("other"));
    const known = new Set(before);
    const [made, ...more] = routes().filter((route) => !known.has(route));
    assert.deepEqual([made?.path, made?.backend, more.length], ["/changing", "a/other/80", 0]);
    const named = [...ids].filter((id) => id.startsWith("route:") || id.startsWith("host:"));
    assert.deepEqual(named, [`route:${made?.key}`]);
    assert.equal(builder.wanted.get(`host:ingress/${HOST}`), table);
  });
}

// What a route depends on beside its Ingress and Service must not be missed: each of these opens or closes something.
test("the settings of a class, when they change, change the routes of its Ingresses", () => {
  const { apply, routes } = bigHost(false);
  const ofClass = { ingressClassName: "mine", rules: [rule(HOST, path("/classy", "Exact"))] };
  const mine = ingressClass("mine", "headgate.dev/ingress");
  const classy = (...changes: readonly Change[]): unknown => {
    apply(...changes);
    const route = routes().find((one) => one.path === "/classy");
    return [route?.sslRedirect, route?.closed !== null, route?.filters.map(({ kind }) => kind)];
  };
  const put = (object: KubernetesObject): Change => ({ kind: "put", object });
  const named = { ...mine, parameters: { kind: "ConfigMap", key: "a/settings" } as const };
  const settings = (data: Readonly<Record<string, string>>): Change => put(configMap("a/settings", data));
  assert.deepEqual(classy(put(mine), put(ingress("a/classy", ofClass))), ["certificate", false, []]);
  assert.deepEqual(classy(put(named)), ["certificate", true, []]);
  assert.deepEqual(classy(settings({})), ["certificate", false, []]);
  assert.deepEqual(classy(settings({ "force-ssl-redirect": "true" })), ["always", false, []]);
  assert.deepEqual(classy(settings({ "whitelist-source-range": "10.0.0.0/8" })), ["certificate", false, ["access"]]);
  assert.deepEqual(classy(settings({ "block-cidrs": "10.0.0.1" })), ["certificate", true, []]);
  assert.deepEqual(classy(put(mine)), ["certificate", false, []]);
});

test("authorities of a backend, when they change, change its routes", () => {
  const { apply, routes } = bigHost(false);
  const annotations = {
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
    "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret": "a/ca",
  };
  const object = ingress("a/verified", { meta: { annotations }, rules: [rule(HOST, path("/verified"))] });
  const told = (...changes: readonly Change[]): unknown => {
    apply(...changes);
    const route = routes().find((one) => one.path === "/verified");
    return [route?.closed !== null, route?.upstreamTls?.verify?.authorities];
  };
  const authorities = (pem: string): Change => {
    return { kind: "put", object: { ...secret("a/ca", BAD_KEY_PAIR), authorities: pem } };
  };
  assert.deepEqual(told({ kind: "put", object }), [true, undefined]);
  assert.deepEqual(told(authorities("one")), [false, "one"]);
  assert.deepEqual(told(authorities("two")), [false, "two"]);
  assert.deepEqual(told({ kind: "delete", ref: { kind: "Secret", namespace: "a", name: "ca" } }), [true, undefined]);
});

test("a canary that comes, changes and goes changes the route of its path alone, and counts its profiles", () => {
  const { builder, apply, routes } = bigHost(false);
  const verify = {
    "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret": "a/ca",
  };
  const main = ingress("a/main", { meta: { annotations: verify }, rules: [rule(HOST, path("/main"))] });
  const canary = (weight: string): KubernetesObject => {
    const own = { "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": weight };
    return ingress("a/canary", {
      meta: { annotations: { ...verify, ...own } },
      rules: [rule(HOST, path("/main", "Prefix", backend("next")))],
    });
  };
  const put = (object: KubernetesObject): Change => ({ kind: "put", object });
  const secure = service("a/next", [{ ...servicePort(80), appProtocol: "https" }]);
  apply(put(main), put(secure), put({ ...secret("a/ca", BAD_KEY_PAIR), authorities: "PEM" }));
  const told = (...changes: readonly Change[]): unknown => {
    const known = new Set(routes());
    const ids = [...apply(...changes)].filter((id) => id.startsWith("route:"));
    const made = routes().filter((route) => !known.has(route) && route.path !== "/main");
    const split = routes().flatMap(({ filters }) => filters.filter((filter) => filter.kind === "split"));
    return [ids.length, made.length, split[0]?.alternatives[0]?.rule.weight, builder.verified.length];
  };
  assert.deepEqual(told(put(canary("10"))), [1, 0, 10, 1]);
  assert.deepEqual(told(put(canary("20"))), [1, 0, 20, 1]);
  assert.deepEqual(told(put(service("a/next"))), [1, 0, 20, 0]);
  assert.deepEqual(told(put(secure)), [1, 0, 20, 1]);
  const gone: Change = { kind: "delete", ref: { kind: "Ingress", namespace: "a", name: "canary" } };
  assert.deepEqual(told(gone), [1, 0, undefined, 0]);
  assert.deepEqual(told(put(canary("30"))), [1, 0, 30, 1]);
});

test("a route without anything else of its own is not remembered with a canary that changed or went", () => {
  const { apply, routes } = bigHost(false);
  const canary = (weight: string): KubernetesObject => {
    const own = { "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": weight };
    return ingress("a/canary", {
      meta: { annotations: own },
      rules: [rule(HOST, path("/0/0", "Prefix", backend("other")))],
    });
  };
  const told = (...changes: readonly Change[]): unknown => {
    apply(...changes);
    const split = routes().flatMap(({ filters }) => filters.filter((filter) => filter.kind === "split"));
    return split.flatMap(({ alternatives }) =>
      alternatives.map(({ rule: { weight }, protocol }) => `${weight} ${protocol}`),
    );
  };
  assert.deepEqual(told({ kind: "put", object: canary("10") }), ["10 http"]);
  assert.deepEqual(told({ kind: "put", object: canary("20") }), ["20 http"]);
  const secure = service("a/other", [{ ...servicePort(80), appProtocol: "https" }]);
  assert.deepEqual(told({ kind: "put", object: secure }), ["20 https"]);
  assert.deepEqual(told({ kind: "delete", ref: { kind: "Ingress", namespace: "a", name: "canary" } }), []);
});

test("a path that comes to a host with patterns or goes from it changes their order", () => {
  const { builder, apply } = bigHost(true);
  const count = (): number => builder.model.hosts.get(HOST)?.host?.expressions.length ?? 0;
  const before = count();
  const last = ingress("a/zz", { rules: [rule(HOST, path("/zz"))] });
  apply({ kind: "put", object: last });
  assert.equal(count(), before + 1);
  apply({ kind: "delete", ref: { kind: "Ingress", namespace: "a", name: "zz" } });
  assert.equal(count(), before);
});

test("a Service that changes makes its routes anew, and no other", () => {
  const { apply, routes } = bigHost(false);
  apply(changing("other"));
  const known = new Set(routes());
  apply({ kind: "put", object: service("a/other", [{ ...servicePort(80), appProtocol: "https" }]) });
  const made = routes().filter((route) => !known.has(route));
  assert.deepEqual(
    made.map((route) => [route.path, route.protocol]),
    [["/changing", "https"]],
  );
});

test("a Service that becomes a name goes on with its peers until the name is resolved", () => {
  const settings = { ...SETTINGS, externalNames: ["*"] };
  const names = new Map<string, NameAddresses>();
  const nothing = (): void => undefined;
  const store = new Store({ settings, names, requiredKinds: [], onDirty: nothing, onWantedSecrets: nothing });
  const told: string[] = [];
  const builder = new EdgeBuilder(
    buildersOf(store, settings, () => 0),
    nothing,
    (_service, before, after) => told.push(`${before} ${after}`),
  );
  store.apply([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
  const peersAfter = (...objects: readonly KubernetesObject[]): readonly string[] | undefined => {
    store.apply(objects.map((object) => ({ kind: "put", object })));
    store.takeDirty();
    builder.build("backend:a/web");
    return builder.model.backends.get("a/web")?.backends[0]?.peers.map(({ address }) => address);
  };
  const used = ingress("a/one", { rules: [rule(HOST, path("/"))] });
  const ports = [servicePort(80)];
  assert.deepEqual(peersAfter(used, externalService("a/web", "first.example", ports)), []);
  assert.deepEqual(peersAfter(service("a/web", ports), slice("a/s", "web", [endpoint("10.0.0.1")])), ["10.0.0.1"]);
  assert.deepEqual(peersAfter(externalService("a/web", "first.example", ports)), ["10.0.0.1"]);
  names.set("first.example", { addresses: ["10.0.0.2"], trouble: null });
  assert.deepEqual(peersAfter(), ["10.0.0.2"]);
  assert.deepEqual(peersAfter(externalService("a/web", "second.example", ports)), ["10.0.0.2"]);
  // Another port is another backend, which never served.
  assert.deepEqual(peersAfter(ingress("a/one", { rules: [rule(HOST, path("/", "Prefix", backend("web", 81)))] })), []);
  names.set("second.example", { addresses: [], trouble: { cause: "timeout", heard: "", until: null } });
  assert.deepEqual(peersAfter(used), []);
  const steps = told.filter((step) => new Set(step.split(" ")).size > 1);
  const first = "first.example";
  assert.deepEqual(steps, [`null ${first}`, `${first} null`, `null ${first}`, `${first} second.example`]);
});

test("authorities that are told apart by their digest are never one profile", () => {
  const route = { protocol: "https" } as const;
  const verify = { authorities: "PEM", depth: 1 };
  const name = (digest?: string): string =>
    profileOf({ ...route, upstreamTls: { name: "x", verify: { ...verify, ...(digest !== undefined && { digest }) } } })
      .name;
  assert.equal(name("a".repeat(64)), `https-${"a".repeat(24)}-n1`);
  assert.notEqual(name("a".repeat(64)), name(`b${"a".repeat(63)}`));
  // With all that a variant of it can say, the data plane still takes the name.
  assert.ok(`${name("a".repeat(64)).replace("https", "grpcs")}-b1000g-o0-r0-h64-e0123456789a`.length <= 64);
  assert.match(name(), /^https-[0-9a-z]{11}$/);
});
