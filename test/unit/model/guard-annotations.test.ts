// Basic authentication and limits: annotations → filters of routes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost, Filter } from "../../../agent/model/edge-model.ts";
import type { Secret } from "../../../agent/objects/objects.ts";
import { renderRoute, type RouteValue, USUAL_ROUTE_DEFAULTS } from "../../../agent/render/documents.ts";
import { BAD_KEY_PAIR, ingress, path, rule, secret, service, SETTINGS, storeOf } from "./objects.ts";

const PREFIX = "nginx.ingress.kubernetes.io";
const USERS: Secret = {
  ...secret("shop/users", BAD_KEY_PAIR),
  type: "Opaque",
  values: { auth: "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" },
};

function built(annotations: Readonly<Record<string, string>>, secrets: readonly Secret[] = [USERS]): BuiltHost {
  const named = Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [name.includes("/") ? name : `${PREFIX}/${name}`, value]),
  );
  const web = ingress("shop/web", {
    meta: { annotations: named },
    rules: [rule("a.example", path("/"), path("/api"))],
  });
  return buildHost(storeOf([service("shop/web"), web, ...secrets]), SETTINGS, "a.example");
}

function filters(annotations: Readonly<Record<string, string>>): readonly Filter[] {
  const [route] = built(annotations).routes;
  assert.equal(route?.closed, null);
  return route?.filters ?? [];
}

/** What is told of host and Ingress, each by "field name: message". */
function told({ problems }: BuiltHost): readonly string[] {
  return problems
    .filter(({ code }) => code !== "service-missing")
    .map(({ field, message }) => `${/\/([^/]+)"\]$/.exec(field)?.[1]}: ${message}`);
}

const BASIC = { "auth-type": "basic", "auth-secret": "users" };

describe("basic authentication", () => {
  test("is a guard of all routes of the Ingress, and makes its host strict", () => {
    const host = built({ ...BASIC, "auth-realm": ' The "shop" ' });
    for (const route of host.routes) {
      assert.deepEqual(route.filters, [
        { kind: "basic_auth", realm: 'The "shop"', users: "shop/users/auth-file" },
      ] satisfies readonly Filter[]);
      assert.equal(route.closed, null);
    }
    assert.equal(host.host?.strictPaths, true);
    assert.deepEqual(told(host), []);
    const [mapped] = filters({ ...BASIC, "auth-secret": "shop/users", "auth-type": " Basic " });
    assert.deepEqual(mapped, { kind: "basic_auth", realm: "Authentication required", users: "shop/users/auth-file" });
  });

  test("a realm that cannot be sent is told, and another one is used", () => {
    for (const realm of ["a\nb", "x".repeat(65), "a\u007fb"]) {
      const host = built({ ...BASIC, "auth-realm": realm });
      const [filter] = host.routes[0]?.filters ?? [];
      assert.deepEqual(
        [filter?.kind === "basic_auth" && filter.realm, host.problems.length],
        ["Authentication required", 1],
      );
    }
    assert.deepEqual(told(built({ "auth-realm": "x" })), ["auth-realm: asks for nothing without auth-type"]);
  });

  test("whatever cannot be understood closes", () => {
    for (const wrong of [
      { "auth-type": "basic" },
      { "auth-type": "digest", "auth-secret": "users" },
      { "auth-type": "", "auth-secret": "users" },
      { "auth-secret": "users" },
      { "auth-secret-type": "auth-file" },
      { ...BASIC, "auth-secret-type": "file" },
      { ...BASIC, "auth-secret": "other/users" },
      { ...BASIC, "auth-secret": "../users" },
      { ...BASIC, "auth-secret": "" },
      { ...BASIC, "auth-secret": "a/b/c" },
    ]) {
      const host = built(wrong);
      assert.equal(host.routes.length, 2);
      for (const route of host.routes) assert.notEqual(route.closed, null, JSON.stringify(wrong));
      assert.equal(host.problems.filter(({ code }) => code === "annotation-closes-route").length, 1);
    }
  });

  test("a Secret that is missing or has no user closes, with one problem that names Secret, key and fix", () => {
    for (const [secrets, message] of [
      [[], "auth-secret: Secret shop/users of auth-secret is not there: its routes answer 503"],
      [
        [{ ...USERS, values: { other: "x" } }],
        'auth-secret: Secret shop/users of auth-secret has no key "auth": its routes answer 503',
      ],
      [
        [{ ...USERS, values: { auth: "x" } }],
        'auth-secret: Secret shop/users of auth-secret has no user: key "auth", line 1 has no colon: its routes answer 503',
      ],
    ] as const) {
      const host = built(BASIC, secrets);
      for (const route of host.routes) assert.notEqual(route.closed, null);
      assert.deepEqual(told(host), [message]);
      assert.match(host.problems[0]?.fix ?? "", /htpasswd/);
    }
  });
});

describe("limits", () => {
  test("are counted for the Ingress, with a burst of five rates", () => {
    assert.deepEqual(
      filters({
        "limit-rps": "10",
        "limit-rpm": "300",
        "limit-connections": "8",
        "limit-allowlist": "10.1.2.3, 192.0.2.0/24",
        "limit-whitelist": "2001:db8::/32",
      }),
      [
        {
          kind: "limit",
          key: "shop/web",
          exempt: ["10.1.2.3/32", "192.0.2.0/24", "2001:db8::/32"],
          connections: 8,
          rates: [
            { requests: 10, periodS: 1, burst: 50 },
            { requests: 300, periodS: 60, burst: 1500 },
          ],
          status: null,
        },
      ] satisfies readonly Filter[],
    );
    const [own] = filters({ "limit-rps": "10", "limit-burst-multiplier": "0", "headgate.dev/limit-status": "429" });
    assert.ok(own?.kind === "limit");
    assert.deepEqual([own.rates[0]?.burst, own.status], [0, 429]);
  });

  test("go out with the configuration's status where the Ingress has none", () => {
    const of = (annotations: Readonly<Record<string, string>>, limitStatus: 429 | 503): unknown => {
      const [route] = built(annotations).routes;
      assert.ok(route !== undefined);
      const value = JSON.parse(renderRoute(route, { ...USUAL_ROUTE_DEFAULTS, limitStatus }).text) as RouteValue; // our own text
      const [filter] = value.filters;
      return filter?.kind === "limit" ? [filter.status, filter.rates] : null;
    };
    const rates = [{ requests: 1, period_s: 1, burst: 5 }];
    assert.deepEqual(of({ "limit-rps": "1" }, 429), [429, rates]);
    assert.deepEqual(of({ "limit-rps": "1" }, 503), [503, rates]);
    assert.deepEqual(of({ "limit-rps": "1", "limit-status": "503" }, 429), [503, rates]);
  });

  test("zeros are none, and make nothing strict", () => {
    const zeros = { "limit-rps": " 0 ", "limit-rpm": "0", "limit-connections": "0", "limit-rate": "0" };
    assert.deepEqual(filters({ ...zeros, "limit-burst-multiplier": "3", "limit-rate-after": "5" }), []);
    assert.equal(built({ "limit-rps": "5" }).host?.strictPaths, false);
  });

  test("a number that cannot be read closes", () => {
    for (const name of ["limit-rps", "limit-rpm", "limit-connections", "limit-rate", "limit-rate-after"]) {
      for (const value of ["", "x", "-1", "1.5", "10r/s", "1e3", "1000001", "99999999999"]) {
        const host = built({ [name]: value });
        assert.notEqual(host.routes[0]?.closed, null, `${name}: ${value}`);
        assert.equal(host.problems[0]?.code, "annotation-closes-route");
      }
    }
  });

  test("what weakens nothing is told, and the default used", () => {
    const host = built({
      "limit-rps": "1",
      "limit-burst-multiplier": "x",
      "limit-allowlist": "10.0.0.0/8 nobody",
      "limit-status": "200",
    });
    const [limit] = host.routes[0]?.filters ?? [];
    assert.ok(limit?.kind === "limit");
    assert.deepEqual([limit.rates[0]?.burst, limit.exempt, limit.status], [5, ["10.0.0.0/8"], null]);
    assert.deepEqual(
      host.problems.map(({ code, field }) => `${code} ${field.split("/")[1]}`),
      [
        'annotation-invalid limit-burst-multiplier"]',
        'annotation-invalid limit-allowlist"]',
        'annotation-invalid limit-status"]',
      ],
    );
  });

  test("the rate of answers is in kilobytes, and says where it does not hold", () => {
    const annotations = { "limit-rate": "100", "limit-rate-after": "10" };
    assert.deepEqual(filters(annotations), [{ kind: "bandwidth", bytesPerS: 102_400, afterBytes: 10_240 }]);
    assert.deepEqual(
      built(annotations).problems.map(({ code, severity }) => `${code} ${severity}`),
      ["annotation-unsupported warning"],
    );
    assert.deepEqual(built({ ...annotations, "proxy-buffering": "on" }).problems, []);
    const web = ingress("shop/web", {
      meta: { annotations: { [`${PREFIX}/limit-rate`]: "100" } },
      rules: [rule("a.example", path("/"))],
    });
    const settings = { ...SETTINGS, buffersAnswers: true };
    assert.deepEqual(buildHost(storeOf([service("shop/web"), web]), settings, "a.example").problems, []);
  });
});
