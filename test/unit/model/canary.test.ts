import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { Alternative } from "../../../agent/model/alternative.ts";
import type { BuiltHost } from "../../../agent/model/edge-model.ts";
import type { Ingress, KubernetesObject } from "../../../agent/objects/objects.ts";
import { renderRoute, type RouteValue } from "../../../agent/render/documents.ts";
import {
  backend,
  BAD_KEY_PAIR,
  configMap,
  ingress,
  ingressClass,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  storeOf,
} from "./objects.ts";

const NGINX = "nginx.ingress.kubernetes.io";
const HOST = "a.example";

type Annotations = Readonly<Record<string, string>>;

/** Annotations under the usual prefix. */
function nginx(annotations: Annotations): Annotations {
  return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${NGINX}/${name}`, value]));
}

function main(annotations: Annotations = {}, text = "/"): Ingress {
  return ingress("shop/main", {
    meta: { annotations: nginx(annotations), createdAt: 5 },
    rules: [rule(HOST, path(text))],
  });
}

/** An alternative for "/" whose Service is "next". */
function canary(annotations: Annotations, key = "shop/canary", text = "/", to = "next"): Ingress {
  return ingress(key, {
    meta: { annotations: nginx({ canary: "true", ...annotations }), createdAt: 7 },
    rules: [rule(HOST, path(text, "Prefix", backend(to)))],
  });
}

function built(...objects: readonly KubernetesObject[]): BuiltHost {
  const services = ["web", "next", "other"].map((name) => service(`shop/${name}`));
  return buildHost(storeOf([...services, ...objects]), SETTINGS, HOST);
}

function alternatives({ routes }: BuiltHost): readonly Alternative[] {
  return routes.flatMap(({ filters }) =>
    filters.flatMap((filter) => (filter.kind === "split" ? filter.alternatives : [])),
  );
}

/** What is said to the owners, as "<object> <code> <field>: <message>". */
function told({ problems }: BuiltHost): readonly string[] {
  return problems.map(({ object, code, field, message }) => `${object?.name} ${code} ${field}: ${message}`);
}

describe("an alternative", () => {
  test("is a part of the route of its path, and has none of its own", () => {
    const host = built(main(), canary({ "canary-weight": "20", "canary-by-header": "X-Canary" }));
    assert.deepEqual(told(host), []);
    assert.equal(host.routes.length, 1);
    assert.deepEqual(alternatives(host), [
      {
        ingress: { kind: "Ingress", namespace: "shop", name: "canary" },
        backend: "shop/next/80",
        protocol: "http",
        upstreamTls: null,
        balance: null,
        rule: { header: "X-Canary", value: "", pattern: "", cookie: null, weight: 20, total: 100 },
      },
    ]);
  });

  test("may be older than its Ingress, and stands in the document in full", () => {
    const older = canary({ "canary-by-cookie": "canary", "load-balance": "ewma" });
    const host = built({ ...older, meta: { ...older.meta, createdAt: 1 } }, main());
    const [route] = host.routes;
    assert.ok(route !== undefined);
    const value = JSON.parse(renderRoute(route).text) as RouteValue; // our own text
    assert.deepEqual(value.backends, [{ backend: "shop/web/80", weight: 1 }]);
    assert.deepEqual(value.filters, [
      {
        kind: "split",
        choices: [
          {
            backend: "shop/next/80",
            ingress: "canary",
            service: "next",
            profile: "http",
            variant: "",
            tls_name: "",
            balance: { kind: "balance", by: "ewma" },
            header: "",
            value: "",
            pattern: "",
            cookie: "canary",
            weight: 0,
            total: 100,
          },
        ],
      },
    ]);
  });

  test("without an Ingress of the same host, path and type gets nothing, and its owner is told", () => {
    for (const [text, type] of [
      ["/", "Exact"],
      ["/x", "Prefix"],
    ] as const) {
      const odd = { ...canary({ "canary-weight": "100" }), rules: [rule(HOST, path(text, type, backend("next")))] };
      const host = built(main(), odd);
      assert.deepEqual(alternatives(host), []);
      const [only, ...more] = told(host);
      assert.match(only ?? "", /^canary canary-unused spec\.rules\[0\]\.http\.paths\[0\]: .*it gets no traffic$/);
      assert.deepEqual(more, []);
    }
    assert.deepEqual(built(canary({})).host, null);
  });

  test("finds paths that are regular expressions by their text", () => {
    const regex = main({ "rewrite-target": "/$2" }, "/app(/|$)(.*)");
    const host = built(regex, canary({ "canary-weight": "10" }, "shop/canary", "/app(/|$)(.*)"));
    assert.deepEqual(told(host), []);
    assert.equal(alternatives(host).length, 1);
    const plain = built(
      main({ "rewrite-target": "/" }, "/app"),
      canary({ "canary-weight": "10" }, "shop/canary", "/app"),
    );
    assert.equal(alternatives(plain).length, 1);
  });

  test("of another namespace, of the same Service, or with a missing one", () => {
    const foreign = canary({ "canary-weight": "100" }, "other/canary");
    assert.match(told(built(main(), foreign)).join(), /of another namespace: it gets no traffic/);
    assert.deepEqual(alternatives(built(main(), foreign)), []);
    const same = built(main(), canary({}, "shop/canary", "/", "web"));
    assert.match(told(same).join(), /has the Service and port of Ingress shop\/main: it gets no traffic/);
    const nowhere = { ...main(), rules: [rule(HOST, path("/", "Prefix", { kind: "none" }))] };
    assert.match(
      told(built(nowhere, canary({}))).join("\n"),
      /canary canary-unused .*names no Service: it gets no traffic/,
    );
    const missing = built(main(), canary({}, "shop/canary", "/", "gone"));
    assert.match(told(missing).join(), /^canary service-missing .*: it gets no traffic$/);
  });
});

describe("several alternatives", () => {
  test("add up, the oldest first; one that comes beyond all requests gets none by weight", () => {
    const made = ["c1", "c2", "c3"].map((name, at) => {
      const one = canary(
        { "canary-weight": ["60", "50", "400"][at] ?? "", "canary-weight-total": ["100", "100", "1000"][at] ?? "" },
        `shop/${name}`,
        "/",
        ["next", "other", "third"][at],
      );
      return { ...one, meta: { ...one.meta, createdAt: 10 + at } };
    });
    const host = built(service("shop/third"), main(), ...made.toReversed());
    assert.deepEqual(
      alternatives(host).map(({ ingress: { name }, rule: { weight, total } }) => [name, weight, total]),
      [
        ["c1", 60, 100],
        ["c2", 0, 100],
        ["c3", 400, 1000],
      ],
    );
    assert.deepEqual(told(host), [
      "c2 canary-unused spec.rules[0].http.paths[0]: comes, with older ones for its path, to 110 % of the requests: by weight it gets none",
    ]);
  });

  test("are sixteen for a path at most", () => {
    const services = Array.from({ length: 18 }, (_, at) => service(`shop/s${at}`));
    const many = services.map(({ meta: { name } }) => canary({}, `shop/${name}`, "/", name));
    const host = built(main(), ...services, ...many);
    assert.equal(alternatives(host).length, 16);
    assert.equal(told(host).filter((text) => text.includes("more than 16")).length, 2);
  });
});

describe("a guard of an alternative", () => {
  test("that its Ingress does not have in the same words keeps requests from it", () => {
    const list = { "whitelist-source-range": "10.0.0.0/8" };
    for (const [own, mains] of [
      [list, {}],
      [list, { "whitelist-source-range": "10.0.0.0/9" }],
      [{ "proxy-ssl-verify": "on", "proxy-ssl-secret": "shop/ca" }, {}],
    ] as const) {
      const host = built(main(mains), canary({ ...own, "canary-weight": "100" }));
      assert.deepEqual(alternatives(host), [], JSON.stringify(own));
      assert.match(told(host).join("\n"), /canary canary-unused .*restricts access by .*: it gets no traffic/);
    }
    assert.equal(alternatives(built(main(list), canary(list))).length, 1);
  });

  test("that is not served, misspelt or cannot be read closes it alone", () => {
    for (const own of [
      { "configuration-snippet": "deny all;" },
      { "auth-ulr": "x" },
      { "whitelist-source-range": "office" },
    ]) {
      const host = built(main(), canary({ ...own, "canary-weight": "100" }));
      assert.deepEqual(alternatives(host), [], JSON.stringify(own));
      assert.equal(host.routes[0]?.closed, null);
      assert.match(told(host).join("\n"), /canary annotation-closes-route .*: it gets no traffic/);
    }
  });

  test("of its class counts too", () => {
    const mine = {
      ...ingressClass("mine", "headgate.dev/ingress"),
      parameters: { kind: "ConfigMap", key: "shop/c" } as const,
    };
    const classy = { ...canary({ "canary-weight": "100" }), ingressClassName: "mine" };
    const settings = configMap("shop/c", { "whitelist-source-range": "10.0.0.0/8" });
    assert.match(told(built(main(), mine, classy, settings)).join(), /settings of its IngressClass/);
    assert.match(told(built(main(), mine, classy)).join(), /ConfigMap shop\/c of IngressClass mine is not there/);
    assert.equal(alternatives(built(main(), mine, classy, configMap("shop/c", {}))).length, 1);
  });

  test("is not got around by a Service that is asked without TLS where certificates are verified", () => {
    const verify = { "proxy-ssl-verify": "on", "proxy-ssl-secret": "shop/ca" };
    const https = { ...verify, "backend-protocol": "HTTPS" };
    const authorities = { ...secret("shop/ca", BAD_KEY_PAIR), authorities: "PEM" };
    const open = built(main(https), canary({ ...verify, "backend-protocol": "HTTP" }), authorities);
    assert.match(told(open).join(), /is asked without TLS, and Ingress shop\/main has certificates verified/);
    const [same] = alternatives(built(main(https), canary(verify), authorities));
    assert.deepEqual(same?.upstreamTls, { name: "next.shop.svc", verify: { authorities: "PEM", depth: 1 } });
    assert.deepEqual(alternatives(built(main(https), canary(verify))), [], "nobody knows the authorities");
  });

  test("of the main Ingress closes both", () => {
    const host = built(main({ "configuration-snippet": "deny all;" }), canary({ "canary-weight": "100" }));
    assert.notEqual(host.routes[0]?.closed, null);
  });
});

describe("what is not the Ingress's of the path", () => {
  test("is told once where it differs, and not where it is the same", () => {
    const both = { "proxy-read-timeout": "5", "rewrite-target": "/x" };
    assert.deepEqual(told(built(main(both), canary(both))), []);
    const differs = canary({ "proxy-read-timeout": "6", "load-balance": "ewma", "app-root": "/a" });
    const two = {
      ...differs,
      rules: [rule(HOST, path("/", "Prefix", backend("next")), path("/b", "Prefix", backend("next")))],
    };
    const mains = { ...main(), rules: [rule(HOST, path("/"), path("/b"))] };
    const [only, ...more] = told(built(mains, two));
    assert.match(only ?? "", /^canary annotation-unsupported .*proxy-read-timeout, app-root: of an alternative/);
    assert.deepEqual(more, []);
  });

  test("its protocol is that of the Service it leads to", () => {
    const secure = service("shop/next", [{ ...servicePort(80), appProtocol: "https" }]);
    const protocols = (...objects: readonly KubernetesObject[]): unknown =>
      alternatives(built(...objects)).map(({ protocol, upstreamTls }) => [protocol, upstreamTls?.name ?? null]);
    assert.deepEqual(protocols(main(), canary({}), secure), [["https", null]]);
    assert.deepEqual(protocols(main({ "backend-protocol": "GRPC" }), canary({}), secure), [["grpc", null]]);
    assert.deepEqual(protocols(main({ "backend-protocol": "GRPC" }), canary({ "backend-protocol": "HTTP" })), [
      ["http", null],
    ]);
    assert.deepEqual(protocols(main({ "proxy-ssl-server-name": "on" }), canary({}), secure), [
      ["https", "next.shop.svc"],
    ]);
  });
});

describe("values of canary annotations", () => {
  const rules = (annotations: Annotations): unknown => {
    const host = built(main(), canary(annotations));
    const [only] = alternatives(host);
    const messages = host.problems.map(({ code }) => code);
    return [only === undefined ? null : only.rule, messages];
  };
  const nothing = { header: null, value: "", pattern: "", cookie: null, weight: 0, total: 100 };
  const h = { "canary-by-header": "X-A" };

  test("that can be used", () => {
    assert.deepEqual(rules({ canary: "1" }), [nothing, []]);
    assert.deepEqual(rules({ "canary-weight": "999", "canary-weight-total": "1000" }), [
      { ...nothing, weight: 999, total: 1000 },
      [],
    ]);
    assert.deepEqual(rules({ ...h, "canary-by-header-value": "a b" }), [
      { ...nothing, header: "X-A", value: "a b" },
      [],
    ]);
    assert.deepEqual(rules({ ...h, "canary-by-header-pattern": "^(a|b)\\d" }), [
      { ...nothing, header: "X-A", pattern: "^(a|b)\\d" },
      [],
    ]);
    const both = { "canary-by-header-value": "a", "canary-by-header-pattern": "b" };
    assert.deepEqual(rules({ ...h, ...both }), [{ ...nothing, header: "X-A", value: "a" }, []]);
  });

  test("that cannot: names and numbers are left out, what a header must be closes the alternative", () => {
    const invalid = ["annotation-invalid"];
    assert.deepEqual(rules({ canary: "yes" }), [nothing, invalid]);
    assert.deepEqual(rules({ "canary-weight": "101" }), [nothing, invalid]);
    assert.deepEqual(rules({ "canary-weight": "-1" }), [nothing, invalid]);
    assert.deepEqual(rules({ "canary-weight": "5", "canary-weight-total": "10" }), [
      { ...nothing, weight: 5 },
      invalid,
    ]);
    assert.deepEqual(rules({ "canary-by-header": "a b" }), [nothing, invalid]);
    assert.deepEqual(rules({ "canary-by-cookie": "a;b" }), [nothing, invalid]);
    assert.deepEqual(rules({ "canary-by-header-value": "a" }), [nothing, invalid]);
    const closes = [null, ["annotation-closes-route"]];
    for (const pattern of ["(", "(?i)a", "a++", "\\p{L}", "\u00e9", "a".repeat(1400)]) {
      assert.deepEqual(rules({ ...h, "canary-by-header-pattern": pattern }), closes, pattern);
    }
    assert.deepEqual(rules({ ...h, "canary-by-header-value": "a\nb" }), closes);
  });

  test("canary: false is no canary, and a misspelt prefix makes nothing that is served", () => {
    const [host] = [built({ ...main(), rules: [] }, canary({ canary: "false" }))];
    assert.equal(host.routes[0]?.backend, "shop/next/80");
    const misspelt = {
      ...canary({}),
      meta: { ...main().meta, name: "m", annotations: { "ngnix.ingress.kubernetes.io/canary": "true" } },
    };
    const alone = built(misspelt);
    assert.deepEqual(alone.routes, []);
    assert.match(told(alone).join(), /annotation-unsupported .*looks like canary, .*: it gets no traffic/);
  });
});
