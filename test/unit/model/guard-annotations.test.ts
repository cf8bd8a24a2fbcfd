// Basic authentication: annotations → filters of routes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost, Filter } from "../../../agent/model/edge-model.ts";
import type { Secret } from "../../../agent/objects/objects.ts";
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
