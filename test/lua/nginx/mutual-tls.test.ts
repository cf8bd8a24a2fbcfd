// Client certificates: who is let in, by which handshake, and what a backend is told.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue } from "../../../agent/render/documents.ts";
import type { MutualTls, ServerPolicy } from "../../../agent/render/mutual-tls.ts";
import { Authority } from "../support/authority.ts";
import { ask, Backend } from "../support/backend.ts";
import { type KeyPairText, keyPair } from "../support/certificates.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";
import { askTls, type TlsRequest } from "../support/tls-client.ts";

type Guard = Extract<FilterValue, { kind: "client_certificate" }>;

function policy(
  name: string,
  authority: Authority,
  hosts: readonly string[],
  more: Partial<ServerPolicy>,
): ServerPolicy {
  const { certificate: authorities } = authority;
  return { name, verify: "on", depth: 1, authorities, revocations: null, hosts, ...more };
}

function guard(of: string, more: Partial<Guard> = {}): Guard {
  return { kind: "client_certificate", policy: of, verify: "on", match: "", error_page: "", pass: false, ...more };
}

describe("client certificates", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  const one = new Authority("one");
  const two = new Authority("two");
  const alice = one.issue("/O=Shop/CN=alice");
  const expired = one.issue("/CN=old", { expired: true });
  const revoked = one.issue("/CN=gone", { revoked: true });
  const bob = two.issue("/CN=bob");
  const stranger = keyPair("stranger", "ec");
  const mutualTls: MutualTls = {
    policies: [
      policy("mtls-any", one, ["any.test"], { verify: "optional_no_ca" }),
      policy("mtls-crl", one, ["crl.test"], { revocations: one.revocations() }),
      policy("mtls-one", one, ["*.wild.test", "a.test", "also-a.test", "denied.test"], {}),
      policy("mtls-opt", one, ["opt.test"], { verify: "optional" }),
      policy("mtls-two", two, ["b.test"], {}),
    ],
    plainHosts: ["plain.wild.test"],
  };
  const SITES: Readonly<Record<string, Guard | null>> = {
    "a.test": guard("mtls-one", { pass: true }),
    "also-a.test": guard("mtls-one", { match: "CN=alice(,|$)" }),
    "denied.test": guard("mtls-one", { match: "cn=alice" }),
    "*.wild.test": guard("mtls-one"),
    "plain.wild.test": null,
    "open.test": null,
    "any.test": guard("mtls-any", { verify: "optional_no_ca" }),
    "crl.test": guard("mtls-crl", { error_page: "https://help.test/why" }),
    "opt.test": guard("mtls-opt", { verify: "optional" }),
    "b.test": guard("mtls-two"),
    "later.test": guard("mtls-later"),
  };
  before(async () => {
    backend = await Backend.start("b");
    nginx = await TestNginx.start({ view: { mutualTls } });
    for (const [name, filter] of Object.entries(SITES)) await put(...site(name, filter));
  });
  after(async () => {
    one[Symbol.dispose]();
    two[Symbol.dispose]();
    await nginx?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) assert.equal(result.result, "applied", result.message);
  }

  function site(name: string, filter: Guard | null): readonly Line[] {
    const label = name.replaceAll(/[^a-z]/g, "-");
    return [
      lines.backend(`t/${label}/80`, [backend.peer]),
      lines.route(`t/${label}/all`, `t/${label}/80`, { filters: filter === null ? [] : [filter] }),
      lines.host(name, { "/": `t/${label}/all` }),
    ];
  }

  async function status(host: string, certificate?: KeyPairText, more: Partial<TlsRequest> = {}): Promise<number> {
    const seen = backend.seen.length;
    const answer = await askTls(nginx.https, { host, certificate, ...more });
    assert.equal(backend.seen.length - seen, answer.status === 200 ? 1 : 0, "a request that was refused went on");
    return answer.status;
  }

  test("one that its authority made is let in; none, another's, an expired and a self-made one are not", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      for (const h2 of [false, true]) {
        assert.equal(await status("a.test", alice, { version, h2 }), 200);
        for (const other of [undefined, bob, expired, stranger]) {
          assert.equal(await status("a.test", other, { version, h2 }), 400);
        }
        assert.equal(await status("b.test", bob, { version, h2 }), 200);
        assert.equal(await status("b.test", alice, { version, h2 }), 400);
      }
    }
    assert.equal(await status("A.test", alice), 200);
    assert.equal(await status("a.test", alice, { sni: "A.TEST" }), 200);
  });

  test("a revoked one is not let in, and whoever is refused is sent to the page for it", async () => {
    assert.equal(await status("crl.test", alice), 200);
    for (const other of [undefined, revoked, bob]) {
      const answer = await askTls(nginx.https, { host: "crl.test", certificate: other });
      assert.equal(answer.status, 302);
      assert.match(answer.text, /^Location: https:\/\/help\.test\/why\r$/im);
    }
    assert.equal(await status("a.test", revoked), 200, "of a policy without a list");
  });

  test("optional: none is let in and said, a bad one is refused; optional_no_ca: both are let in and said", async () => {
    const verdict = async (host: string, certificate?: KeyPairText): Promise<unknown> => {
      const headers = { "ssl-client-verify": "SUCCESS", "ssl-client-subject-dn": "CN=root", "ssl-client-cert": "x" };
      const answer = await askTls(nginx.https, { host, certificate, headers });
      const seen = backend.seen.at(-1)?.headers;
      assert.equal(seen?.["ssl-client-cert"], undefined);
      const told = [seen?.["ssl-client-verify"], seen?.["ssl-client-subject-dn"]];
      return answer.status === 200 ? told.map(String).join(" ") : answer.status;
    };
    assert.equal(await verdict("opt.test"), "NONE undefined");
    assert.equal(await verdict("opt.test", alice), "SUCCESS O=Shop,CN=alice");
    assert.equal(await verdict("opt.test", bob), 400);
    assert.equal(await verdict("any.test"), "NONE undefined");
    assert.match(String(await verdict("any.test", bob)), /^FAILED:.* CN=bob$/);
    assert.equal(await verdict("any.test", expired), 400);
    assert.equal(await verdict("open.test"), "undefined undefined", "what a client makes up goes nowhere");
  });

  test("the backend gets subject and issuer, and the certificate where that is asked for", async () => {
    assert.equal(await status("a.test", alice), 200);
    const headers = backend.seen.at(-1)?.headers ?? {};
    assert.equal(headers["ssl-client-verify"], "SUCCESS");
    assert.equal(headers["ssl-client-issuer-dn"], "CN=one");
    assert.equal(decodeURIComponent(String(headers["ssl-client-cert"])).trim(), alice.certificate.trim());
  });

  test("the subject must match, with regard to case", async () => {
    assert.equal(await status("also-a.test", alice), 200);
    assert.equal(await status("also-a.test", revoked), 403);
    assert.equal(await status("denied.test", alice), 403);
  });

  test("a pattern that cannot be used lets nobody in", async () => {
    await put(...site("denied.test", guard("mtls-one", { match: "CN=(alice" })));
    assert.equal(await status("denied.test", alice), 503);
  });

  test("a wildcard has one label, and leaves out the names that stand beside it", async () => {
    assert.equal(await status("x.wild.test", alice), 200);
    assert.equal(await status("x.wild.test"), 400);
    assert.equal(await status("plain.wild.test"), 200);
    assert.equal(await status("x.y.wild.test"), 404);
  });

  test("a handshake for another host is none for this one, over HTTP/1.1 and HTTP/2", async () => {
    for (const h2 of [false, true]) {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        assert.equal(await status("a.test", alice, { sni: "b.test", h2, version }), 421);
        assert.equal(await status("b.test", bob, { sni: "a.test", h2, version }), 421);
        assert.equal(await status("a.test", alice, { sni: "also-a.test", h2, version }), 421);
        for (const sni of ["open.test", "unknown.test", null]) {
          for (const host of ["a.test", "opt.test", "any.test"]) {
            assert.equal(await status(host, alice, { sni, h2, version }), 421, `${sni} ${host}`);
          }
        }
      }
    }
    assert.equal(await status("a.test", alice, { sni: "a.test:443" }), 421);
    assert.equal(await status("open.test", alice, { sni: "a.test" }), 200, "an open host asks for nothing");
  });

  test("a host that the running configuration has under another policy, or none, is closed until the reload", async () => {
    await put(...site("a.test", guard("mtls-two")), ...site("unlisted.test", guard("mtls-one")));
    assert.equal(await status("a.test", alice), 421, "what it was verified by is not what is asked for now");
    assert.equal(await status("unlisted.test", alice), 421);
    assert.equal(await status("unlisted.test", alice, { sni: "a.test" }), 421);
    await put(...site("a.test", SITES["a.test"] ?? null), lines.delete("host", "ingress/unlisted.test"));
    assert.equal(await status("a.test", alice), 200);
  });

  test("thousands of names, and the longest there can be, are a configuration", async () => {
    const label = "x".repeat(63);
    const longest = `${label}.${label}.${label}.${"x".repeat(61)}`;
    const names = Array.from({ length: 5000 }, (_, index) => `h${index}.many.example`);
    const hosts = [...names, longest, `*.${longest.slice(2)}`];
    await using large = await TestNginx.start({
      workers: 1,
      view: { mutualTls: { policies: [policy("mtls-many", one, hosts, {})], plainHosts: [`a.${longest.slice(2)}`] } },
    });
    for (const result of await large.push.put(...site(longest, guard("mtls-many")))) {
      assert.equal(result.result, "applied", result.message);
    }
    const asked = await askTls(large.https, { host: longest, certificate: alice });
    assert.equal(asked.status, 200);
  });

  test("nothing is served in the clear: http is sent to https, whatever ssl_redirect says", async () => {
    for (const host of ["a.test", "opt.test", "any.test"]) {
      const { status: code, headers } = await ask(nginx.http, host, { path: "/.well-known/acme-challenge/x?y=1" });
      assert.equal(code, 308);
      assert.equal(headers.location, `https://${host}/.well-known/acme-challenge/x?y=1`);
    }
  });

  test("behind a proxy that ends TLS there is no certificate", async () => {
    const settings: Readonly<Record<string, boolean | readonly string[]>> = {
      "clients.trustedProxies": ["127.0.0.0/8"],
      "clients.forwardedHeaders": true,
    };
    await using behind = await TestNginx.start({ view: { mutualTls, traffic: buildTraffic((key) => settings[key]) } });
    await behind.push.put(...site("opt.test", SITES["opt.test"] ?? null));
    assert.equal((await ask(behind.http, "opt.test", { headers: { "x-forwarded-proto": "https" } })).status, 403);
    assert.equal((await ask(behind.http, "opt.test")).status, 308);
  });

  test("a session is resumed under its own policy alone", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const begun = async (host: string, certificate?: KeyPairText): Promise<Buffer> => {
        const { status: code, session } = await askTls(nginx.https, { host, certificate, version });
        assert.equal(code, 200);
        assert.ok(session !== null, `${host} gave no session`);
        return session;
      };
      const resumed = async (host: string, session: Buffer, more: Partial<TlsRequest> = {}): Promise<unknown> => {
        const answer = await askTls(nginx.https, { host, session, version, ...more }).catch(() => null);
        return answer === null ? "ended" : `${answer.status}${answer.reused ? " resumed" : ""}`;
      };
      assert.equal(await resumed("a.test", await begun("a.test", alice)), "200 resumed", version);
      assert.equal(await resumed("open.test", await begun("open.test")), "200 resumed", version);
      for (const host of ["b.test", "crl.test"]) {
        assert.match(String(await resumed(host, await begun("a.test", alice))), /^(400|302)$/, host);
        assert.match(String(await resumed(host, await begun("any.test", bob))), /^(400|302)$/, host);
      }
      assert.equal(await resumed("opt.test", await begun("a.test", alice)), "200", "a handshake of its own");
      assert.equal(backend.seen.at(-1)?.headers["ssl-client-verify"], "NONE");
      const open = await begun("open.test");
      assert.equal(await resumed("a.test", open), "400");
      assert.equal(
        await resumed("a.test", open, { certificate: alice }),
        "200",
        "a full handshake, with its certificate",
      );
      for (const sni of ["b.test", "open.test", "a.test:443"]) {
        assert.doesNotMatch(String(await resumed("b.test", await begun("a.test", alice), { sni })), /^200/, sni);
      }
    }
  });

  test("a session of before does not outlive a new authority or list of its host", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const { session } = await askTls(nginx.https, { host: "crl.test", certificate: alice, version });
      assert.ok(session !== null);
      const policies = mutualTls.policies.map((known) =>
        known.name === "mtls-crl" ? policy(`mtls-crl-${version === "TLSv1.2" ? 2 : 3}`, two, ["crl.test"], {}) : known,
      );
      await nginx.reconfigure({ mutualTls: { ...mutualTls, policies } });
      const [, route] = site("crl.test", guard(`mtls-crl-${version === "TLSv1.2" ? 2 : 3}`));
      if (route !== undefined) await put(route);
      assert.equal(await status("crl.test", undefined, { session, version }), 400);
      assert.equal(await status("crl.test", bob, { session, version }), 200);
      await nginx.reconfigure({ mutualTls });
      await put(...site("crl.test", SITES["crl.test"] ?? null));
    }
  });

  test("a policy that the configuration has not is closed until the reload that brings it", async () => {
    assert.equal(await status("later.test", alice), 503);
    const { problems } = await nginx.push.state();
    assert.ok(!problems.some((problem) => /policy/.test(problem)), "that is as it should be");
    await nginx.reconfigure({
      mutualTls: { ...mutualTls, policies: [...mutualTls.policies, policy("mtls-later", one, ["later.test"], {})] },
    });
    assert.equal(await status("later.test", alice), 200);
    assert.equal(await status("later.test"), 400);
  });

  test("while its reload is on its way: closed, or as strict as before", async () => {
    // One worker, for each goes on with what it has seen itself.
    await using alone = await TestNginx.start({ workers: 1, view: { mutualTls } });
    const push = async (name: string, filter: Guard | null): Promise<void> => {
      for (const result of await alone.push.put(...site(name, filter))) assert.equal(result.result, "applied");
    };
    const got = async (host: string, certificate?: KeyPairText): Promise<number> =>
      (await askTls(alone.https, { host, certificate })).status;
    const cases: readonly (readonly [string, Guard | null, Guard, number])[] = [
      ["open.test", null, guard("mtls-new"), 503],
      ["opt.test", guard("mtls-opt", { verify: "optional" }), guard("mtls-new"), 503],
      ["a.test", guard("mtls-one"), guard("mtls-new", { match: "CN=nobody" }), 503],
      ["also-a.test", guard("mtls-one"), guard("mtls-new"), 200],
      ["any.test", guard("mtls-any", { verify: "optional_no_ca" }), guard("mtls-new", { verify: "optional" }), 200],
    ];
    for (const [host, before, next, between] of cases) {
      await push(host, before);
      assert.equal(await got(host, alice), 200, host);
      await push(host, next);
      assert.equal(await got(host, alice), between, host);
    }
    assert.equal(await got("also-a.test"), 400, "without a certificate it was closed before, and is");
    // A profile that is on its way too must not bring back a version without the guard.
    const [, , ...more] = site("later.test", null);
    await alone.push.put(...site("later.test", null));
    assert.equal(await got("later.test"), 200);
    const named = lines.route("t/later-test/all", "t/later-test/80", { profile: "new", filters: [guard("mtls-one")] });
    await alone.push.put(named, ...more);
    assert.equal(await got("later.test", alice), 503);
  });
});
