import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { buildCertificate } from "../../../agent/model/build-certificate.ts";
import type { BuiltBackends, Problem } from "../../../agent/model/edge-model.ts";
import type { ModelSettings } from "../../../agent/model/input.ts";
import { refusalProblems } from "../../../agent/model/problems.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { trimObject } from "../../../agent/objects/trim.ts";
import {
  backend,
  BAD_KEY_PAIR,
  endpoint,
  externalService,
  goodKeyPair,
  ingress,
  path,
  rule,
  secret,
  service,
  servicePort,
  SETTINGS,
  slice,
  storeOf,
} from "./objects.ts";

function backends(
  key: string,
  objects: readonly KubernetesObject[],
  settings: Partial<ModelSettings> = {},
): BuiltBackends {
  const all = { ...SETTINGS, ...settings };
  return buildBackends(storeOf(objects, all), all, key);
}
const brief = ({ code, field, object, hosts }: Problem): string =>
  `${code} ${object?.kind} ${object?.namespace}/${object?.name} ${field} [${hosts.join()}]`;

const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
const webService = service("shop/web");

describe("backends", () => {
  const peers = (built: BuiltBackends): string[] =>
    (built.backends[0]?.peers ?? []).map(({ address, port }) => `${address} ${port}`);

  test("join all slices, each address and port once, in order, by the name of the Service's port", () => {
    const built = backends("shop/web", [
      web,
      service("shop/web", [servicePort(80, "http"), servicePort(81, "admin")]),
      slice("shop/s2", "web", [endpoint("10.0.0.2"), endpoint("10.0.0.10")], {
        ports: [
          { name: "http", port: 8080, protocol: "TCP" },
          { name: "admin", port: 9090, protocol: "TCP" },
          { name: "http", port: 53, protocol: "UDP" },
        ],
      }),
      slice("shop/s1", "web", [endpoint("10.0.0.2"), endpoint("10.0.0.1")], {
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      }),
      slice("shop/s3", "web", [endpoint("2001:DB8:0::1")], {
        addressType: "IPv6",
        ports: [{ name: "http", port: 8081, protocol: "TCP" }],
      }),
      slice("shop/s4", "web", [endpoint("name.example")], {
        addressType: "FQDN",
        ports: [{ name: "http", port: 8081, protocol: "TCP" }],
      }),
      slice("other/s5", "web", [endpoint("10.9.9.9")]),
    ]);
    assert.deepEqual(peers(built), ["10.0.0.1 8080", "10.0.0.10 8080", "10.0.0.2 8080", "2001:db8::1 8081"]);
    assert.deepEqual(built.problems, []);
    assert.equal(built.backends[0]?.key, "shop/web/80");
  });

  test("ready endpoints serve; without any, those that serve while they terminate", () => {
    const all = [endpoint("10.0.0.1", "draining"), endpoint("10.0.0.2", "not-ready"), endpoint("10.0.0.3")];
    const some = backends("shop/web", [web, webService, slice("shop/s", "web", all)]);
    assert.deepEqual(peers(some), ["10.0.0.3 8080"]);
    assert.deepEqual([some.backends[0]?.draining, some.backends[0]?.notReady], [1, 1]);
    const none = backends("shop/web", [web, webService, slice("shop/s", "web", all.slice(0, 2))]);
    assert.deepEqual(peers(none), ["10.0.0.1 8080"]);
    assert.deepEqual([none.backends[0]?.draining, none.backends[0]?.reason, none.problems], [0, null, []]);
  });

  test("an endpoint that moves between slices counts by its better state", () => {
    const built = backends("shop/web", [
      web,
      webService,
      slice("shop/s1", "web", [endpoint("10.0.0.1", "not-ready")]),
      slice("shop/s2", "web", [endpoint("10.0.0.1")]),
    ]);
    assert.deepEqual(peers(built), ["10.0.0.1 8080"]);
    assert.equal(built.backends[0]?.notReady, 0);
  });

  test("without peers they say why", () => {
    const reason = (...objects: KubernetesObject[]): string => {
      const built = backends("shop/web", [web, ...objects]);
      return `${built.backends[0]?.reason} / ${built.problems.map(brief).join()}`;
    };
    const no = "no-endpoints Service shop/web spec.selector [a.example]";
    assert.equal(reason(), "Service shop/web does not exist / ");
    assert.equal(reason(webService), `no endpoints / ${no}`);
    const notReady = slice("shop/s", "web", [endpoint("10.0.0.1", "not-ready")]);
    assert.equal(reason(webService, notReady), `no ready endpoints (1 not ready) / ${no}`);
    assert.equal(reason(service("shop/web", [servicePort(81)])), "Service shop/web has no port 80 / ");
    const external = externalService("shop/web", "localhost", [servicePort(80)]);
    assert.equal(
      reason(external, slice("shop/s", "web", [endpoint("10.0.0.1")])),
      "ExternalName is off / backend-unsupported Service shop/web spec.type [a.example]",
    );
  });

  test("addresses of this machine and of nobody get nothing, the others work", () => {
    const objects = [
      web,
      webService,
      slice(
        "shop/s",
        "web",
        ["127.0.0.1", "10.0.0.1", "192.0.2.7", "0.0.0.0", "169.254.169.254", "x"].map((address) => endpoint(address)),
      ),
      slice(
        "shop/s6",
        "web",
        ["::1", "2001:DB8::7"].map((address) => endpoint(address)),
        { addressType: "IPv6" },
      ),
    ];
    const built = backends("shop/web", objects);
    assert.deepEqual(peers(built), ["10.0.0.1 8080"]);
    assert.deepEqual(built.problems.map(brief), [
      "endpoint-refused EndpointSlice shop/s endpoints[0].addresses[0] [a.example]",
      "endpoint-refused EndpointSlice shop/s6 endpoints[0].addresses[0] [a.example]",
    ]);
    assert.match(built.problems[0]?.message ?? "", /127\.0\.0\.1 is a loopback address.*4 more/);
    assert.equal(peers(backends("shop/web", objects, { allowLocalEndpoints: true })).length, 7);
    const local = backends("shop/web", [web, webService, slice("shop/s", "web", [endpoint("127.0.0.1")])]);
    assert.equal(local.backends[0]?.reason, "no endpoints; 1 refused for their addresses");
  });

  test("two names of one port are one backend, and an unused Service is none", () => {
    const twice = ingress("shop/web", {
      rules: [rule("a.example", path("/"), path("/b", "Prefix", backend("web", "http")))],
    });
    const built = backends("shop/web", [twice, service("shop/web", [servicePort(80, "http")])]);
    assert.deepEqual(
      built.backends.map(({ key }) => key),
      ["shop/web/80"],
    );
    assert.deepEqual(backends("shop/web", [webService]), { backends: [], problems: [], externalName: null });
  });

  test("a headless Service without selector works from its slices", () => {
    const headless = { ...webService, clusterIP: "None" };
    assert.deepEqual(peers(backends("shop/web", [web, headless, slice("shop/s", "web", [endpoint("10.0.0.1")])])), [
      "10.0.0.1 8080",
    ]);
  });
});

describe("certificates", () => {
  const DAY = 86_400_000;
  const now = 1000 * DAY;
  const user = ingress("shop/web", {
    tls: [{ hosts: ["a.example"], secretName: "cert" }],
    rules: [rule("a.example", path("/"))],
  });
  const built = (notAfter: number, notBefore = 0): string => {
    const store = storeOf([user, secret("shop/cert", goodKeyPair(["a.example"], notAfter, notBefore))]);
    const { certificate, problems } = buildCertificate(store, SETTINGS, "shop/cert", now);
    assert.equal(certificate?.key, "shop/cert");
    return problems.map((problem) => `${problem.code}: ${problem.message} [${problem.hosts.join()}]`).join();
  };

  test("are served whatever their dates, and their dates are reported", () => {
    assert.equal(built(now + 30 * DAY), "");
    assert.equal(built(now + 14 * DAY), "");
    assert.equal(built(now + 5 * DAY), "certificate-expiring: expires in 5 days [a.example]");
    assert.equal(built(now - 1), "certificate-expired: expired less than a day ago [a.example]");
    assert.equal(built(now + 90 * DAY, now + DAY), "certificate-expired: is not valid for another 1 day [a.example]");
  });

  test("that nobody uses, that are missing or bad are none", () => {
    const none = { certificate: null, users: [], problems: [] };
    const unused = storeOf([secret("shop/cert", goodKeyPair([]))]);
    assert.deepEqual(buildCertificate(unused, SETTINGS, "shop/cert", now), none);
    assert.deepEqual(buildCertificate(storeOf([user]), SETTINGS, "shop/cert", now), none);
    const bad = storeOf([user, secret("shop/cert", BAD_KEY_PAIR)]);
    assert.deepEqual(buildCertificate(bad, SETTINGS, "shop/cert", now), none);
  });
});

test("refusals become problems with object, place, field and fix", () => {
  const raw = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name: "web" }, spec: { rules: 5 } };
  const inspectKeyPair = (): never => assert.fail("no Secret here");
  const trimmed = trimObject(raw, { strict: true, position: null, inspectKeyPair });
  assert.ok(trimmed.kind === "refused");
  const { ref, faults } = trimmed;
  assert.deepEqual(refusalProblems([{ ref, where: "shop.yaml:1 (document 1)", position: null, faults }]), [
    {
      code: "object-refused",
      severity: "error",
      object: { kind: "Ingress", namespace: "default", name: "web" },
      where: "shop.yaml:1 (document 1)",
      field: "spec.rules",
      message: "is 5, not a list",
      fix: 'write each entry on its own line after "- "',
      hosts: [],
    },
  ]);
});
