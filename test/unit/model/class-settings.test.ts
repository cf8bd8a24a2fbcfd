import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { Route } from "../../../agent/model/edge-model.ts";
import { classProblems } from "../../../agent/model/ingress/class-settings.ts";
import type { IngressClass, KubernetesObject } from "../../../agent/objects/objects.ts";
import type { Store } from "../../../agent/store/store.ts";
import { configMap, ingress, ingressClass, path, rule, service, SETTINGS, storeOf } from "./objects.ts";

const CONTROLLER = "headgate.dev/ingress";
const withParameters: IngressClass = {
  ...ingressClass("edge", CONTROLLER),
  parameters: { kind: "ConfigMap", key: "infra/edge" },
};
const web = ingress("shop/web", { ingressClassName: "edge", rules: [rule("a.example", path("/"))] });

function storeWith(...objects: readonly KubernetesObject[]): Store {
  return storeOf([withParameters, web, service("shop/web"), ...objects]);
}
function route(store: Store): Route | undefined {
  return buildHost(store, SETTINGS, "a.example").routes[0];
}
const brief = (store: Store): readonly string[] =>
  classProblems(store, SETTINGS).map(({ severity, object, field }) => `${severity} ${object?.kind} ${field}`);

describe("settings of an IngressClass", () => {
  test("are the defaults of its Ingresses; what these say themselves comes first", () => {
    const data = { "force-ssl-redirect": "true", "whitelist-source-range": "10.0.0.0/8" };
    const store = storeWith(configMap("infra/edge", data));
    assert.equal(route(store)?.sslRedirect, "always");
    assert.deepEqual(route(store)?.filters, [{ kind: "access", allow: [["10.0.0.0/8"]], deny: [] }]);
    assert.deepEqual(brief(store), []);
    const annotations = {
      "nginx.ingress.kubernetes.io/force-ssl-redirect": "false",
      "nginx.ingress.kubernetes.io/whitelist-source-range": "192.0.2.1",
    };
    store.apply([{ kind: "put", object: { ...web, meta: { ...web.meta, annotations } } }]);
    assert.equal(route(store)?.sslRedirect, "certificate");
    assert.deepEqual(route(store)?.filters, [{ kind: "access", allow: [["192.0.2.1/32"]], deny: [] }]);
  });

  test("keep the class's allow list beside a deny list of the Ingress, and the other way round", () => {
    const list = (allow: string, deny: string): Record<string, string> => ({
      ...(allow === "" ? {} : { "nginx.ingress.kubernetes.io/whitelist-source-range": allow }),
      ...(deny === "" ? {} : { "nginx.ingress.kubernetes.io/denylist-source-range": deny }),
    });
    const filtersOf = (data: Record<string, string>, annotations: Record<string, string>): unknown => {
      const store = storeWith(configMap("infra/edge", data));
      store.apply([{ kind: "put", object: { ...web, meta: { ...web.meta, annotations } } }]);
      return route(store)?.filters;
    };
    const both = [{ kind: "access", allow: [["10.0.0.0/8"]], deny: ["192.0.2.1/32"] }];
    assert.deepEqual(filtersOf({ "whitelist-source-range": "10.0.0.0/8" }, list("", "192.0.2.1")), both);
    assert.deepEqual(filtersOf({ "denylist-source-range": "192.0.2.1" }, list("10.0.0.0/8", "")), both);
  });

  test("close the class where the ConfigMap is not there, and open it when it comes", () => {
    const store = storeWith();
    assert.deepEqual([...store.wantedConfigMaps()], ["infra/edge"]);
    assert.match(route(store)?.closed?.reason ?? "", /ConfigMap infra\/edge of IngressClass edge is not there/);
    assert.deepEqual(brief(store), ["error IngressClass spec.parameters"]);
    store.apply([{ kind: "put", object: configMap("infra/edge", {}) }]);
    assert.deepEqual(store.takeDirty(), ["host:a.example"]);
    assert.equal(route(store)?.closed, null);
  });

  test("close the class for a restriction that is not served; what is of the whole edge is a warning", () => {
    for (const key of [
      "block-cidrs",
      "block-user-agents",
      "global-auth-url",
      "enable-modsecurity",
      "location-snippet",
      "http-snippet",
      "limit-rate",
    ]) {
      const store = storeWith(configMap("infra/edge", { [key]: "x" }));
      assert.notEqual(route(store)?.closed ?? null, null, key);
      assert.deepEqual(brief(store), [`error ConfigMap data["${key}"]`], key);
    }
    for (const key of ["proxy-body-size", "hsts", "limit-req-status-code", "made-up"]) {
      const store = storeWith(configMap("infra/edge", { [key]: "x" }));
      assert.equal(route(store)?.closed, null, key);
      assert.deepEqual(brief(store), [`warning ConfigMap data["${key}"]`], key);
    }
  });

  test("are told with the file and line of a manifest", () => {
    const settings = configMap("infra/edge", { "made-up": "x" });
    const store = storeWith({
      ...settings,
      meta: { ...settings.meta, position: { file: "edge.yaml", line: 7, index: 0 } },
    });
    assert.deepEqual(
      classProblems(store, SETTINGS).map(({ where }) => where),
      ["edge.yaml:7"],
    );
  });

  test("of another kind are told and not used; of a class that is not ours they mean nothing", () => {
    const other = { kind: "other", text: "IngressParameters.example.org x" } as const;
    const store = storeWith({ ...withParameters, parameters: other });
    assert.equal(route(store)?.closed, null);
    assert.deepEqual(brief(store), ["warning IngressClass spec.parameters"]);
    const foreign = storeWith({ ...withParameters, controller: "else" });
    assert.deepEqual([...foreign.wantedConfigMaps()], []);
    assert.deepEqual(brief(foreign), []);
  });
});
