import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import { readErrors } from "../../../agent/model/ingress/errors.ts";
import { draftOf } from "../../../agent/model/ingress/annotation-values.ts";
import type { ModelSettings } from "../../../agent/model/input.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { buildersOf } from "../../../agent/loop/builders.ts";
import { allKeys } from "../../../agent/model/keys.ts";
import { Store } from "../../../agent/store/store.ts";
import { ingress, path, rule, service, servicePort, SETTINGS, storeOf } from "./objects.ts";

const prefixed = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
  );

function read(annotations: Readonly<Record<string, string>>): [unknown, readonly string[]] {
  const draft = draftOf(prefixed(annotations));
  return [readErrors(draft), draft.invalid.map(({ message }) => message)];
}

function built(annotations: Readonly<Record<string, string>>, ...objects: readonly KubernetesObject[]) {
  const front = ingress("shop/front", {
    meta: { annotations: prefixed(annotations) },
    rules: [rule("a.example", path("/"), path("/b"))],
  });
  return (settings: Partial<ModelSettings> = {}): [unknown, readonly string[]] => {
    const store = storeOf([front, service("shop/web"), ...objects], settings);
    const { routes, problems } = buildHost(store, { ...SETTINGS, ...settings }, "a.example");
    const [first] = routes;
    return [
      first?.filters.find(({ kind }) => kind === "errors") ?? null,
      problems.map(({ code, message }) => `${code}: ${message}`),
    ];
  };
}

describe("errors that another Service answers", () => {
  test("are codes, a Service, and whether a backend's own are replaced", () => {
    assert.deepEqual(read({}), [null, []]);
    assert.deepEqual(read({ "disable-proxy-intercept-errors": "true" }), [null, []]);
    assert.deepEqual(read({ "custom-http-errors": "503, 404,503" }), [
      { codes: [404, 503], intercept: true, service: null },
      [],
    ]);
    assert.deepEqual(read({ "default-backend": "sorry", "disable-proxy-intercept-errors": "true" }), [
      { codes: [], intercept: false, service: "sorry" },
      [],
    ]);
    const [wish, messages] = read({ "custom-http-errors": "404,302,499,x,5000", "default-backend": "a/b" });
    assert.deepEqual(wish, { codes: [404], intercept: true, service: null });
    assert.equal(messages.length, 5);
  });

  test("go to the first TCP port of the Service, which gets its peers", () => {
    const ports = [{ ...servicePort(53), protocol: "UDP" }, servicePort(8080, "http")];
    const sorry = service("shop/sorry", ports);
    const annotations = { "custom-http-errors": "404", "default-backend": "sorry" };
    const expected = { kind: "errors", codes: [404], intercept: true, backend: "shop/sorry/8080", port: "80" };
    assert.deepEqual(built(annotations, sorry)(), [expected, []]);
    const front = ingress("shop/front", {
      meta: { annotations: prefixed(annotations) },
      rules: [rule("a.example", path("/"))],
    });
    const store = storeOf([front, service("shop/web"), sorry]);
    const builder = new EdgeBuilder(buildersOf(store, SETTINGS, () => 0));
    for (const key of allKeys(store)) builder.build(key);
    assert.ok(builder.wanted.has("backend:shop/sorry/8080"), [...builder.wanted.keys()].join());
    assert.deepEqual(
      builder.variants.map(({ base, intercept }) => [base, intercept]),
      [["http", [404]]],
    );
    store.takeDirty();
    store.apply([{ kind: "put", object: service("shop/sorry", [servicePort(81)]) }]);
    for (const key of store.takeDirty()) builder.build(key);
    assert.match(builder.wanted.get(`route:${String(routeKey(builder))}`)?.text ?? "", /"backend":"shop\/sorry\/81"/);
  });

  test("follow the edge's default backend when that Service comes and changes", () => {
    const front = ingress("shop/front", {
      meta: { annotations: prefixed({ "custom-http-errors": "404" }) },
      rules: [rule("a.example", path("/"))],
    });
    const settings = { ...SETTINGS, defaultBackend: { service: "infra/errors", port: "http" } };
    const store = new Store({
      settings,
      requiredKinds: [],
      onDirty: () => undefined,
      onWantedSecrets: () => undefined,
    });
    store.apply([front, service("shop/web")].map((object) => ({ kind: "put", object })));
    const builder = new EdgeBuilder(buildersOf(store, settings, () => 0));
    const answers = (): string | undefined => {
      for (const key of store.takeDirty()) builder.build(key);
      return /"backend":"(infra[^"]*)"/.exec(builder.wanted.get(`route:${String(routeKey(builder))}`)?.text ?? "")?.[1];
    };
    assert.equal(answers(), "infra/errors/http");
    store.apply([{ kind: "put", object: service("infra/errors", [servicePort(80, "http")]) }]);
    assert.equal(answers(), "infra/errors/80");
    store.apply([{ kind: "put", object: service("infra/errors", [servicePort(8080, "http")]) }]);
    assert.equal(answers(), "infra/errors/8080");
  });

  test("go out as they come where the Service is not there, and that is told once", () => {
    const missing = built({ "default-backend": "sorry" });
    assert.deepEqual(missing(), [
      null,
      ["service-missing: there is no Service shop/sorry: errors go out as they come"],
    ]);
    const nobody = built({ "custom-http-errors": "404" });
    assert.deepEqual(nobody(), [null, ["annotation-invalid: there is no default backend: errors go out as they come"]]);
    const [filter, problems] = nobody({ defaultBackend: { service: "infra/errors", port: 80 } });
    assert.deepEqual(filter, {
      kind: "errors",
      codes: [404],
      intercept: true,
      backend: "infra/errors/80",
      port: "80",
    });
    assert.deepEqual(problems, []);
  });
});

function routeKey(builder: EdgeBuilder): string | undefined {
  return builder.model.hosts.get("a.example")?.routes[0]?.key;
}
