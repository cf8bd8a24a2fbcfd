import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { goodKeyPair, ingress, path, rule, secret, service, SETTINGS, storeOf } from "./objects.ts";

const annotations = { "nginx.ingress.kubernetes.io/from-to-www-redirect": "true" };
const apex = ingress("shop/apex", {
  meta: { annotations },
  tls: [{ hosts: [], secretName: "cert" }],
  rules: [rule("a.example", path("/"))],
});

function built(name: string, ...more: readonly KubernetesObject[]): ReturnType<typeof buildHost> {
  return buildHost(storeOf([apex, service("shop/web"), ...more]), SETTINGS, name);
}

describe("from-to-www-redirect", () => {
  test("gives the other name one route that redirects, and needs no backend", () => {
    const { host, routes, problems } = built("www.a.example");
    assert.deepEqual([...(host?.prefixes.keys() ?? [])], ["/"]);
    assert.deepEqual(
      routes.map(({ filters, closed, backend }) => ({ filters, closed, backend })),
      [
        {
          filters: [{ kind: "redirect", code: 308, location: ["$scheme", "://a.example", "$request_uri"] }],
          closed: null,
          backend: null,
        },
      ],
    );
    assert.deepEqual(problems, []);
    assert.equal(built("www.www.a.example").host, null);
  });

  test("gives it the certificate of the host where that covers both names", () => {
    const cert = (...names: readonly string[]): KubernetesObject => secret("shop/cert", goodKeyPair(names));
    assert.equal(built("www.a.example", cert("a.example", "www.a.example")).serverName?.certificate, "shop/cert");
    assert.equal(built("www.a.example", cert("a.example")).serverName, null);
  });

  test("gives way to a rule and to an alias, also of a younger Ingress", () => {
    const young = { createdAt: 9 };
    const own = ingress("shop/own", { meta: young, rules: [rule("www.a.example", path("/own"))] });
    assert.deepEqual([...(built("www.a.example", own).host?.prefixes.keys() ?? [])], ["/own"]);
    const alias = { ...young, annotations: { "nginx.ingress.kubernetes.io/server-alias": "www.a.example" } };
    const other = ingress("shop/other", { meta: alias, rules: [rule("b.example", path("/"))] });
    const { host, routes } = built("www.a.example", other);
    assert.deepEqual([host?.aliasOf, routes.length], ["b.example", 0]);
  });
});
