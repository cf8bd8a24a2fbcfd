import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { headerFilters } from "../../../agent/model/ingress/headers.ts";
import { type Policy, readPolicy } from "../../../agent/model/ingress/policy.ts";
import { readGuards } from "../../../agent/model/ingress/guards.ts";
import { buildHost } from "../../../agent/model/build-host.ts";
import { Store } from "../../../agent/store/store.ts";
import { configMap as configMapOf, ingress, path, rule, service, SETTINGS } from "./objects.ts";

function policy(annotations: Readonly<Record<string, string>>): Policy {
  const named = Object.entries(annotations).map(([name, value]) => [`headgate.dev/${name}`, value]);
  return readPolicy(Object.fromEntries(named) as Record<string, string>, "shop"); // pairs of strings
}

const anything = { allowedResponseHeaders: null };
const messages = (remarks: readonly { readonly message: string }[]): readonly string[] =>
  remarks.map(({ message }) => message);

describe("headers of requests and answers", () => {
  test("are lines that set and take away", () => {
    const { headers, closing, invalid } = policy({
      "request-headers": "X-Tenant: shop\n\n  X-From : $Host at ${request_uri}: x\r\n- X-Debug\n",
      "response-headers": "Content-Security-Policy: default-src 'self'\n-Set-Cookie",
    });
    assert.deepEqual([closing, invalid], [[], []]);
    assert.deepEqual(headers.request, {
      set: [
        { name: "X-Tenant", value: ["shop"] },
        { name: "X-From", value: ["$host", " at ", "$request_uri", ": x"] },
      ],
      remove: ["X-Debug"],
    });
    assert.deepEqual(headers.response, {
      set: [{ name: "Content-Security-Policy", value: ["default-src 'self'"] }],
      remove: ["Set-Cookie"],
    });
  });

  test("of requests: a line that cannot be used closes, for a backend may rely on it", () => {
    for (const line of [
      "X-Tenant shop",
      "X Tenant: shop",
      "X-Tenant:",
      ": shop",
      "X-Tenant: sh\u0001op",
      "X-Tenant: caf\u00e9",
      "X-Tenant: $remote_user",
      "X-Tenant: 5$",
      `X-Tenant: ${"x".repeat(4097)}`,
      "X-Tenant: a\nx-tenant: b",
      "-X-Tenant\nX-Tenant: b",
      "-",
      "Host: evil.example",
      "content-length: 0",
      "Transfer-Encoding: chunked",
      "Connection: close",
      "Upgrade: h2c",
      "X-Forwarded-For: 10.0.0.1",
      "-X-Forwarded-For",
      "X-Real-IP: 10.0.0.1",
      "ssl-client-verify: SUCCESS",
      "X-Accel-Redirect: /x",
      "X-Original-URL: /admin",
    ]) {
      const { closing } = policy({ "request-headers": `X-Other: 1\n${line}` });
      assert.equal(closing.length, 1, line);
      assert.match(closing[0]?.message ?? "", /: its routes answer 503$/);
    }
    assert.equal(policy({ "request-headers": "X: 1\n".repeat(65) }).closing.length > 0, true);
    assert.equal(readGuards({ "headgate.dev/request-header": "X: 1" }).closing.length, 1);
  });

  test("of answers: a line that cannot be used is left out", () => {
    const { headers, closing, invalid } = policy({
      "response-headers":
        "X-One: 1\nSet-Cookie: a=b\nStrict-Transport-Security: x\nLocation: /x\n-Content-Encoding\nHost",
    });
    assert.deepEqual(headers.response, { set: [{ name: "X-One", value: ["1"] }], remove: [] });
    assert.deepEqual(closing, []);
    assert.deepEqual(messages(invalid), [
      '"Set-Cookie: a=b" cannot be one for all answers: it is left out',
      '"Strict-Transport-Security: x" cannot be one for all answers: it is left out',
      '"Location: /x" cannot be one for all answers: it is left out',
      '"-Content-Encoding" cannot be taken away: it is left out',
      '"Host" has no colon: it is left out',
    ]);
  });

  test("of answers come from a ConfigMap too; the annotation's own come after it", () => {
    const { headers } = policy({
      "custom-headers": "shop/headers",
      "response-headers": "x-frame-options: SAMEORIGIN\n-X-Three",
    });
    assert.equal(headers.configMap, "shop/headers");
    const configMap = configMapOf("shop/headers", {
      "X-Three": "3",
      "X-Frame-Options": "DENY",
      "X-Id": "$request_id",
      "X-Bad": "a\nEvil: 1",
      Connection: "close",
    });
    const { filters, faults } = headerFilters(headers, { configMap, rewrites: false, rules: anything });
    assert.deepEqual(filters, [
      {
        kind: "response_headers",
        set: [
          { name: "x-frame-options", value: ["SAMEORIGIN"] },
          { name: "X-Id", value: ["$request_id"] },
        ],
        remove: ["X-Three"],
      },
    ]);
    assert.deepEqual(
      faults.map(({ name, message }) => `${name} ${message}`),
      [
        '"Connection" is of the connection and not of the answer: it is left out',
        '"X-Bad" has a value with a character that is not printable ASCII: it is left out',
      ],
    );
  });

  test("of answers may be held to a list of the operator's", () => {
    const { headers } = policy({ "custom-headers": "headers", "response-headers": "X-Two: 2" });
    const configMap = configMapOf("shop/headers", { "X-One": "1", "x-three": "3" });
    const rules = { allowedResponseHeaders: ["x-one", "X-Three"] };
    const { filters, faults } = headerFilters(headers, { configMap, rewrites: false, rules });
    assert.deepEqual(filters, [
      {
        kind: "response_headers",
        set: [
          { name: "X-One", value: ["1"] },
          { name: "x-three", value: ["3"] },
        ],
        remove: [],
      },
    ]);
    assert.deepEqual(
      faults.map(({ annotation, name }) => [annotation, name]),
      [["response-headers", "X-Two"]],
    );
    const none = headerFilters(headers, { configMap, rewrites: false, rules: { allowedResponseHeaders: [] } });
    assert.deepEqual([none.filters, none.faults.length], [[], 3]);
  });

  test("a ConfigMap of another namespace is not read", () => {
    const { headers, invalid } = policy({ "custom-headers": "other/headers" });
    assert.equal(headers.configMap, null);
    assert.match(invalid[0]?.message ?? "", /is no ConfigMap of namespace shop/);
  });

  test("the host that backends are asked for is a host name", () => {
    assert.equal(
      policy({ "upstream-vhost": " Web.Internal.example:8080 " }).headers.upstreamHost,
      "web.internal.example:8080",
    );
    for (const value of ["a b", "$http_host", "a\r\nEvil: 1", "*.example.org", ":80", "a:b"]) {
      const { headers, invalid } = policy({ "upstream-vhost": value });
      assert.deepEqual([headers.upstreamHost, invalid.length], [null, 1], value);
    }
  });

  test("a forwarded prefix goes with a rewrite alone", () => {
    const { headers } = policy({ "x-forwarded-prefix": "/app/$1" });
    const of = (rewrites: boolean): readonly unknown[] =>
      headerFilters(headers, { configMap: undefined, rewrites, rules: anything }).filters;
    assert.deepEqual(of(true), [{ kind: "forwarded_prefix", value: "/app/$1" }]);
    assert.deepEqual(of(false), []);
    for (const value of ["/a b", "/$x", '/"', "/%zz", "/a\n"]) {
      assert.equal(policy({ "x-forwarded-prefix": value }).invalid.length, value === "/a\n" ? 0 : 1, value);
    }
  });

  test("follow their ConfigMap, and its absence costs its headers alone", () => {
    const annotations = {
      "nginx.ingress.kubernetes.io/custom-headers": "headers",
      "headgate.dev/response-headers": "X-Own: 1",
    };
    const front = ingress("shop/front", { meta: { annotations }, rules: [rule("a.example", path("/"), path("/b"))] });
    const told: string[][] = [];
    const store = new Store({
      settings: SETTINGS,
      requiredKinds: [],
      onDirty: () => undefined,
      onWantedSecrets: () => undefined,
      onWantedConfigMaps: (keys) => told.push([...keys]),
    });
    store.apply([front, service("shop/web")].map((object) => ({ kind: "put", object })));
    const names = (): unknown => {
      const { routes, problems } = buildHost(store, SETTINGS, "a.example");
      const filters = routes.flatMap((route) => route.filters.filter(({ kind }) => kind === "response_headers"));
      const set = filters.map((filter) => ("set" in filter ? filter.set.map(({ name }) => name).join(",") : ""));
      return [set, problems.map(({ code, message }) => `${code}: ${message}`)];
    };
    const missing = "config-map-missing: there is no ConfigMap shop/headers: answers go out without its headers";
    assert.deepEqual(told, [["shop/headers"]]);
    assert.deepEqual(names(), [["X-Own", "X-Own"], [missing]]);
    store.takeDirty();
    store.apply([{ kind: "put", object: configMapOf("shop/headers", { "X-One": "1" }) }]);
    assert.deepEqual(store.takeDirty(), ["host:a.example"]);
    assert.deepEqual(names(), [["X-One,X-Own", "X-One,X-Own"], []]);
    store.apply([{ kind: "put", object: configMapOf("shop/headers", { "X-Two": "2" }) }]);
    assert.deepEqual(names(), [["X-Two,X-Own", "X-Two,X-Own"], []]);
    store.apply([{ kind: "delete", ref: { kind: "ConfigMap", namespace: "shop", name: "headers" } }]);
    assert.deepEqual(names(), [["X-Own", "X-Own"], [missing]]);
    store.apply([{ kind: "delete", ref: { kind: "Ingress", namespace: "shop", name: "front" } }]);
    assert.deepEqual(told.at(-1), []);
  });
});
