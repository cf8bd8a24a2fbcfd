import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { ExternalAuth } from "../../../agent/model/external-auth.ts";
import { type Policy, readPolicy } from "../../../agent/model/ingress/policy.ts";
import type { ModelSettings, NameAddresses } from "../../../agent/model/input.ts";
import { configMap, ingress, path, rule, service, servicePort, SETTINGS, storeOf } from "./objects.ts";

const PREFIX = "nginx.ingress.kubernetes.io";
const URL = "http://auth.sso.svc:4180/check";

function named(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${PREFIX}/${name}`, value]));
}
function policy(annotations: Readonly<Record<string, string>>): Policy {
  return readPolicy(named(annotations), "shop");
}
function filter(annotations: Readonly<Record<string, string>>): ExternalAuth {
  const { externalAuth, closing } = policy({ "auth-url": URL, ...annotations });
  assert.deepEqual(closing, []);
  assert.ok(externalAuth !== null);
  return externalAuth.filter;
}

describe("auth-url", () => {
  test("alone has the defaults of ingress-nginx", () => {
    assert.deepEqual(filter({}), {
      kind: "external_auth",
      scheme: "http",
      host: "auth.sso.svc:4180",
      backend: "sso/auth/4180",
      target: ["/check"],
      method: "GET",
      verify: "off",
      requestHeaders: [],
      responseHeaders: [],
      redirect: ["$request_uri"],
      signIn: [],
      signInParam: "rd",
      alwaysSetCookie: false,
      cache: { key: [], valid: [] },
    });
    assert.equal(policy({}).externalAuth, null);
  });

  test("names a Service, the request's host, a DNS name or an address", () => {
    const read = (url: string): readonly unknown[] => {
      const { scheme, host, backend, target, verify } = filter({ "auth-url": url });
      return [scheme, host, backend, target.join("|"), verify];
    };
    const cases: readonly (readonly [url: string, ...unknown[]])[] = [
      ["http://auth.sso.svc.cluster.local", "http", "auth.sso.svc.cluster.local", "sso/auth/80", "/", "off"],
      ["HTTPS://Auth.SSO.svc/A?b=$request_uri", "https", "auth.sso.svc", "sso/auth/443", "/A?b=|$request_uri", "off"],
      ["https://$host/oauth2/auth", "https", "$host", null, "/oauth2/auth", "off"],
      ["https://${http_host}:8443?x", "https", "$host:8443", null, "/?x", "off"],
      ["$scheme://$best_http_host$request_uri", "$scheme", "$host", null, "$request_uri", "off"],
      ["https://sso.example.org/a", "https", "sso.example.org", "@url/sso.example.org/443", "/a", "auto"],
      ["https://sso.Example.org./a", "https", "sso.example.org", "@url/sso.example.org/443", "/a", "auto"],
      ["http://sso.example.org:81", "http", "sso.example.org:81", "@url/sso.example.org/81", "/", "off"],
      ["https://192.0.2.9/a", "https", "192.0.2.9", "@url/192.0.2.9/443", "/a", "off"],
      ["http://[2001:DB8:0::1]:8080/", "http", "[2001:db8:0::1]:8080", "@url/2001:db8::1/8080", "/", "off"],
      ["http://a.b.svc/$arg_x/$cookie_y?$http_z", "http", "a.b.svc", "b/a/80", "/|$arg_x|/|$cookie_y|?|$http_z", "off"],
    ];
    for (const [url, ...expected] of cases) assert.deepEqual(read(url), expected, url);
  });

  test("that cannot be understood closes, whatever else is written", () => {
    const bad = [
      "",
      " ",
      "auth.sso.svc/check",
      "ftp://auth.sso.svc/",
      "//auth.sso.svc/",
      "/check",
      "http://",
      "http:///check",
      "http://user:password@auth.sso.svc/",
      "http://auth.sso.svc:0/",
      "http://auth.sso.svc:99999/",
      "http://auth.sso.svc/a b",
      'http://auth.sso.svc/"; return 200; #',
      "http://auth.sso.svc/a\r\nX: y",
      "http://auth.sso.svc/{a}",
      "http://auth.sso.svc/#a",
      "http://auth.sso.svc/$nothing",
      "http://auth.sso.svc/$hg_target",
      "http://auth.sso.svc/$",
      "http://auth.$host/",
      "http://$arg_host/",
      "http://$hostx/",
      "$scheme://auth.sso.svc/",
      "$nothing://auth.sso.svc/",
      "http://256.1.1.1/",
      "http://2130706433/",
      "http://0x7f.1/",
      "http://-a.example/",
      "http://a_b.example/",
      "http://[::1/",
      `http://auth.sso.svc/${"x".repeat(3000)}`,
      `http://auth.sso.svc/${"$uri/".repeat(40)}`,
    ];
    for (const url of bad) {
      const { externalAuth, closing } = policy({ "auth-url": url });
      assert.equal(externalAuth, null, url);
      assert.equal(closing.length, 1, url);
      assert.match(closing[0]?.message ?? "", /: its routes answer 503$/);
      assert.ok(!/[\r\n]/.test(closing[0]?.message ?? ""));
    }
  });

  test("under the old and under our own prefix; the first of them decides", () => {
    const read = (annotations: Readonly<Record<string, string>>): string | undefined =>
      readPolicy(annotations, "shop").externalAuth?.filter.host;
    assert.equal(read({ "ingress.kubernetes.io/auth-url": "http://a.b.svc" }), "a.b.svc");
    assert.equal(read({ [`${PREFIX}/auth-url`]: "http://c.d.svc", "ingress.kubernetes.io/auth-url": "x" }), "c.d.svc");
  });
});

describe("the family of auth-url", () => {
  test("is read as it is written", () => {
    const read = filter({
      "auth-method": "post",
      "auth-response-headers": " X-User, X-Groups ,x-user,Authorization,",
      "auth-signin": "https://${host}/start?RD=1",
      "auth-signin-redirect-param": "to",
      "auth-request-redirect": "https://$host$request_uri",
      "auth-always-set-cookie": "true",
      "auth-cache-key": "$remote_user$http_authorization",
      "auth-verify": "on",
    });
    assert.equal(read.method, "POST");
    assert.deepEqual(read.responseHeaders, ["x-user", "X-Groups", "Authorization"]);
    assert.deepEqual([read.signIn, read.signInParam], [["https://", "$host", "/start?RD=1"], "to"]);
    assert.deepEqual(read.redirect, ["https://", "$host", "$request_uri"]);
    assert.deepEqual([read.alwaysSetCookie, read.verify], [true, "on"]);
    const valid = [200, 202, 401].map((status) => ({ status, seconds: 300 }));
    assert.deepEqual(read.cache, { key: ["$remote_user", "$http_authorization"], valid });
    const own = filter({ "auth-signin": "https://sso.example/start?a=b&rd=$escaped_request_uri" });
    assert.equal(own.signInParam, "", "the URL has the way back itself");
  });

  test("closes where it would tell the backend or the service something else than was meant", () => {
    const bad: readonly (readonly [string, string])[] = [
      ["auth-method", "CONNECT"],
      ["auth-method", "GET x"],
      ["auth-response-headers", "X-User, X User"],
      ["auth-response-headers", "X-User;X-Groups"],
      ["auth-response-headers", "Host"],
      ["auth-response-headers", "transfer-encoding"],
      ["auth-response-headers", Array.from({ length: 65 }, (_, index) => `X-${index}`).join()],
      ["auth-verify", "true"],
    ];
    for (const [name, value] of bad) {
      const { closing } = policy({ "auth-url": URL, [name]: value });
      assert.deepEqual(
        closing.map(({ key }) => key),
        [`${PREFIX}/${name}`],
        value,
      );
    }
  });

  test("has its default for a value that restricts nothing, and keeps asking", () => {
    const bad: readonly (readonly [string, string])[] = [
      ["auth-signin", "/login"],
      ["auth-signin", "javascript:alert(1)"],
      ["auth-signin", "https://sso.example/$nothing"],
      ["auth-signin-redirect-param", "a&b"],
      ["auth-request-redirect", "/a\r\nb"],
      ["auth-always-set-cookie", "perhaps"],
      ["auth-cache-key", "all users"],
      ["auth-cache-key", "$remote_user$"],
      ["auth-cache-duration", "200 5 minutes"],
      ["auth-cache-duration", "500 5m"],
      ["auth-cache-duration", "any 1h"],
    ];
    for (const [name, value] of bad) {
      const { closing, invalid, externalAuth } = policy({
        "auth-url": URL,
        "auth-cache-key": "$remote_user",
        [name]: value,
      });
      assert.deepEqual(closing, [], value);
      assert.deepEqual(
        invalid.map(({ key }) => key),
        [`${PREFIX}/${name}`],
        value,
      );
      assert.ok(externalAuth !== null);
      assert.deepEqual(externalAuth.filter.signIn, []);
      if (name === "auth-cache-key") assert.deepEqual(externalAuth.filter.cache, { key: [], valid: [] });
    }
  });

  test("remembers what it is told to, as long as it is told to", () => {
    const valid = (duration: string): unknown =>
      filter({ "auth-cache-key": "$remote_user", "auth-cache-duration": duration }).cache.valid;
    assert.deepEqual(valid("200 202 10m, 401 30s"), [
      { status: 200, seconds: 600 },
      { status: 202, seconds: 600 },
      { status: 401, seconds: 30 },
    ]);
    assert.deepEqual(valid("15"), [{ status: 200, seconds: 15 }]);
    assert.deepEqual(valid("200 403 99d"), [
      { status: 200, seconds: 86_400 },
      { status: 403, seconds: 86_400 },
    ]);
    assert.deepEqual(valid("200 0, 401 1m"), [{ status: 401, seconds: 60 }]);
  });

  test("says of what is not needed, or alone, that it does nothing", () => {
    const keepalive = policy({ "auth-url": URL, "auth-keepalive": "10", "auth-keepalive-timeout": "0" });
    assert.deepEqual(
      [keepalive.closing, keepalive.unsupported.map(({ key }) => key)],
      [[], [`${PREFIX}/auth-keepalive`]],
    );
    const alone = policy({ "auth-signin": "https://sso.example/", "auth-response-headers": "X" });
    assert.equal(alone.externalAuth, null);
    assert.deepEqual(
      alone.unsupported.map(({ message }) => message),
      ["does nothing without auth-url", "does nothing without auth-url"],
    );
  });
});

describe("the service that is asked", () => {
  const of = (url: string, host = "a.example") =>
    ingress("shop/web", {
      rules: [rule(host, path("/"), path("/.well-known/acme-challenge"), path("/.well-known/acme-challenges"))],
      meta: { annotations: named({ "auth-url": url }) },
    });
  const settings = (change: Partial<ModelSettings> = {}): ModelSettings => ({ ...SETTINGS, ...change });
  const has = (...addresses: string[]): NameAddresses => ({ addresses, trouble: null });

  test("guards every path but that of the proof for a certificate, and makes the host strict", () => {
    const { routes, host } = buildHost(storeOf([of(URL)]), SETTINGS, "a.example");
    assert.deepEqual(
      routes.map(({ path: of, filters }) => [of, filters.map(({ kind }) => kind)]),
      [
        ["/", ["external_auth"]],
        ["/.well-known/acme-challenge", []],
        ["/.well-known/acme-challenges", ["external_auth"]],
      ],
    );
    assert.equal(host?.strictPaths, true);
  });

  test("is in use with its hosts, and a missing one is the problem of the Ingress", () => {
    const store = storeOf([of(URL)]);
    assert.deepEqual([store.portsInUse("sso/auth"), store.hostsOfService("sso/auth")], [[4180], ["a.example"]]);
    const problems = (objects: Parameters<typeof storeOf>[0]): readonly unknown[] =>
      buildHost(storeOf(objects), SETTINGS, "a.example")
        .problems.filter(({ field }) => field.includes("auth-url"))
        .map(({ code, message }) => [code, message]);
    assert.deepEqual(problems([of(URL)]), [
      ["service-missing", "there is no Service sso/auth, which is to be asked: its routes answer 503"],
    ]);
    assert.deepEqual(problems([of(URL), service("sso/auth", [servicePort(80)])]), [
      ["service-port-missing", "Service sso/auth has no TCP port 4180, which is to be asked: its routes answer 503"],
    ]);
    assert.deepEqual(problems([of(URL), service("sso/auth", [servicePort(4180)])]), []);
  });

  test("is asked at an address unless that must not be asked", () => {
    const build = (url: string, change: Partial<ModelSettings> = {}, names: [string, NameAddresses][] = []) => {
      const store = storeOf([of(url)], settings(change), new Map(names));
      const key = [...store.servicesInUse()].find((service) => service.startsWith("@url/")) ?? "";
      const { backends, problems } = buildBackends(store, settings(change), key);
      return [
        backends.map(({ key: id, peers }) => `${id} ${peers.map(({ address, port }) => `${address} ${port}`).join()}`),
        problems.map(({ code, object, hosts }) => `${code} ${object?.namespace}/${object?.name} ${hosts.join()}`),
      ];
    };
    assert.deepEqual(build("http://192.0.2.99:81"), [["@url/192.0.2.99/81 192.0.2.99 81"], []]);
    for (const url of [
      "http://127.0.0.1",
      "http://[::1]",
      "http://[::ffff:127.0.0.1]",
      "http://169.254.169.254",
      "http://192.0.2.7",
    ]) {
      const [backends, problems] = build(url);
      assert.match(backends?.[0] ?? "", / $/, url);
      assert.deepEqual(problems, ["endpoint-refused shop/web a.example"], url);
    }
    assert.deepEqual(build("http://10.9.9.9", { refusedNetworks: ["10.9.0.0/16"] })[1], [
      "endpoint-refused shop/web a.example",
    ]);
    const allowed = { externalNames: ["*.example.org"] };
    assert.deepEqual(build("https://sso.example.org/", allowed, [["sso.example.org", has("192.0.2.99")]]), [
      ["@url/sso.example.org/443 192.0.2.99 443"],
      [],
    ]);
    assert.deepEqual(build("https://sso.example.org/", allowed, [["sso.example.org", has("127.0.0.1")]]), [
      ["@url/sso.example.org/443 "],
      ["endpoint-refused shop/web a.example"],
    ]);
    assert.deepEqual(build("https://sso.example.org/", {}, [["sso.example.org", has("192.0.2.99")]]), [
      [],
      ["backend-unsupported shop/web a.example"],
    ]);
  });

  test("gets the headers of a ConfigMap beside the Ingress, and is not asked without them", () => {
    const asks = (from: string) =>
      ingress("shop/web", {
        rules: [rule("a.example", path("/"))],
        meta: { annotations: named({ "auth-url": URL, "auth-proxy-set-headers": from }) },
      });
    const of = (from: string, data: Readonly<Record<string, string>> | null): unknown => {
      const store = storeOf([asks(from), ...(data === null ? [] : [configMap("shop/headers", data)])]);
      const { routes, problems } = buildHost(store, SETTINGS, "a.example");
      const [filter] = routes[0]?.filters ?? [];
      const headers = filter?.kind === "external_auth" ? filter.requestHeaders : null;
      if (routes[0]?.closed === null) return headers;
      assert.deepEqual(problems.filter(({ code }) => code === "annotation-closes-route").length, 1);
      return routes[0]?.closed.reason;
    };
    assert.deepEqual(of("shop/headers", { "X-Z": "a $host b", "X-A": "" }), [
      { name: "X-A", value: [] },
      { name: "X-Z", value: ["a ", "$host", " b"] },
    ]);
    assert.deepEqual(of("headers", { "X-A": "1" }), [{ name: "X-A", value: ["1"] }]);
    assert.equal(of("headers", null), "ConfigMap shop/headers is not there");
    const bad = [{ "X A": "1" }, { Host: "x" }, { "X-A": "a\r\nX-B: c" }, { "X-A": "$nothing" }, { "X-A": "é" }];
    for (const data of bad) assert.match(String(of("headers", data)), /^ConfigMap shop\/headers has /);
    for (const from of ["other/headers", "a/b/c", ""]) {
      assert.match(String(of(from, {})), /is no ConfigMap of namespace shop/);
    }
    const store = storeOf([asks("headers")]);
    assert.deepEqual([...store.wantedConfigMaps()], ["shop/headers"]);
    store.takeDirty();
    store.apply([{ kind: "put", object: configMap("shop/headers", {}) }]);
    assert.deepEqual(store.takeDirty(), ["host:a.example"]);
    store.apply([{ kind: "delete", ref: { kind: "Ingress", namespace: "shop", name: "web" } }]);
    assert.deepEqual([...store.wantedConfigMaps()], []);
  });

  test("that is served here is led to by its own routes, unless the configuration gives it addresses", () => {
    const url = "https://sso.example.org/check";
    const sso = ingress("sso/sso", { rules: [rule("sso.example.org", path("/"))] });
    const backendOf = (change: Partial<ModelSettings>): unknown => {
      const { routes } = buildHost(storeOf([of(url), sso], settings(change)), settings(change), "a.example");
      const [first] = routes[0]?.filters ?? [];
      return first?.kind === "external_auth" ? first.backend : undefined;
    };
    assert.equal(backendOf({}), null);
    assert.equal(backendOf({ externalNames: ["*"] }), "@url/sso.example.org/443");
    const store = storeOf([of(url), sso]);
    assert.deepEqual(buildBackends(store, SETTINGS, "@url/sso.example.org").problems, []);
    store.takeDirty();
    store.apply([{ kind: "delete", ref: { kind: "Ingress", namespace: "sso", name: "sso" } }]);
    assert.ok(store.takeDirty().includes("backend:@url/sso.example.org"), "its problem is looked for anew");
    assert.equal(buildBackends(store, SETTINGS, "@url/sso.example.org").problems.length, 1);
  });
});
