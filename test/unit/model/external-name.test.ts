import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltBackends, Problem } from "../../../agent/model/edge-model.ts";
import type { ModelSettings, NameAddresses } from "../../../agent/model/input.ts";
import type { Service, ServicePort } from "../../../agent/objects/objects.ts";
import { backend, externalService, ingress, path, rule, servicePort, SETTINGS, storeOf } from "./objects.ts";

const NAME = "db.example.org";
const ALLOWED = { externalNames: ["*.example.org"] };

interface Given {
  readonly service?: Service;
  readonly port?: number | string;
  readonly settings?: Partial<ModelSettings>;
  readonly known?: NameAddresses | undefined;
}

function storeFor({ service = externalService("shop/web", NAME), port = 80, settings = {}, known }: Given) {
  const all = { ...SETTINGS, ...ALLOWED, ...settings };
  const web = ingress("shop/web", { rules: [rule("a.example", path("/", "Prefix", backend("web", port)))] });
  return { all, store: storeOf([web, service], all, new Map(known === undefined ? [] : [[NAME, known]])) };
}
function build(given: Given): BuiltBackends {
  const { all, store } = storeFor(given);
  return buildBackends(store, all, "shop/web");
}

const has = (...addresses: string[]): NameAddresses => ({ addresses, trouble: null });
const peers = (built: BuiltBackends): string[] =>
  (built.backends[0]?.peers ?? []).map(({ address, port }) => `${address} ${port}`);
const brief = ({ code, severity, field, object, hosts }: Problem): string =>
  `${severity} ${code} ${object?.name} ${field} [${hosts.join()}]`;

describe("patterns", () => {
  const isAllowed = (externalNames: readonly string[], name: string): boolean =>
    build({ service: externalService("shop/web", name), settings: { externalNames } }).externalName !== null;

  test("a name allows itself, *. all below a name, and * all", () => {
    const cases: readonly (readonly [pattern: string, name: string, allowed: boolean])[] = [
      [NAME, NAME, true],
      [NAME, "other.example.org", false],
      [NAME, "a.db.example.org", false],
      ["*.example.org", NAME, true],
      ["*.example.org", "a.b.c.example.org", true],
      ["*.example.org", "example.org", false],
      ["*.example.org", "badexample.org", false],
      ["*.example.org", "example.org.evil.example", false],
      ["*", "anything", true],
    ];
    for (const [pattern, name, allowed] of cases)
      assert.equal(isAllowed([pattern], name), allowed, `${pattern} ${name}`);
    assert.equal(isAllowed(["a.example", NAME], NAME), true);
    assert.equal(isAllowed([], NAME), false);
  });

  test("case and a dot at the end say nothing, in a name and in a pattern", () => {
    assert.equal(isAllowed(["*.Example.ORG."], NAME), true);
    const built = build({ service: externalService("shop/web", "DB.Example.org."), known: has("10.0.0.1") });
    assert.deepEqual(built.externalName, { name: NAME, resolved: true });
    assert.deepEqual(peers(built), ["10.0.0.1 80"]);
  });
});

describe("a Service of type ExternalName", () => {
  test("that no pattern allows has no peers, and its problem names the setting", () => {
    const off = build({ settings: { externalNames: [] }, known: has("10.0.0.1") });
    const other = build({ settings: { externalNames: ["*.example.net"] }, known: has("10.0.0.1") });
    for (const built of [off, other]) {
      assert.deepEqual(peers(built), []);
      assert.equal(built.externalName, null);
      assert.deepEqual(built.problems.map(brief), ["error backend-unsupported web spec.type [a.example]"]);
      assert.match(built.problems[0]?.fix ?? "", /^allow db\.example\.org in `endpoints\.externalNames`/);
    }
    assert.equal(off.backends[0]?.reason, "ExternalName is off");
    assert.equal(other.backends[0]?.reason, "endpoints.externalNames does not allow db.example.org");
  });

  test("whose name is none has a problem with field and fix, and no name to ask for", () => {
    const label = "a".repeat(64);
    const bad = ["", ".", "a b", "a..b", "-a.example", `${label}.example`, "é.example", "*.example.org", "a_b.example"];
    for (const name of [...bad, `${"a.".repeat(130)}org`, "\u001b[2J.example"]) {
      const built = build({ service: externalService("shop/web", name), settings: { externalNames: ["*"] } });
      assert.deepEqual([built.externalName, peers(built)], [null, []], name);
      assert.deepEqual(built.problems.map(brief), ["error external-name-invalid web spec.externalName [a.example]"]);
      assert.match(built.problems[0]?.fix ?? "", /^write (a DNS name like|labels of)/);
      assert.doesNotMatch(built.problems[0]?.message ?? "", /\u001b/);
    }
  });

  test("that is an address has a problem, however it is written", () => {
    for (const name of ["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "10.1", "0x7f.1", "2130706433", "010.0.0.1."]) {
      const built = build({ service: externalService("shop/web", name), settings: { externalNames: ["*"] } });
      assert.equal(built.externalName, null, name);
      assert.equal(built.problems[0]?.fix, "write an EndpointSlice or a DNS name");
    }
  });

  test("is asked at a number for targetPort, else at its port, else at the port that the Ingress names", () => {
    const asked = (port: number | string, ...ports: readonly ServicePort[]): string => {
      const built = build({ service: externalService("shop/web", NAME, ports), port, known: has("10.0.0.1") });
      return `${built.backends[0]?.key} ${peers(built).join()}`;
    };
    assert.equal(asked(80, { ...servicePort(80), targetPort: 8080 }), "shop/web/80 10.0.0.1 8080");
    assert.equal(asked("http", { ...servicePort(80, "http"), targetPort: "web" }), "shop/web/80 10.0.0.1 80");
    assert.equal(asked(8443), "shop/web/8443 10.0.0.1 8443");
  });

  test("without the port that the Ingress names answers 503, and the Ingress is told", () => {
    for (const given of [
      { port: "http" },
      { port: 81, service: externalService("shop/web", NAME, [servicePort(80)]) },
    ]) {
      const built = build({ ...given, known: has("10.0.0.1") });
      assert.deepEqual(peers(built), []);
      assert.equal(built.backends[0]?.reason, `Service shop/web has no port ${given.port}`);
      const { all, store } = storeFor(given);
      const { problems } = buildHost(store, all, "a.example");
      assert.deepEqual(
        problems.map(({ code }) => code),
        ["service-port-missing"],
      );
    }
  });

  test("has all addresses that may be asked as ready peers, sorted; the others are named", () => {
    const known = has("10.0.0.2", "10.0.0.1", "169.254.169.254", "127.0.0.1", "192.0.2.7", "10.9.0.1", "2001:db8::1");
    const refusedNetworks = ["10.9.0.0/16"];
    const built = build({ known, settings: { refusedNetworks } });
    assert.deepEqual(peers(built), ["10.0.0.1 80", "10.0.0.2 80", "2001:db8::1 80"]);
    assert.deepEqual([built.backends[0]?.reason, built.backends[0]?.notReady], [null, 0]);
    assert.deepEqual(built.problems.map(brief), ["warning endpoint-refused web spec.externalName [a.example]"]);
    assert.match(built.problems[0]?.message ?? "", /^db\.example\.org is 169\.254\.169\.254, which is a link-local/);
    assert.match(built.problems[0]?.message ?? "", /\(and 3 more of its addresses\)$/);
    const local = build({ known, settings: { refusedNetworks, allowLocalEndpoints: true } });
    assert.equal(local.backends[0]?.peers.length, 6);
  });

  test("with only addresses that may not be asked answers 503", () => {
    const built = build({ known: has("::ffff:127.0.0.1", "fe80::1") });
    assert.deepEqual(peers(built), []);
    assert.equal(built.backends[0]?.reason, "db.example.org has only addresses that get no requests");
    assert.deepEqual(built.problems.map(brief), ["error endpoint-refused web spec.externalName [a.example]"]);
  });

  test("is asked in the families that this machine has, where it has addresses in them", () => {
    const known = has("10.0.0.1", "2001:db8::1");
    const asked = (hostAddresses: readonly string[], from = known): string[] =>
      peers(build({ known: from, settings: { hostAddresses } }));
    assert.deepEqual(asked(["192.0.2.7", "::1", "fe80::7"]), ["10.0.0.1 80"]);
    assert.deepEqual(asked(["127.0.0.1", "2001:db8::7"]), ["2001:db8::1 80"]);
    assert.deepEqual(asked([]), ["10.0.0.1 80", "2001:db8::1 80"]);
    assert.deepEqual(asked(["192.0.2.7"], has("2001:db8::1")), ["2001:db8::1 80"]);
  });

  test("that no Ingress uses has no name to ask for", () => {
    const store = storeOf([externalService("shop/web", NAME)], ALLOWED);
    const built = buildBackends(store, { ...SETTINGS, ...ALLOWED }, "shop/web");
    assert.deepEqual(built, { backends: [], problems: [], externalName: null });
  });

  test("that nobody has resolved yet has no problem and no peers", () => {
    const built = build({});
    assert.deepEqual(built.externalName, { name: NAME, resolved: false });
    assert.deepEqual([peers(built), built.problems], [[], []]);
    assert.equal(built.backends[0]?.reason, "db.example.org is not resolved yet");
  });

  test("whose name is in trouble keeps its peers, and says of when they are", () => {
    const trouble = { cause: "timeout", heard: "2026-01-02T03:04Z", until: null };
    const kept = build({ known: { addresses: ["10.0.0.1"], trouble } });
    assert.deepEqual(peers(kept), ["10.0.0.1 80"]);
    assert.deepEqual(kept.problems.map(brief), ["warning external-name-unresolved web spec.externalName [a.example]"]);
    const old = "db.example.org is not resolved (timeout): its addresses of 2026-01-02T03:04Z stay in use";
    assert.equal(kept.problems[0]?.message, old);
    const gone = build({ known: { addresses: ["10.0.0.1"], trouble: { ...trouble, until: "2026-01-02T04:04Z" } } });
    assert.equal(gone.problems[0]?.message, `${old} until 2026-01-02T04:04Z`);
    const none = build({ known: { addresses: [], trouble: { cause: "NXDOMAIN", heard: "", until: null } } });
    assert.equal(none.backends[0]?.reason, "db.example.org has no address: NXDOMAIN");
    assert.deepEqual(none.problems.map(brief), ["error external-name-unresolved web spec.externalName [a.example]"]);
  });

  test("with more addresses than a name has in earnest gets some of them", () => {
    const many = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`);
    assert.equal(peers(build({ known: has(...many) })).length, 64);
  });
});
