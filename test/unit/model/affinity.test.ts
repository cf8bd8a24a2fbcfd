import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost, Filter } from "../../../agent/model/edge-model.ts";
import type { IngressPath } from "../../../agent/objects/objects.ts";
import { renderRoute, type RouteValue } from "../../../agent/render/documents.ts";
import { backend, ingress, path, rule, service, SETTINGS, storeOf } from "./objects.ts";

const NGINX = "nginx.ingress.kubernetes.io";

type Affinity = Extract<Filter, { kind: "affinity" }>;

function built(annotations: Readonly<Record<string, string>>, paths: readonly IngressPath[] = [path("/")]): BuiltHost {
  const named = Object.entries(annotations).map(([name, value]) => [`${NGINX}/${name}`, value]);
  const web = ingress("shop/web", {
    meta: { annotations: Object.fromEntries(named) },
    defaultBackend: backend("web"),
    rules: [rule("a.example", ...paths)],
  });
  return buildHost(storeOf([service("shop/web"), web]), SETTINGS, "a.example");
}

/** The filters of the routes, by the path of their rule; the default backend's is "fallback". */
function filters({ routes, host }: BuiltHost): Readonly<Record<string, Affinity>> {
  return Object.fromEntries(
    routes.flatMap(({ key, path: of, filters: all }) =>
      all.flatMap((filter) => (filter.kind === "affinity" ? [[key === host?.fallback ? "fallback" : of, filter]] : [])),
    ),
  );
}

function told({ problems }: BuiltHost): readonly string[] {
  return problems.map(({ field, message }) => `${field.replace(/^.*\/|"\]$/g, "")}: ${message}`);
}

describe("affinity by a cookie", () => {
  test("has ingress-nginx's defaults, and the path of the rule", () => {
    const host = built({ affinity: "cookie" }, [path("/"), path("/shop/caf\u00e9/", "Prefix"), path("/x y", "Exact")]);
    assert.deepEqual(told(host), []);
    const found = filters(host);
    assert.deepEqual(found["/"], {
      kind: "affinity",
      name: "INGRESSCOOKIE",
      mode: "balanced",
      salt: "uid-shop/web",
      path: "/",
      domain: "",
      maxAgeS: 0,
      expiresS: 0,
      sameSite: "",
      sameSiteConditional: false,
      secure: "https",
      changeOnFailure: false,
      canaries: "sticky",
    });
    const paths = Object.values(found).map((filter) => filter.path);
    assert.deepEqual(paths, ["/", "/shop/caf%C3%A9", "/x%20y", "/"]);
    assert.ok(found["fallback"] !== undefined);
  });

  test("is what the annotations say, in the document too", () => {
    const { routes, problems } = built({
      affinity: "Cookie",
      "affinity-mode": "persistent",
      "affinity-canary-behavior": "legacy",
      "session-cookie-name": "route",
      "session-cookie-path": "/app",
      "session-cookie-domain": ".example.org",
      "session-cookie-expires": "172800",
      "session-cookie-max-age": "3600",
      "session-cookie-samesite": "none",
      "session-cookie-conditional-samesite-none": "true",
      "session-cookie-secure": "true",
      "session-cookie-change-on-failure": "true",
    });
    assert.deepEqual(problems, []);
    const [route] = routes;
    assert.ok(route !== undefined);
    const value = JSON.parse(renderRoute(route).text) as RouteValue; // our own text
    assert.deepEqual(value.filters, [
      {
        kind: "affinity",
        name: "route",
        mode: "persistent",
        path: "/app",
        domain: ".example.org",
        secure: "always",
        canaries: "legacy",
        salt: "uid-shop/web",
        max_age_s: 3600,
        expires_s: 172800,
        same_site: "None",
        same_site_conditional: true,
        change_on_failure: true,
      },
    ]);
    const never = filters(built({ affinity: "cookie", "session-cookie-secure": "false" }));
    assert.equal(never["/"]?.secure, "never");
  });

  test("is for the whole host where the path is a pattern, and its owner is told", () => {
    const pattern = path("/app(/|$)(.*)", "ImplementationSpecific");
    const regex = { affinity: "cookie", "use-regex": "true" };
    const host = built(regex, [path("/plain", "ImplementationSpecific"), pattern]);
    assert.deepEqual(
      Object.values(filters(host)).map((filter) => filter.path),
      ["/plain", "/", "/"],
    );
    assert.deepEqual(told(host), [
      'session-cookie-path: the path "/app(/|$)(.*)" cannot be that of a cookie: the cookie is for "/"',
    ]);
    const said = built({ ...regex, "session-cookie-path": "/app" }, [pattern]);
    assert.deepEqual([filters(said)["/app(/|$)(.*)"]?.path, told(said)], ["/app", []]);
    assert.equal(told(built({ affinity: "cookie" }, [path("/a;b")])).length, 1);
  });

  test("does without a value that cannot be used, and says so; nothing of it gets into a header", () => {
    for (const [name, values] of Object.entries({
      "session-cookie-name": ["a b", "a;b", "a=b", "a\r\nX: y", "\u00e9"],
      "session-cookie-path": ["app", "/a;b", "/a b", "/a\nb", "/\u00e9"],
      "session-cookie-domain": ["a b", "a;b", "..", "a..b", "a\r\nb"],
      "session-cookie-expires": ["0", "-1", "1h", "1e3", "9999999999"],
      "session-cookie-max-age": ["0", "x"],
      "session-cookie-samesite": ["Sometimes"],
      "affinity-mode": ["sticky"],
      "affinity-canary-behavior": ["none"],
      "session-cookie-secure": ["yes"],
      "session-cookie-change-on-failure": ["perhaps"],
    })) {
      for (const value of values) {
        const host = built({ affinity: "cookie", [name]: value });
        assert.deepEqual(filters(host)["/"], filters(built({ affinity: "cookie" }))["/"], `${name}: ${value}`);
        assert.equal(told(host).length, 1, `${name}: ${value}: ${told(host).join("\n")}`);
      }
    }
  });

  test("needs affinity, and no other word than those that are known", () => {
    assert.deepEqual(filters(built({ "session-cookie-name": "x", "affinity-mode": "persistent" })), {});
    const host = built({ affinity: "session" });
    assert.deepEqual(filters(host), {});
    assert.match(told(host).join(), /^affinity: "session" is no affinity/);
  });

  test("goes by the name of the Ingress where there is no uid", () => {
    const web = ingress("shop/web", {
      meta: { uid: "", annotations: { [`${NGINX}/affinity`]: "cookie" } },
      rules: [rule("a.example", path("/"))],
    });
    const host = buildHost(storeOf([service("shop/web"), web]), SETTINGS, "a.example");
    assert.equal(filters(host)["/"]?.salt, "shop/web");
  });
});

describe("affinity without a cookie", () => {
  test("is a consistent hash of a header or of the address", () => {
    const balance = (annotations: Readonly<Record<string, string>>): unknown => {
      const { routes, problems } = built(annotations);
      assert.deepEqual(problems, []);
      return routes[0]?.balance;
    };
    const hash = (variable: string): unknown => ({ by: "hash", key: [variable], bound: 0 });
    assert.deepEqual(balance({ affinity: "header:X-User" }), hash("$http_x_user"));
    assert.deepEqual(balance({ affinity: "source-address", "upstream-hash-by": "$host" }), hash("$remote_addr"));
    for (const bad of ["header:", "header:a b", "header:$host", "header:-a"]) {
      assert.equal(told(built({ affinity: bad })).length, 1, bad);
    }
  });
});
