import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { badServiceBalance } from "../../../agent/model/ingress/balance.ts";
import {
  renderRoute,
  type RouteDefaults,
  type RouteValue,
  USUAL_ROUTE_DEFAULTS,
} from "../../../agent/render/documents.ts";
import { ingress, path, rule, service, SETTINGS, storeOf } from "./objects.ts";

const NGINX = "nginx.ingress.kubernetes.io";

/** The balance filters of a route whose Ingress has these annotations, and what is said of them. */
function made(
  annotations: Readonly<Record<string, string>>,
  loadBalance: RouteDefaults["loadBalance"] = "round_robin",
  { ofService = {} }: { readonly ofService?: Readonly<Record<string, string>> } = {},
): { readonly filters: RouteValue["filters"]; readonly told: readonly string[] } {
  const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
  const behind = service("shop/web");
  const store = storeOf([
    { ...behind, meta: { ...behind.meta, annotations: ofService } },
    { ...web, meta: { ...web.meta, annotations } },
  ]);
  const { routes, problems } = buildHost(store, SETTINGS, "a.example");
  const [route] = routes;
  assert.ok(route !== undefined && route.closed === null);
  const value = JSON.parse(renderRoute(route, { ...USUAL_ROUTE_DEFAULTS, loadBalance }).text) as RouteValue; // our own text
  const about = problems.filter(({ code }) => code === "annotation-invalid" || code === "annotation-unsupported");
  return { filters: value.filters, told: about.map(({ severity, message, fix }) => `${severity}: ${message}; ${fix}`) };
}

describe("how a route balances", () => {
  test("is in turn, as the configuration has it, or as its Ingress says", () => {
    assert.deepEqual(made({}), { filters: [], told: [] });
    assert.deepEqual(made({}, "ewma").filters, [{ kind: "balance", by: "ewma" }]);
    assert.deepEqual(made({ [`${NGINX}/load-balance`]: "EWMA" }).filters, [{ kind: "balance", by: "ewma" }]);
    assert.deepEqual(made({ [`${NGINX}/load-balance`]: "round_robin" }, "ewma").filters, []);
    assert.deepEqual(made({ "headgate.dev/load-balance": "least_conn" }).filters, [
      { kind: "balance", by: "least_conn" },
    ]);
  });

  test("is as its Service says, where its Ingress says nothing", () => {
    const says = (said: string) => ({ ofService: { "headgate.dev/load-balance": said } });
    const least = [{ kind: "balance", by: "least_conn" }];
    assert.deepEqual(made({}, "ewma", says("least_conn")).filters, least);
    assert.deepEqual(made({}, "ewma", says("round_robin")).filters, []);
    assert.deepEqual(made({ [`${NGINX}/load-balance`]: "round_robin" }, "ewma", says("least_conn")).filters, []);
    assert.deepEqual(made({}, "least_conn", says("ewmaa")).filters, least);
    const web = service("shop/web");
    const bad = { ...web, meta: { ...web.meta, annotations: { "headgate.dev/load-balance": "ewmaa\n" } } };
    assert.match(badServiceBalance(bad, ["a.example"])?.message ?? "", /^"ewmaa" is no way to balance here/);
    const store = storeOf([bad, ingress("shop/web", { rules: [rule("a.example", path("/"))] })]);
    const { problems } = buildBackends(store, SETTINGS, "shop/web");
    assert.deepEqual(
      problems.map(({ code, hosts }) => [code, hosts]),
      [
        ["annotation-invalid", ["a.example"]],
        ["no-endpoints", ["a.example"]],
      ],
    );
  });

  test("is by a hash of variables and text, whatever else is said", () => {
    const { filters, told } = made({
      [`${NGINX}/upstream-hash-by`]: "v1:${Cookie_user}-$request_uri",
      [`${NGINX}/load-balance`]: "ewma",
      "headgate.dev/hash-balance-factor": "150",
    });
    assert.deepEqual(told, []);
    const key = ["v1:", "$cookie_user", "-", "$request_uri"];
    assert.deepEqual(filters, [{ kind: "balance", by: "hash", key, bound: 150 }]);
    const [plain] = made({ [`${NGINX}/upstream-hash-by`]: "$remote_addr" }).filters;
    assert.deepEqual(plain, { kind: "balance", by: "hash", key: ["$remote_addr"], bound: 0 });
  });

  test("is the configuration's where a value cannot be used, and its owner is told", () => {
    for (const value of ["constant", "$", "a$-b", "$1", "$host\u00e9", "$a".repeat(33), `$a${"x".repeat(1024)}`]) {
      const { filters, told } = made({ [`${NGINX}/upstream-hash-by`]: value });
      assert.deepEqual(filters, [], value);
      assert.equal(told.length, 1, value);
      assert.match(told[0] ?? "", /^error: .*; write nginx variables/);
    }
    const old = made({ [`${NGINX}/load-balance`]: "ip_hash" });
    assert.deepEqual(old.filters, []);
    assert.match(old.told[0] ?? "", /upstream-hash-by: "\$remote_addr"$/);
    assert.match(made({ [`${NGINX}/load-balance`]: "random" }).told[0] ?? "", /one of round_robin, ewma, least_conn/);
    assert.equal(made({ "headgate.dev/hash-balance-factor": "99" }).told.length, 1);
    assert.match(made({ [`${NGINX}/upstream-hash-by-subset`]: "true" }).told[0] ?? "", /^warning/);
  });
});
