import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost, Problem } from "../../../agent/model/edge-model.ts";
import type { ModelSettings } from "../../../agent/model/input.ts";
import type { KeyPair, KubernetesObject, Meta } from "../../../agent/objects/objects.ts";
import {
  backend,
  BAD_KEY_PAIR,
  goodKeyPair,
  ingress,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  storeOf,
} from "./objects.ts";

function host(name: string, objects: readonly KubernetesObject[], settings: Partial<ModelSettings> = {}): BuiltHost {
  const all = { ...SETTINGS, ...settings };
  return buildHost(storeOf(objects, all), all, name);
}
const brief = ({ code, field, object, hosts }: Problem): string =>
  `${code} ${object?.kind} ${object?.namespace}/${object?.name} ${field} [${hosts.join()}]`;

const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
const webService = service("shop/web");

describe("a host", () => {
  test("has routes named by their content, and backends by port number", () => {
    const built = host("a.example", [
      ingress("shop/web", {
        rules: [
          rule("a.example", path("/", "Prefix", backend("web", "http")), path("/x", "Exact", backend("web", 80))),
        ],
      }),
      service("shop/web", [servicePort(80, "http")]),
    ]);
    assert.equal(built.routes.length, 2);
    for (const route of built.routes) {
      assert.match(route.key, /^shop\/web\/[0-9a-z]{11}$/);
      assert.equal(route.backend, "shop/web/80");
      assert.deepEqual(route.ingress, { kind: "Ingress", namespace: "shop", name: "web" });
    }
    assert.deepEqual([...(built.host?.prefixes ?? [])], [["/", built.routes[0]?.key]]);
    assert.deepEqual([...(built.host?.exact ?? [])], [["/x", built.routes[1]?.key]]);
    assert.deepEqual(built.problems, []);
  });

  test("keeps the key of a route when other rules come before it", () => {
    const before = host("a.example", [web, webService]).routes[0]?.key;
    const rules = [rule("z.example", path("/")), rule("a.example", path("/new"), path("/"))];
    const after = host("a.example", [{ ...web, rules }, webService]).routes.map((route) => route.key);
    assert.ok(before !== undefined && after.includes(before));
  });

  test("is nothing when nobody names it", () => {
    assert.deepEqual(host("a.example", []), { host: null, routes: [], serverName: null, problems: [], shadowed: [] });
    // The sign that this edge knows what there is, and that there is no more.
    assert.equal(host("_", []).host?.prefixes.size, 0);
  });

  test("bad hosts and paths cost only themselves, each named with its field", () => {
    const position = { file: "shop.yaml", index: 1, line: 12 };
    const odd = ingress("shop/web", {
      meta: { position },
      rules: [rule("x".repeat(300), path("/")), rule("a.example", path("/\u0001"), path("/ok"))],
    });
    const store = storeOf([odd, webService]);
    const problems = [...store.hostsInUse()].flatMap((name) => buildHost(store, SETTINGS, name).problems);
    assert.deepEqual(problems.map(brief).sort(), [
      "host-invalid Ingress shop/web spec.rules[0].host []",
      "path-invalid Ingress shop/web spec.rules[1].http.paths[0].path [a.example]",
    ]);
    for (const problem of problems) {
      assert.equal(problem.where, "shop.yaml:12");
      assert.doesNotMatch(`${problem.message}${problem.fix}`, /[\u0000-\u001f]/);
      assert.ok(problem.message.length < 300 && problem.fix !== "");
    }
    assert.deepEqual([...(host("a.example", [odd, webService]).host?.prefixes.keys() ?? [])], ["/ok"]);
  });

  test("a conflict is the younger one's problem and names the older", () => {
    const younger = ingress("shop/a", { meta: { createdAt: 2 }, rules: [rule("a.example", path("/foo/"))] });
    const older = ingress("shop/b", { meta: { createdAt: 1 }, rules: [rule("a.example", path("/foo"))] });
    const built = host("a.example", [younger, older, webService]);
    assert.deepEqual(built.problems.map(brief), [
      "path-conflict Ingress shop/a spec.rules[0].http.paths[0].backend [a.example]",
    ]);
    assert.match(built.problems[0]?.message ?? "", /path \/foo \(Prefix\).*older Ingress shop\/b/);
    assert.deepEqual(
      built.routes.map((route) => route.ingress.name),
      ["b"],
    );
  });

  test("a missing Service, a missing port and a resource are problems of the Ingress", () => {
    const built = host("a.example", [
      ingress("shop/web", {
        rules: [
          rule(
            "a.example",
            path("/gone", "Prefix", backend("gone")),
            path("/port", "Prefix", backend("web", 81)),
            path("/bucket", "Prefix", { kind: "resource", apiGroup: "", resourceKind: "Bucket", name: "b" }),
          ),
        ],
      }),
      service("shop/web", [servicePort(80, "http")]),
    ]);
    assert.deepEqual(built.problems.map(brief), [
      "service-missing Ingress shop/web spec.rules[0].http.paths[0].backend.service.name [a.example]",
      "service-port-missing Ingress shop/web spec.rules[0].http.paths[1].backend.service.port [a.example]",
      "backend-unsupported Ingress shop/web spec.rules[0].http.paths[2].backend.resource [a.example]",
    ]);
    assert.match(built.problems[1]?.fix ?? "", /80 \(http\)/);
    assert.deepEqual(
      built.routes.map(({ backend: key }) => key),
      ["shop/gone/80", "shop/web/81", null],
    );
    assert.match(built.routes[2]?.closed?.reason ?? "", /Bucket/);
    assert.equal(built.host?.strictPaths, false);
  });

  test("a guard closes the routes, makes paths strict and is reported once for all hosts", () => {
    const guarded = ingress("shop/web", {
      meta: { annotations: { "nginx.ingress.kubernetes.io/auth-url": "x" } },
      rules: [rule("b.example", path("/")), rule("a.example", path("/"))],
    });
    const store = storeOf([guarded, webService]);
    const built = ["a.example", "b.example"].map((name) => buildHost(store, SETTINGS, name));
    for (const one of built) {
      assert.match(one.routes[0]?.closed?.reason ?? "", /auth-url/);
      assert.equal(one.host?.strictPaths, true);
    }
    assert.deepEqual(built.flatMap(({ problems }) => problems).map(brief), [
      'annotation-closes-route Ingress shop/web metadata.annotations["nginx.ingress.kubernetes.io/auth-url"] [a.example,b.example]',
    ]);
  });

  test("a Service that exists only in another namespace is named in the message, also when it comes later", () => {
    const store = storeOf([web]);
    const message = (): string => buildHost(store, SETTINGS, "a.example").problems[0]?.message ?? "";
    assert.equal(message(), "there is no Service shop/web: its requests get 503");
    store.apply([{ kind: "put", object: service("other/web") }]);
    assert.deepEqual(store.takeDirty(), ["host:a.example"]);
    assert.equal(message(), "there is no Service shop/web (there is one in other): its requests get 503");
    store.apply([{ kind: "delete", ref: { kind: "Service", namespace: "other", name: "web" } }]);
    assert.deepEqual(store.takeDirty(), ["host:a.example"]);
    assert.equal(message(), "there is no Service shop/web: its requests get 503");
  });

  test("speaks the protocol of the annotation, else of the Service's port", () => {
    const annotated = (value: string): Partial<Meta> => ({
      annotations: { "nginx.ingress.kubernetes.io/backend-protocol": value },
    });
    const protocol = (appProtocol: string | null, meta: Partial<Meta> = {}): string | undefined =>
      host("a.example", [
        ingress("shop/web", { meta, rules: [rule("a.example", path("/"))] }),
        service("shop/web", [{ ...servicePort(80), appProtocol }]),
      ]).routes[0]?.protocol;
    assert.equal(protocol(null), "http");
    assert.equal(protocol("kubernetes.io/h2c"), "h2c");
    assert.equal(protocol("HTTPS"), "https");
    assert.equal(protocol("kubernetes.io/wss"), "https");
    assert.equal(protocol("grpc"), "grpc");
    assert.equal(protocol("mongo"), "http");
    assert.equal(protocol("https", annotated("GRPC")), "grpc");
    assert.equal(protocol("https", annotated("HTTP")), "http");
  });

  test("verifies backends by the authorities of the Secret, and closes where there are none", () => {
    const annotations = {
      "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
      "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
      "nginx.ingress.kubernetes.io/proxy-ssl-secret": "shop/ca",
    };
    const verified = ingress("shop/web", { meta: { annotations }, rules: [rule("a.example", path("/"))] });
    const store = storeOf([verified, webService]);
    assert.deepEqual([...store.wantedSecrets()], ["shop/ca"]);
    const closed = buildHost(store, SETTINGS, "a.example");
    assert.match(closed.routes[0]?.closed?.reason ?? "", /Secret shop\/ca .* has no ca.crt/);
    assert.deepEqual(
      closed.problems.map(({ code }) => code),
      ["secret-invalid"],
    );
    store.apply([{ kind: "put", object: { ...secret("shop/ca", BAD_KEY_PAIR), authorities: "PEM" } }]);
    assert.ok(store.takeDirty().includes("host:a.example"));
    const [route] = buildHost(store, SETTINGS, "a.example").routes;
    assert.equal(route?.closed, null);
    assert.deepEqual(route?.upstreamTls, { name: "web.shop.svc", verify: { authorities: "PEM", depth: 1 } });
  });

  test("an alias follows its host, and gets its certificate only where that covers it", () => {
    const annotations = { "nginx.ingress.kubernetes.io/server-alias": "www.a.example b.example" };
    const aliased = ingress("shop/web", {
      meta: { annotations },
      tls: [{ hosts: ["a.example"], secretName: "cert" }],
      rules: [rule("a.example", path("/"))],
    });
    const objects = [aliased, webService, secret("shop/cert", goodKeyPair(["a.example", "www.a.example"]))];
    const www = host("www.a.example", objects);
    assert.equal(www.host?.aliasOf, "a.example");
    assert.deepEqual(www.routes, []);
    assert.deepEqual(www.serverName, { name: "www.a.example", certificate: "shop/cert" });
    const other = host("b.example", objects);
    assert.equal(other.host?.aliasOf, "a.example");
    assert.equal(other.serverName, null);
    const ruled = ingress("shop/late", { meta: { createdAt: 9 }, rules: [rule("b.example", path("/"))] });
    const taken = host("b.example", [...objects, ruled]);
    assert.equal(taken.host?.aliasOf, null);
    assert.deepEqual(taken.problems.map(brief), [
      "alias-conflict Ingress shop/web metadata.annotations[server-alias] [b.example]",
    ]);
  });

  test("the edge's default backend is the fallback of the host without name, under its own key", () => {
    const settings = { defaultBackend: { service: "ops/errors", port: "http" } };
    const built = host("_", [service("ops/errors", [servicePort(80, "http")])], settings);
    assert.equal(built.host?.fallback, built.routes[0]?.key);
    assert.deepEqual(built.routes[0]?.ingress, { kind: "Service", namespace: "ops", name: "errors" });
    assert.equal(built.routes[0]?.backend, "ops/errors/80");
    assert.deepEqual(host("_", [], settings).problems.map(brief), [
      "service-missing Service ops/errors ingress.defaultBackend [_]",
    ]);
  });
});

describe("server names", () => {
  const typed = (keyType: string, ...names: string[]): KeyPair => {
    const pair = goodKeyPair(names);
    return pair.kind === "good" ? { ...pair, keyType } : pair;
  };
  const tls = (secretName: string | null, ...hosts: string[]): { hosts: string[]; secretName: string | null } => ({
    hosts,
    secretName,
  });
  const withTls = (key: string, entry: ReturnType<typeof tls>, createdAt = 0): KubernetesObject =>
    ingress(key, { meta: { createdAt }, tls: [entry], rules: [rule("a.example", path(`/${key}`))] });

  test("get the Secret that the oldest Ingress names, and the younger is told", () => {
    const objects = [
      withTls("shop/young", tls("two", "a.example"), 2),
      withTls("shop/old", tls("one", "A.example"), 1),
      secret("shop/one", goodKeyPair(["*.example"])),
      secret("shop/two", goodKeyPair(["a.example"])),
      webService,
    ];
    const built = host("a.example", objects);
    assert.deepEqual(built.serverName, { name: "a.example", certificate: "shop/one" });
    assert.deepEqual(built.problems.map(brief), [
      "certificate-conflict Ingress shop/young spec.tls[0].secretName [a.example]",
    ]);
  });

  test("have a second certificate where it is of another key type, of the same namespace and for the host", () => {
    const built = (second: KeyPair, from = "shop"): BuiltHost =>
      host("a.example", [
        withTls("shop/old", tls("ec", "a.example"), 1),
        withTls(`${from}/young`, tls("rsa", "a.example"), 2),
        secret("shop/ec", typed("ec", "a.example")),
        secret(`${from}/rsa`, second),
        webService,
      ]);
    const beside = built(typed("rsa", "*.example"));
    assert.deepEqual(beside.serverName, { name: "a.example", certificate: "shop/ec", second: "shop/rsa" });
    assert.deepEqual(beside.problems, []);
    for (const other of [
      built(typed("ec", "a.example")),
      built(goodKeyPair(["a.example"])),
      built(typed("rsa", "b.example")),
      built(typed("rsa", "a.example"), "stranger"),
    ]) {
      assert.deepEqual(other.serverName, { name: "a.example", certificate: "shop/ec" });
      assert.ok(other.problems.some(({ code }) => code === "certificate-conflict"));
    }
  });

  test("have it from a second entry of one Ingress too, and are told of a third", () => {
    const names = ["one", "two", "three"];
    const built = host("a.example", [
      ingress("shop/web", { tls: names.map((name) => tls(name, "a.example")), rules: [rule("a.example", path("/"))] }),
      ...["rsa", "ec", "ed25519"].map((keyType, at) => secret(`shop/${names[at]}`, typed(keyType, "a.example"))),
      webService,
    ]);
    assert.deepEqual(built.serverName, { name: "a.example", certificate: "shop/one", second: "shop/two" });
    assert.deepEqual(built.problems.map(brief), [
      "certificate-conflict Ingress shop/web spec.tls[2].secretName [a.example]",
    ]);
  });

  test("without a usable Secret they have the default certificate, and the Ingress is told why", () => {
    const missing = host("a.example", [withTls("shop/web", tls("gone", "a.example", "b.example")), webService]);
    assert.deepEqual(missing.serverName, { name: "a.example", certificate: null });
    assert.deepEqual(missing.problems.map(brief), [
      "secret-missing Ingress shop/web spec.tls[0].secretName [a.example,b.example]",
    ]);
    const objects = [withTls("shop/web", tls("bad", "a.example")), secret("shop/bad", BAD_KEY_PAIR), webService];
    const bad = host("a.example", objects);
    assert.deepEqual(bad.serverName, { name: "a.example", certificate: null });
    assert.match(bad.problems[0]?.message ?? "", /Secret shop\/bad is no key pair: data\["tls\.key"\] is missing/);
    assert.deepEqual(host("a.example", [withTls("shop/web", tls(null, "a.example")), webService]), {
      ...host("a.example", [withTls("shop/web", tls(null, "a.example")), webService]),
      serverName: { name: "a.example", certificate: null },
      problems: [],
    });
  });

  test("a certificate for other names is served and reported", () => {
    const objects = [
      withTls("shop/web", tls("cert", "a.example")),
      secret("shop/cert", goodKeyPair(["b.example"])),
      webService,
    ];
    const built = host("a.example", objects);
    assert.deepEqual(built.serverName, { name: "a.example", certificate: "shop/cert" });
    assert.deepEqual(
      built.problems.map((problem) => `${problem.severity} ${brief(problem)}`),
      ["warning certificate-name Ingress shop/web spec.tls[0].secretName [a.example]"],
    );
  });

  test("a host that no entry names gets a Secret of its Ingress that covers it", () => {
    const entry = tls("cert");
    const covering = [withTls("shop/web", entry), secret("shop/cert", goodKeyPair(["a.example"])), webService];
    assert.deepEqual(host("a.example", covering).serverName, { name: "a.example", certificate: "shop/cert" });
    const other = [withTls("shop/web", entry), secret("shop/cert", goodKeyPair(["b.example"])), webService];
    assert.equal(host("a.example", other).serverName, null);
    assert.deepEqual(host("a.example", [withTls("shop/web", entry), webService]).problems.map(brief), [
      "secret-missing Ingress shop/web spec.tls[0].secretName [a.example]",
    ]);
  });

  test("the default certificate is the server name of the host without name", () => {
    const settings = { defaultCertificate: "ops/cert" };
    const good = host("_", [secret("ops/cert", goodKeyPair([]))], settings);
    assert.deepEqual(good.serverName, { name: "_", certificate: "ops/cert" });
    assert.equal(host("_", [], settings).serverName, null);
    assert.deepEqual(host("_", [], settings).problems.map(brief), [
      "secret-missing Secret ops/cert ingress.defaultCertificate []",
    ]);
  });
});
