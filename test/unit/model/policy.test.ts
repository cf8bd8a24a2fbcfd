import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseCidr } from "../../../agent/model/addresses.ts";
import { type Policy, readPolicy } from "../../../agent/model/ingress/policy.ts";

const NGINX = "nginx.ingress.kubernetes.io";
const OLD = "ingress.kubernetes.io";

function policy(annotations: Readonly<Record<string, string>>): Policy {
  return readPolicy(annotations, "shop");
}
function remarks({ closing, invalid, badAliases }: Policy): readonly (readonly [string, number])[] {
  return [
    ["closing", closing.length],
    ["invalid", invalid.length],
    ["badAliases", badAliases.length],
  ];
}
const NONE = [
  ["closing", 0],
  ["invalid", 0],
  ["badAliases", 0],
] as const;

describe("served annotations", () => {
  test("nothing asked for is nothing done", () => {
    const { sslRedirect, forceSslRedirect, protocol, useRegex, rewrite, appRoot, aliases, access } = policy({});
    assert.deepEqual([sslRedirect, forceSslRedirect, protocol, rewrite, appRoot, access], Array(6).fill(null));
    assert.equal(useRegex, false);
    assert.deepEqual(aliases, []);
  });

  test("both prefixes count, the newer one first, whatever their order on the object", () => {
    assert.equal(policy({ [`${OLD}/ssl-redirect`]: "false" }).sslRedirect, false);
    for (const annotations of [
      { [`${OLD}/ssl-redirect`]: "false", [`${NGINX}/ssl-redirect`]: "true" },
      { [`${NGINX}/ssl-redirect`]: "true", [`${OLD}/ssl-redirect`]: "false" },
    ]) {
      assert.equal(policy(annotations).sslRedirect, true);
    }
  });

  test("flags are what Go reads; anything else is told, and force-ssl-redirect is taken as true", () => {
    for (const value of ["true", "True", "TRUE", "1", "t", " true "]) {
      assert.equal(policy({ [`${NGINX}/use-regex`]: value }).useRegex, true, value);
    }
    for (const value of ["false", "0", "F"])
      assert.equal(policy({ [`${NGINX}/ssl-redirect`]: value }).sslRedirect, false);
    const bad = policy({ [`${NGINX}/ssl-redirect`]: "yes", [`${NGINX}/force-ssl-redirect`]: "on" });
    assert.deepEqual([bad.sslRedirect, bad.forceSslRedirect], [null, true]);
    assert.deepEqual(remarks(bad), [
      ["closing", 0],
      ["invalid", 2],
      ["badAliases", 0],
    ]);
  });

  test("backend-protocol, the old secure-backends, and what cannot be spoken", () => {
    const of = (value: string): Policy => policy({ [`${NGINX}/backend-protocol`]: value });
    assert.deepEqual(
      ["HTTP", "https", "GRPC", " grpcs "].map((value) => of(value).protocol),
      ["http", "https", "grpc", "grpcs"],
    );
    assert.equal(policy({ [`${OLD}/secure-backends`]: "true" }).protocol, "https");
    assert.equal(
      policy({ [`${NGINX}/secure-backends`]: "true", [`${NGINX}/backend-protocol`]: "GRPC" }).protocol,
      "grpc",
    );
    assert.equal(policy({ [`${NGINX}/secure-backends`]: "false" }).protocol, null);
    assert.equal(of("FCGI").closing.length, 1);
    assert.deepEqual([of("HTTP2").protocol, of("HTTP2").invalid.length], ["http", 1]);
  });

  test("rewrite-target: groups under the new prefix, the old meaning under the old one, closed where it cannot be", () => {
    assert.deepEqual(policy({ [`${NGINX}/rewrite-target`]: "/$2" }).rewrite, { kind: "captures", target: "/$2" });
    assert.deepEqual(policy({ [`${OLD}/rewrite-target`]: "/" }).rewrite, { kind: "old", target: "/" });
    assert.equal(policy({ [`${NGINX}/rewrite-target`]: "" }).rewrite, null);
    for (const target of [
      "http://evil.example/",
      "/a b",
      "/a\r\nX: y",
      "/$host",
      "/$0",
      "/$",
      "/%zz",
      "/a#b",
      '/a";return 200;',
      "/\u0000",
      "/é",
      "x",
      `/${"a".repeat(3000)}`,
    ]) {
      const read = policy({ [`${NGINX}/rewrite-target`]: target });
      assert.deepEqual([read.rewrite, read.closing.length], [null, 1], target);
    }
  });

  test("proxy-ssl-*: nothing, a name, or verified; what cannot be kept closes", () => {
    const of = (fields: Readonly<Record<string, string>>): Policy =>
      policy(Object.fromEntries(Object.entries(fields).map(([name, value]) => [`${NGINX}/proxy-ssl-${name}`, value])));
    assert.equal(of({ name: "a.example" }).upstreamTls, null);
    assert.deepEqual(of({ "server-name": "on" }).upstreamTls, { name: null, verify: false, depth: 1, secret: null });
    assert.deepEqual(of({ verify: "on", secret: "shop/ca", name: "A.example", "verify-depth": "3" }).upstreamTls, {
      name: "a.example",
      verify: true,
      depth: 3,
      secret: "ca",
    });
    assert.equal(of({ verify: "yes", secret: "ca" }).upstreamTls?.verify, true, "doubtful counts as on");
    for (const [field, value] of [
      ["secret", "other/ca"],
      ["secret", "../ca"],
      ["name", "*.a.example"],
      ["name", "a b"],
      ["verify-depth", "0"],
      ["verify-depth", "x"],
    ] as const) {
      assert.equal(of({ verify: "on", [field]: value }).closing.length, 1, `${field}: ${value}`);
    }
  });

  test("app-root leads nowhere but into the host", () => {
    assert.equal(policy({ [`${NGINX}/app-root`]: "/app?x=1" }).appRoot, "/app?x=1");
    for (const path of [
      "//evil.example",
      "/\\evil.example",
      "https://evil.example/",
      "app",
      "/a b",
      "/a\r\nX: y",
      "/",
    ]) {
      const read = policy({ [`${NGINX}/app-root`]: path });
      assert.deepEqual([read.appRoot, read.invalid.length], [null, 1], path);
    }
  });

  test("aliases are host names; expressions and others are named one by one", () => {
    const read = policy({ [`${NGINX}/server-alias`]: "WWW.a.example, *.b.example ~^x$, bad_host a.example:80" });
    assert.deepEqual(read.aliases, ["www.a.example", "*.b.example"]);
    assert.equal(read.badAliases.length, 3);
  });

  test("lists of addresses: canonical, every list counts, a bad entry or an empty allow list closes", () => {
    const read = policy({
      [`${NGINX}/whitelist-source-range`]: "10.1.2.3/8, 2001:DB8::1",
      [`${NGINX}/allowlist-source-range`]: "192.0.2.1",
      [`${OLD}/whitelist-source-range`]: "2001:db8::1,10.0.0.0/8",
      [`${NGINX}/denylist-source-range`]: "10.9.0.0/16",
    });
    assert.deepEqual(read.access, {
      kind: "access",
      allow: [["192.0.2.1/32"], ["10.0.0.0/8", "2001:db8::1/128"]],
      deny: ["10.9.0.0/16"],
    });
    assert.deepEqual(remarks(read), NONE);
    for (const value of ["", " , ", "10.0.0.0/8,x", "10.0.0.0/33", "10.0.0/8", "::/129", "0.0.0.0/08"]) {
      assert.ok(policy({ [`${NGINX}/whitelist-source-range`]: value }).closing.length > 0, value);
    }
    assert.equal(policy({ [`${NGINX}/denylist-source-range`]: "" }).access, null);
    assert.equal(policy({ [`${NGINX}/denylist-source-range`]: "all" }).closing.length, 1);
  });
});

test("a CIDR is canonical", () => {
  assert.deepEqual(
    [
      "10.1.2.3/8",
      "10.1.2.3",
      "255.255.255.255/0",
      "2001:db8:ffff::/33",
      "::ffff:10.1.2.3/104",
      "::1",
      "x",
      "1.2.3.4/",
      "1.2.3.4/5/6",
    ].map(parseCidr),
    ["10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "2001:db8:8000::/33", "10.0.0.0/8", "::1/128", null, null, null],
  );
});
