// The most important property of the agent: building only what is dirty gives what a full build gives.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildersOf } from "../../../agent/loop/builders.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { buildCertificate } from "../../../agent/model/build-certificate.ts";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { DirtyKey } from "../../../agent/model/edge-model.ts";
import type { ModelInput, ModelSettings } from "../../../agent/model/input.ts";
import { allKeys } from "../../../agent/model/keys.ts";
import { CLASS_ANNOTATION, ENDPOINTS_ANNOTATION } from "../../../agent/objects/annotation-keys.ts";
import type { KubernetesObject, ObjectKind, Position } from "../../../agent/objects/objects.ts";
import { USUAL_ROUTE_DEFAULTS } from "../../../agent/render/documents.ts";
import type { Change } from "../../../agent/store/source.ts";
import { Store } from "../../../agent/store/store.ts";
import {
  backend,
  BAD_KEY_PAIR,
  configMap,
  endpoint,
  goodKeyPair,
  ingress,
  ingressClass,
  node,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  slice,
} from "../model/objects.ts";

const NOW = 1_000_000_000_000;
const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 400);

// Small pools, so that objects meet.
const namespace = fc.constantFrom("a", "a", "a", "b");
const serviceName = fc.constantFrom("web", "web", "web", "api");
const host = fc.constantFrom("", "x.example", "y.example", "*.example", "X.EXAMPLE", "bad host", "10.0.0.1");
const port = fc.constantFrom<number | string>(80, 80, 80, 81, "http");
const anyBackend = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(serviceName, port).map(([name, number]) => backend(name, number)) },
  fc.constant({ kind: "resource", apiGroup: "", resourceKind: "Bucket", name: "b" } as const),
  fc.constant({ kind: "none" } as const),
);
const anyPath = fc
  .tuple(
    fc.constantFrom("/", "/a", "/a/", "/a/b", "//", "", "no", "/%zz", "/a(.*)", "/(b"),
    fc.constantFrom("Exact", "Prefix", "ImplementationSpecific"),
    anyBackend,
  )
  .map(([text, type, to]) => path(text, type, to));
const anyRule = fc.tuple(host, fc.array(anyPath, { maxLength: 2 })).map(([name, paths]) => rule(name, ...paths));
const NGINX = "nginx.ingress.kubernetes.io";
const VERIFIED = {
  [`${NGINX}/backend-protocol`]: "HTTPS",
  [`${NGINX}/proxy-ssl-verify`]: "on",
  [`${NGINX}/proxy-ssl-secret`]: "cert2",
};
const annotations = fc.constantFrom(
  {},
  {},
  {},
  { [`${NGINX}/auth-url`]: "x" },
  { [`${NGINX}/auth-url`]: "http://web.b.svc:80/check" },
  { [`${NGINX}/auth-url`]: "http://y.example/" },
  { [`${NGINX}/auth-url`]: "https://web.example.org/" },
  { [`${NGINX}/auth-url`]: "http://10.0.0.2:81/", [`${NGINX}/auth-proxy-set-headers`]: "a/settings" },
  { [`${NGINX}/server-snippet`]: "x" },
  { [`${NGINX}/use-regex`]: "true" },
  { [`${NGINX}/rewrite-target`]: "/$1" },
  { "ingress.kubernetes.io/rewrite-target": "/new" },
  { [`${NGINX}/whitelist-source-range`]: "10.0.0.0/8" },
  { [`${NGINX}/server-alias`]: "y.example, z.example" },
  VERIFIED,
  { [`${NGINX}/auth-type`]: "basic", [`${NGINX}/auth-secret`]: "cert2" },
  { [`${NGINX}/auth-type`]: "basic", [`${NGINX}/auth-secret`]: "cert", [`${NGINX}/auth-secret-type`]: "auth-map" },
  { [`${NGINX}/limit-rate`]: "5" },
  { [`${NGINX}/canary`]: "true" },
  { [`${NGINX}/custom-headers`]: "settings" },
  { [`${NGINX}/from-to-www-redirect`]: "true" },
  { [`${NGINX}/custom-http-errors`]: "404" },
  { [`${NGINX}/default-backend`]: "web", [`${NGINX}/custom-http-errors`]: "404,503" },
  { [`${NGINX}/proxy-body-size`]: "8m" },
  { [`${NGINX}/proxy-body-size`]: "0", [`${NGINX}/proxy-buffering`]: "on" },
  { [`${NGINX}/affinity`]: "cookie" },
  { [`${NGINX}/canary`]: "true", [`${NGINX}/canary-weight`]: "60" },
  { [`${NGINX}/canary`]: "true", [`${NGINX}/canary-by-header`]: "X-Canary", ...VERIFIED },
  { [CLASS_ANNOTATION]: "mine" },
);
const position = fc
  .option(fc.nat(3), { nil: null })
  .map((index): Position | null => (index === null ? null : { file: "f.yaml", index, line: index * 10 + 1 }));
const createdAt = fc.option(fc.nat(2), { nil: null });

const anyIngress = fc
  .record({
    key: fc.tuple(namespace, fc.constantFrom("one", "two")).map((parts) => parts.join("/")),
    meta: fc.record({ annotations, position, createdAt }),
    ingressClassName: fc.constantFrom(null, "headgate", "mine", "other"),
    defaultBackend: fc.option(anyBackend, { nil: null }),
    rules: fc.array(anyRule, { maxLength: 3 }),
    tls: fc.array(
      fc.record({
        hosts: fc.array(host, { maxLength: 2 }),
        secretName: fc.constantFrom(null, "cert", "cert2"),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ key, ...fields }): KubernetesObject => ingress(key, fields));
// Ingresses of one path, which random ones seldom share without a fault.
const sharing = fc
  .tuple(
    fc.constantFrom("a/one", "a/two", "a/three"),
    fc.constantFrom("", "0", "60", "100"),
    fc.constantFrom("web", "api", "next"),
    fc.constantFrom("x.example", "x.example", "y.example"),
  )
  .map(([key, weight, to, name]): KubernetesObject => {
    const own = { "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": weight };
    return ingress(key, {
      meta: { annotations: weight === "" ? {} : own },
      rules: [rule(name, path("/a", "Prefix", backend(to)))],
    });
  });
const anyService = fc
  .tuple(
    namespace,
    serviceName,
    fc.constantFrom([servicePort(80, "http")], [servicePort(81)], [servicePort(82, "http")], []),
    fc.constantFrom("ClusterIP", "ExternalName"),
    fc.record({
      clusterIP: fc.constantFrom("", "None", "10.96.0.1"),
      externalTrafficPolicy: fc.constantFrom("Cluster", "Local"),
      mode: fc.constantFrom(undefined, undefined, "nodePort", "clusterIP", "pod", "wrong"),
    }),
  )
  .map(([space, name, ports, type, { clusterIP, externalTrafficPolicy, mode }]): KubernetesObject => {
    const made = service(
      `${space}/${name}`,
      ports.map((each) => ({ ...each, nodePort: 30_000 + each.port })),
      type,
    );
    const annotations = mode === undefined ? {} : { [ENDPOINTS_ANNOTATION]: mode };
    const externalName = type === "ExternalName" ? `${name}.example.org` : null;
    return { ...made, clusterIP, externalTrafficPolicy, externalName, meta: { ...made.meta, annotations } };
  });
const anySlice = fc
  .tuple(
    namespace,
    fc.constantFrom("s1", "s2"),
    serviceName,
    fc.array(
      fc
        .tuple(
          fc.constantFrom("10.0.0.1", "10.0.0.2", "127.0.0.1", "192.0.2.7"),
          fc.constantFrom("ready", "not-ready", "draining"),
        )
        .map(([address, state]) => ({ ...endpoint(address, state), nodeName: address === "10.0.0.1" ? "n1" : null })),
      { maxLength: 3 },
    ),
    fc.constantFrom("", "http"),
  )
  .map(([space, name, of, endpoints, portName]): KubernetesObject => {
    const ports = [{ name: portName, port: 8080, protocol: "TCP" }];
    return slice(`${space}/${name}`, of, endpoints, { ports });
  });
const anySecret = fc
  .tuple(
    namespace,
    fc.constantFrom("cert", "cert2"),
    fc.constantFrom(
      BAD_KEY_PAIR,
      goodKeyPair(["x.example"]),
      goodKeyPair(["*.example"], NOW + 1),
      goodKeyPair([], NOW - 1),
    ),
    fc.constantFrom({}, { values: { auth: "ann:{PLAIN}x\nbob" } }, { values: { auth: "x", ann: "{PLAIN}x" } }),
  )
  .map(([space, name, keyPair, values]): KubernetesObject => ({
    ...secret(`${space}/${name}`, keyPair),
    ...values,
    authorities: keyPair.kind === "good" ? "PEM" : null,
  }));
const anyClass = fc
  .tuple(
    fc.constantFrom("mine", "other", "nginx"),
    fc.constantFrom("headgate.dev/ingress", "else"),
    fc.boolean(),
    fc.constantFrom(null, { kind: "ConfigMap", key: "a/settings" } as const, { kind: "other", text: "x" } as const),
  )
  .map(([name, controller, isDefault, parameters]): KubernetesObject => {
    return { ...ingressClass(name, controller, isDefault), parameters };
  });
const anyConfigMap = fc
  .constantFrom(
    {},
    { "force-ssl-redirect": "true" },
    { "block-cidrs": "10.0.0.1" },
    { "whitelist-source-range": "::/0" },
    { "X-One": "1", "bad name": "2" },
    { "X-Team": "shop" },
  )
  .map((data): KubernetesObject => configMap("a/settings", data));
const anyNode = fc
  .tuple(fc.constantFrom("n1", "n2"), fc.boolean(), fc.constantFrom([], ["192.0.2.1"], ["10.0.0.2", "2001:db8::1"]))
  .map(([name, ready, addresses]): KubernetesObject => node(name, addresses, { ready }));
const anyObject = fc.oneof(
  { weight: 4, arbitrary: anyIngress },
  { weight: 2, arbitrary: sharing },
  { weight: 2, arbitrary: anyService },
  { weight: 2, arbitrary: anySlice },
  { weight: 2, arbitrary: anySecret },
  { weight: 2, arbitrary: anyClass },
  { weight: 1, arbitrary: anyConfigMap },
  { weight: 1, arbitrary: anyNode },
);
const put = anyObject.map((object): Change => ({ kind: "put", object }));
const change = fc.oneof(
  { weight: 8, arbitrary: put },
  {
    weight: 4,
    arbitrary: anyObject.map(({ kind, meta }): Change => ({
      kind: "delete",
      ref: { kind, namespace: meta.namespace, name: meta.name },
    })),
  },
  {
    weight: 1,
    arbitrary: fc.array(anyObject, { maxLength: 3 }).map((objects): Change => {
      const objectKind: ObjectKind = objects[0]?.kind ?? "Ingress";
      return { kind: "replace", objectKind, objects: objects.filter((object) => object.kind === objectKind) };
    }),
  },
);
const settings: fc.Arbitrary<ModelSettings> = fc.record({
  ingressClasses: fc.constant(["headgate"]),
  classless: fc.constantFrom("auto", "true", "false"),
  sslRedirect: fc.boolean(),
  forceSslRedirect: fc.boolean(),
  defaultBackend: fc.constantFrom(null, { service: "a/web", port: 80 }, { service: "b/api", port: "http" }),
  defaultCertificate: fc.constantFrom(null, "a/cert"),
  endpointsMode: fc.constantFrom("pod", "nodePort", "clusterIP"),
  allowLocalEndpoints: fc.boolean(),
  allowedResponseHeaders: fc.constant(null),
  refusedNetworks: fc.constantFrom([], ["10.0.0.2/32"]),
  externalNames: fc.constantFrom([], ["*"], ["*.example.org"]),
  buffersAnswers: fc.boolean(),
  hostAddresses: fc.constant(SETTINGS.hostAddresses),
});

/** Of all names there are: what goes on while one is not resolved yet is no part of a full build. */
const NAMES = new Map([
  ["web.example.org", { addresses: ["10.0.0.3", "127.0.0.1"], trouble: null }],
  ["api.example.org", { addresses: [], trouble: { cause: "NXDOMAIN", heard: "", until: null } }],
]);

function newStore(modelSettings: ModelSettings): Store {
  const store = new Store({
    names: NAMES,
    settings: modelSettings,
    requiredKinds: [],
    onDirty: () => undefined,
    onWantedSecrets: () => undefined,
  });
  // Whether the IngressClasses were ever listed is no object, so both stores must know the same about it.
  store.apply([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
  return store;
}

function buildKey(input: ModelInput, modelSettings: ModelSettings, key: DirtyKey): unknown {
  const name = key.slice(key.indexOf(":") + 1);
  if (key.startsWith("host:")) {
    const built = buildHost(input, modelSettings, name);
    return built.host === null && built.serverName === null && built.problems.length === 0 ? null : built;
  }
  if (key.startsWith("backend:")) {
    const built = buildBackends(input, modelSettings, name);
    return built.backends.length === 0 && built.problems.length === 0 ? null : built;
  }
  const built = buildCertificate(input, modelSettings, name, NOW);
  return built.certificate === null ? null : built;
}

function build(
  model: Map<string, unknown>,
  input: ModelInput,
  modelSettings: ModelSettings,
  keys: readonly DirtyKey[],
): void {
  for (const key of keys) {
    const value = buildKey(input, modelSettings, key);
    if (value === null) model.delete(key);
    else model.set(key, value);
  }
}

const sorted = (model: ReadonlyMap<string, unknown>): unknown => [...model].sort(([a], [b]) => (a < b ? -1 : 1));

/** A store that was told of the same objects at once; where Nodes were read and there are none, of that too. */
function copyOf(store: Store, modelSettings: ModelSettings): Store {
  const copy = newStore(modelSettings);
  if (store.nodes() !== null) copy.apply([{ kind: "replace", objectKind: "Node", objects: [] }]);
  copy.apply(store.objects().map((object) => ({ kind: "put", object: structuredClone(object) })));
  return copy;
}

test("building only the dirty keys gives the model of a full build, after every step", () => {
  fc.assert(
    fc.property(
      settings,
      fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 20, size: "max" }),
      (modelSettings, steps) => {
        const store = newStore(modelSettings);
        const model = new Map<string, unknown>();
        for (const step of steps) {
          store.apply(step);
          build(model, store, modelSettings, store.takeDirty());
          const fresh = copyOf(store, modelSettings);
          const full = new Map<string, unknown>();
          build(full, fresh, modelSettings, allKeys(fresh));
          assert.deepEqual(sorted(model), sorted(full));
        }
      },
    ),
    { numRuns: RUNS },
  );
});

const texts = (builder: EdgeBuilder): ReadonlyMap<string, string> =>
  new Map([...builder.wanted].map(([id, { text }]) => [id, text]));

test("documents of dirty keys are those of a full build, and each that changed is named", () => {
  const defaults = (tries: number) => ({ ...USUAL_ROUTE_DEFAULTS, retry: { tries, timeout_ms: 0 } });
  fc.assert(
    fc.property(
      settings,
      fc.array(fc.tuple(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(9)), { maxLength: 20, size: "max" }),
      (modelSettings, steps) => {
        const store = newStore(modelSettings);
        const builder = new EdgeBuilder(buildersOf(store, modelSettings, () => NOW));
        for (const [step, dice] of steps) {
          const before = texts(builder);
          const named = new Set<string>();
          // Whoever changes the defaults builds all hosts again.
          if (dice === 0) builder.setRouteDefaults(defaults(step.length));
          store.apply(step);
          for (const key of dice === 0 ? [...store.takeDirty(), ...allKeys(store)] : store.takeDirty()) {
            for (const id of builder.build(key).ids) named.add(id);
          }
          const fresh = copyOf(store, modelSettings);
          const full = builder.fresh(buildersOf(fresh, modelSettings, () => NOW));
          for (const key of allKeys(fresh)) full.build(key);
          const now = texts(builder);
          assert.deepEqual(sorted(now), sorted(texts(full)));
          assert.deepEqual(builder.verified, full.verified);
          assert.deepEqual(builder.variants, full.variants);
          assert.deepEqual(sorted(builder.owners()), sorted(full.owners()));
          const changed = [...new Set([...before.keys(), ...now.keys()])].filter(
            (id) => before.get(id) !== now.get(id),
          );
          assert.deepEqual(
            changed.filter((id) => !named.has(id)),
            [],
          );
        }
      },
    ),
    { numRuns: RUNS },
  );
});

test("what is wanted of Secrets is what a fresh store wants", () => {
  fc.assert(
    fc.property(settings, fc.array(change, { maxLength: 20 }), (modelSettings, changes) => {
      let told: ReadonlySet<string> = new Set();
      const store = new Store({
        settings: modelSettings,
        requiredKinds: [],
        onDirty: () => undefined,
        onWantedSecrets: (keys) => {
          told = keys;
        },
      });
      store.apply([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
      for (const one of changes) store.apply([one]);
      store.apply([]);
      const fresh = newStore(modelSettings);
      fresh.apply(store.objects().map((object) => ({ kind: "put", object })));
      assert.deepEqual([...told].sort(), [...fresh.wantedSecrets()].sort());
    }),
    { numRuns: RUNS },
  );
});
