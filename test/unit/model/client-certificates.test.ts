import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost, Filter } from "../../../agent/model/edge-model.ts";
import { readPolicy } from "../../../agent/model/ingress/policy.ts";
import type { Ingress, KubernetesObject, Secret } from "../../../agent/objects/objects.ts";
import { isStricter } from "../../../agent/plan/stricter.ts";
import { BAD_KEY_PAIR, ingress, path, rule, secret, service, SETTINGS, storeOf } from "./objects.ts";

const PREFIX = "nginx.ingress.kubernetes.io";
const DIGEST = "0123456789abcdef0123456789abcdef";
const NAME = "mtls-0123456789abcdef01234567";

type Annotations = Readonly<Record<string, string>>;

function asking(key: string, annotations: Annotations, createdAt = 0, host = "a.example"): Ingress {
  const named = Object.entries(annotations).map(([name, value]) => [`${PREFIX}/auth-tls-${name}`, value] as const);
  return ingress(key, {
    meta: { createdAt, annotations: Object.fromEntries(named) },
    rules: [rule(host, path(`/${key}`))],
  });
}
function authority(key: string, digest = DIGEST, more: Partial<Secret> = {}): Secret {
  const trust = { authorities: `CA ${digest}`, clientTrust: { revocations: null, digest } };
  return { ...secret(key, BAD_KEY_PAIR), ...trust, ...more };
}
function built(...objects: readonly KubernetesObject[]): BuiltHost {
  return host("a.example", objects);
}
function host(name: string, objects: readonly KubernetesObject[]): BuiltHost {
  return buildHost(storeOf([service("shop/web"), service("other/web"), ...objects]), SETTINGS, name);
}
function guards({ routes }: BuiltHost): readonly (string | null)[] {
  return routes.map(({ filters, closed }) => {
    const guard = filters.find(
      (filter): filter is Extract<Filter, { kind: "client_certificate" }> => filter.kind === "client_certificate",
    );
    return closed !== null ? "closed" : (guard?.policy ?? null);
  });
}
const codes = ({ problems }: BuiltHost): readonly string[] =>
  problems.map(({ code, object }) => `${code} ${object?.namespace}/${object?.name}`);

describe("client certificates of a host", () => {
  test("are of the whole host, named by what they are verified by, and the guard comes first", () => {
    const all = built(
      asking("shop/one", {
        secret: "shop/ca",
        "verify-depth": "2",
        "match-cn": "CN=a",
        "error-page": "https://e.example/x",
        "pass-certificate-to-upstream": "true",
      }),
      asking("shop/two", {}, 1),
      asking("other/three", {}, 2),
      authority("shop/ca"),
    );
    assert.deepEqual(all.clientPolicy, {
      name: `${NAME}-n2`,
      verify: "on",
      depth: 2,
      authorities: `CA ${DIGEST}`,
      revocations: null,
    });
    const guard = {
      kind: "client_certificate",
      policy: `${NAME}-n2`,
      verify: "on",
      match: "CN=a",
      error_page: "https://e.example/x",
      pass: true,
    };
    for (const route of all.routes) assert.deepEqual(route.filters[0], guard);
    assert.deepEqual(codes(all), []);
    assert.equal(all.host?.strictPaths, false, "the whole host has one guard: no path leads around it");
    const renamed = built(asking("shop/one", { secret: "ca" }), authority("shop/ca"));
    assert.equal(renamed.clientPolicy?.name, `${NAME}-n1`);
  });

  test("are not asked for by off, nor without annotations", () => {
    for (const annotations of [{}, { "verify-client": "off" }, { secret: "shop/ca", "verify-client": "off" }]) {
      const all = built(asking("shop/one", annotations), authority("shop/ca"));
      assert.equal(all.clientPolicy, undefined);
      assert.deepEqual(guards(all), [null]);
    }
  });

  test("close the host without usable authorities, other namespaces' routes too", () => {
    for (const [found, code] of [
      [[], "secret-missing"],
      [[secret("shop/ca", BAD_KEY_PAIR)], "secret-invalid"],
      [[authority("shop/ca", DIGEST, { clientTrust: null })], "secret-invalid"],
      [[{ ...secret("shop/ca", BAD_KEY_PAIR), authorities: "CA of an older agent's snapshot" }], "secret-invalid"],
    ] as const) {
      const all = built(
        asking("shop/one", { secret: "ca" }),
        asking("shop/two", {}, 1),
        asking("other/x", {}, 2),
        ...found,
      );
      assert.deepEqual(guards(all), ["closed", "closed", "closed"]);
      assert.equal(all.clientPolicy, undefined);
      assert.deepEqual(codes(all), [`${code} shop/one`]);
    }
  });

  test("close by every value that cannot be used, and their whole host", () => {
    for (const bad of [
      { "match-cn": "CN=x" },
      { "verify-depth": "1" },
      { "pass-certificate-to-upstream": "true" },
      { "error-page": "https://a.example" },
      { "verify-client": "on" },
      { secret: "other/ca" },
      { secret: "a/b/c" },
      { secret: "" },
      { secret: "ca", "verify-depth": "0" },
      { secret: "ca", "verify-depth": "10" },
      { secret: "ca", "verify-depth": "1.5" },
      { secret: "ca", "match-cn": "" },
      { secret: "ca", "match-cn": "CN=(a" },
      { secret: "ca", "match-cn": "CN=(?i)a" },
      { secret: "ca", "match-cn": "CN=é" },
      { secret: "ca", "error-page": "@page" },
      { secret: "ca", "error-page": "https://a.example/$uri" },
      { secret: "ca", "error-page": "https://a.example/ x" },
    ] as const) {
      const all = built(
        asking("shop/one", bad),
        asking("shop/two", {}, 1),
        asking("other/x", {}, 2),
        authority("shop/ca"),
      );
      assert.deepEqual(guards(all), ["closed", "closed", "closed"], JSON.stringify(bad));
      assert.ok(codes(all).includes("annotation-closes-route shop/one"), JSON.stringify(bad));
    }
    const { clientCertificates, invalid } = readPolicy(
      { [`${PREFIX}/auth-tls-secret`]: "ca", [`${PREFIX}/auth-tls-verify-client`]: "maybe" },
      "shop",
    );
    assert.ok(clientCertificates !== null && clientCertificates !== "closed" && clientCertificates.verify === "on");
    assert.equal(invalid.length, 1);
  });

  test("differ: the oldest of the host's namespace wins, and the loser is closed and told", () => {
    const other = authority("shop/ca2", "f".repeat(32));
    for (const younger of [
      { secret: "ca2" },
      { secret: "ca", "verify-client": "optional" },
      { secret: "ca", "verify-depth": "3" },
      { secret: "ca", "match-cn": "CN=x" },
    ]) {
      const all = built(
        asking("shop/old", { secret: "ca" }),
        asking("shop/young", younger, 1),
        authority("shop/ca"),
        other,
      );
      assert.deepEqual(guards(all), [`${NAME}-n1`, "closed"]);
      assert.deepEqual(codes(all), ["client-certificates-conflict shop/young"]);
    }
    const same = built(
      asking("shop/old", { secret: "ca" }),
      asking("shop/young", { secret: "copy", "error-page": "https://e.example" }, 1),
      authority("shop/ca"),
      authority("shop/copy"),
    );
    assert.deepEqual(guards(same), [`${NAME}-n1`, `${NAME}-n1`], "by what is in the Secret, not by its name");
    assert.deepEqual(codes(same), []);
  });

  test("of another namespace lock nobody out, and leave nothing open that they were asked for", () => {
    const all = built(asking("shop/old", {}), asking("other/young", { secret: "ca" }, 1), authority("other/ca"));
    assert.deepEqual(guards(all), [null, "closed"]);
    assert.equal(all.clientPolicy, undefined);
    assert.deepEqual(codes(all), ["client-certificates-conflict other/young"]);
  });

  test("need a host name", () => {
    const all = host("_", [asking("shop/one", { secret: "ca" }, 0, ""), authority("shop/ca")]);
    assert.deepEqual(guards(all), ["closed"]);
    assert.equal(all.clientPolicy, undefined);
  });

  test("that are new or other make the host stricter, so that the snapshot is written", () => {
    const open = built(asking("shop/one", {}), authority("shop/ca"));
    const asked = built(asking("shop/one", { secret: "ca" }), authority("shop/ca"));
    assert.ok(isStricter(open, asked));
    assert.ok(isStricter(asked, built(asking("shop/one", { secret: "ca", "match-cn": "CN=x" }), authority("shop/ca"))));
    assert.ok(!isStricter(asked, asked));
  });

  test("are looked at again when their Secret changes, also on hosts of other Ingresses", () => {
    const store = storeOf([service("shop/web"), asking("shop/one", { secret: "ca" }), asking("shop/two", {}, 1)]);
    store.apply([{ kind: "put", object: authority("shop/ca") }]);
    assert.ok(store.takeDirty().includes("host:a.example"));
    assert.ok(store.wantedSecrets().has("shop/ca"));
  });
});
