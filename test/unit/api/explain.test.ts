import assert from "node:assert/strict";
import { test } from "node:test";
import { buildExplainReport } from "../../../agent/api/explain.ts";
import type { ExplainReport } from "../../../agent/api/wire.ts";
import { type ClientRequest, decideRequest, serverNameOf } from "../../../agent/model/match.ts";
import type { ExternalAuth } from "../../../agent/model/external-auth.ts";
import type { BuiltHost, EdgeModel } from "../../../agent/model/edge-model.ts";
import { backend, builtHost, decide, model, route } from "./support.ts";

function withTls(built: BuiltHost): BuiltHost {
  return { ...built, serverName: { name: built.host?.name ?? "", certificate: "shop/tls" } };
}

const MODEL = model(
  [
    withTls(
      builtHost("shop.example.org", [
        route("shop.example.org", "web"),
        route("shop.example.org", "api", { path: "/api" }),
        route("shop.example.org", null, { path: "/admin", closed: { reason: "auth-url is not served" } }),
        route("shop.example.org", "gone", { path: "/gone" }),
      ]),
    ),
    builtHost("*.example.org", [route("*.example.org", "api", { key: "shop/wild/1" })]),
  ],
  [backend("web", 2), backend("api", 1, { notReady: 1 }), backend("gone", 0, { reason: "no ready endpoints" })],
);

function explain(
  text: string,
  target = new URL(text).pathname,
  more: Partial<Parameters<typeof buildExplainReport>[0]> = {},
): ExplainReport {
  return buildExplainReport({
    method: "GET",
    url: new URL(text),
    target,
    model: MODEL,
    decide,
    serverNameOf,
    httpsPort: 8443,
    staleSince: null,
    ...more,
  });
}

test("names rule, Service and peers of a request that is served", () => {
  const report = explain("https://shop.example.org/api/x");
  assert.deepEqual(report.answer, { kind: "proxy", service: "shop/api:80", peers: ["10.0.0.1:8080"] });
  assert.deepEqual(report.steps, [
    { step: "listen", value: "https, certificate shop/tls", why: "name shop.example.org" },
    { step: "host", value: "shop.example.org", why: "exact" },
    { step: "path", value: "Prefix /api", why: "Ingress shop/web: the longest prefix wins" },
    { step: "target", value: "shop/api:80", why: "1 ready, 1 not ready" },
  ]);
});

test("tells the shares of a route that Services share, and what decided", () => {
  const rule = { header: "X-Canary", value: "", pattern: "", cookie: null, weight: 125, total: 1000 };
  const { ingress, protocol, upstreamTls, balance } = route("shop.example.org", "web");
  const canary = { ingress, protocol, upstreamTls, balance, rule, backend: "shop/api/80" };
  const shared = route("shop.example.org", "web", { filters: [{ kind: "split", alternatives: [canary] }] });
  const edge = model([builtHost("shop.example.org", [shared])], [backend("web", 1), backend("api", 2)]);
  const value = "shop/web:80 87.5 %, shop/api:80 12.5 %";
  const told = (headers: Readonly<Record<string, string>>): unknown => {
    const { steps, answer } = explain("http://shop.example.org/", "/", { model: edge, headers });
    return [steps.filter(({ step }) => step === "split"), answer.kind === "proxy" ? answer.service : answer];
  };
  const why = "by weight; the greatest share is shown";
  assert.deepEqual(told({}), [[{ step: "split", value, why }], "shop/web:80"]);
  assert.deepEqual(told({ "x-canary": "always" }), [[{ step: "split", value, why: "by header" }], "shop/api:80"]);
});

test("names the service that would be asked, where one is", () => {
  const auth: ExternalAuth = {
    kind: "external_auth",
    scheme: "http",
    host: "api.shop.svc",
    backend: "shop/api/80",
    target: ["/check"],
    method: "GET",
    verify: "off",
    requestHeaders: [],
    responseHeaders: [],
    redirect: [],
    signIn: [],
    signInParam: "rd",
    alwaysSetCookie: false,
    cache: { key: [], valid: [] },
  };
  const asking = (backendKey: string) => {
    const filters = [{ ...auth, backend: backendKey }];
    const built = model(
      [builtHost("a.example", [route("a.example", "web", { filters, sslRedirect: "never" })])],
      [backend("web", 1), backend("api", 1), backend("gone", 0, { reason: "no ready endpoints" })],
    );
    return explain("http://a.example/", "/", { model: built });
  };
  assert.deepEqual(
    asking("shop/api/80").steps.map(({ step, value }) => [step, value]),
    [
      ["listen", "http"],
      ["host", "a.example"],
      ["path", "Prefix /"],
      ["ask", "http://api.shop.svc"],
      ["target", "shop/web:80"],
    ],
  );
  assert.deepEqual(asking("shop/gone/80").answer, {
    kind: "refuse",
    status: 503,
    reason: "api.shop.svc cannot be asked whether the request may pass: no ready endpoints",
  });
});

test("says of every other rule why it lost", () => {
  const { candidates } = explain("https://shop.example.org/api/x");
  assert.deepEqual(
    candidates.map(({ host, path, lost }) => [host, path, lost]),
    [
      ["shop.example.org", "/", "/api is longer"],
      ["shop.example.org", "/api", null],
      ["shop.example.org", "/admin", "the path is not under /admin"],
      ["shop.example.org", "/gone", "the path is not under /gone"],
      ["*.example.org", "/", "host shop.example.org is more exact"],
    ],
  );
});

test("tells redirects, closed routes, missing peers and unknown hosts", () => {
  const location = "https://shop.example.org:8443/cart?x=1";
  assert.deepEqual(explain("http://shop.example.org/cart?x=1", "/cart?x=1").answer, {
    kind: "redirect",
    status: 308,
    location,
  });
  const closed = { kind: "refuse", status: 503, reason: "auth-url is not served" };
  assert.deepEqual(explain("https://shop.example.org/admin").answer, closed);
  const gone = { kind: "refuse", status: 503, reason: "no ready endpoints" };
  assert.deepEqual(explain("https://shop.example.org/gone").answer, gone);
  const unknown = explain("http://other.test/");
  assert.deepEqual([unknown.answer.kind, unknown.candidates], ["refuse", []]);
});

test("a redirect to https has the status and the exceptions that are set", () => {
  const settings = { redirectCode: 302, noRedirectPaths: ["/cart"] } as const;
  const set = { decide: (edge: EdgeModel, request: ClientRequest) => decideRequest(edge, request, settings) };
  const location = "https://shop.example.org:8443/.well-known/acme-challenge/x";
  assert.deepEqual(explain("http://shop.example.org/.well-known/acme-challenge/x", undefined, set).answer, {
    kind: "redirect",
    status: 302,
    location,
  });
  assert.equal(explain("http://shop.example.org/cart/1", undefined, set).answer.kind, "proxy");
});

test("explains the path that was written, not what a URL makes of it", () => {
  const report = explain("https://shop.example.org/x/../api", "/x/../api");
  assert.equal(report.request.path, "/api");
  assert.equal(report.answer.kind, "proxy");
  const above = explain("https://shop.example.org/", "/../etc");
  assert.deepEqual(above.answer, { kind: "refuse", status: 400, reason: "a path above the root" });
});

test("a host that asks for client certificates says so, and answers as to a client that has one", () => {
  const filters = [
    {
      kind: "client_certificate",
      policy: "mtls-1-n1",
      verify: "on",
      match: "CN=a",
      error_page: "",
      pass: false,
    },
  ] as const;
  const built = builtHost("mtls.example.org", [route("mtls.example.org", "web", { filters })]);
  const asked = { model: model([built], [backend("web", 1)]) };
  const { steps, answer } = explain("https://mtls.example.org/", "/", asked);
  const step = { step: "client certificate", value: "on, of a subject that matches CN=a", why: "policy mtls-1-n1" };
  assert.deepEqual(
    steps.find((one) => one.step === step.step),
    step,
  );
  assert.equal(answer.kind, "proxy");
  const inTheClear = explain("http://mtls.example.org/", "/", asked).answer;
  assert.deepEqual(inTheClear, { kind: "redirect", status: 308, location: "https://mtls.example.org:8443/" });
});
