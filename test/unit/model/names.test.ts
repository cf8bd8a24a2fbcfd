import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { localReason, parseAddress } from "../../../agent/model/addresses.ts";
import { covers, hostKey, isBadHostKey, parseHost, requestHost } from "../../../agent/model/hosts.ts";
import { parseRulePath } from "../../../agent/model/paths.ts";
import type { PathType } from "../../../agent/objects/objects.ts";

describe("hosts of rules", () => {
  test("are names, wildcards of the first label, or nothing", () => {
    for (const [written, name] of [
      ["", "_"],
      ["a.example", "a.example"],
      ["A.Example", "a.example"],
      ["*.a.example", "*.a.example"],
      ["xn--caf-dma.example", "xn--caf-dma.example"],
      ["1.example", "1.example"],
      ["localhost", "localhost"],
    ] as const) {
      assert.deepEqual(parseHost(written), { kind: "host", name }, written);
      assert.equal(hostKey(written), name);
    }
  });

  test("that no request could have are bad, with a fix, and have keys of their own", () => {
    for (const [written, fix] of [
      ["x".repeat(300), /shorter/],
      [`${"x".repeat(64)}.example`, /63/],
      ["10.0.0.1", /host name/],
      ["[::1]", /host name/],
      ["fe80::1", /host name/],
      ["a.example:8080", /port/],
      ["a.example.", /dot/],
      ["a..example", /labels/],
      ["-a.example", /labels/],
      ["a_b.example", /labels/],
      ["_", /labels/],
      ["a.*.example", /\*\.example/],
      ["*", /\*\.example/],
      ["*a.example", /\*\.example/],
      ["a b.example", /control characters/],
      ["a\u0000.example", /control characters/],
      ["a/b", /labels/],
      ["café.example", /punycode/],
    ] as const) {
      const parsed = parseHost(written);
      assert.equal(parsed.kind, "bad", written);
      assert.match(parsed.kind === "bad" ? parsed.fix : "", fix, written);
      assert.doesNotMatch(parsed.kind === "bad" ? parsed.message : "", /[\u0000-\u001f]/);
      assert.ok(isBadHostKey(hostKey(written)) && /^![0-9a-z]+$/.test(hostKey(written)));
    }
  });

  test("a Host header is read without port, trailing dot and case", () => {
    const read = ["A.example", "a.example:80", "a.example.", "a.example.:80", "[::1]:80", ""].map(requestHost);
    assert.deepEqual(read, ["a.example", "a.example", "a.example", "a.example", "[::1]", ""]);
    const none = ["a.example:8x", "u:p@a.example", "[::1]x"];
    assert.deepEqual(none.map(requestHost), none, "what is no port makes no host of it");
  });

  test("a certificate's wildcard covers one label, and a wildcard host only by itself", () => {
    assert.ok(covers(["*.example"], "a.example"));
    assert.ok(covers(["*.example"], "*.example"));
    assert.ok(!covers(["*.example"], "a.b.example"));
    assert.ok(!covers(["*.example"], "example"));
    assert.ok(!covers(["a.example"], "*.example"));
  });
});

describe("paths of rules", () => {
  const read = (text: string, type: PathType = "Prefix"): string => {
    const parsed = parseRulePath(text, type);
    return parsed.kind === "path" ? `${parsed.matchType} ${parsed.path}` : `bad: ${parsed.fix}`;
  };
  test("lose the slash at the end of a prefix and are decoded once", () => {
    assert.equal(read("/"), "Prefix /");
    assert.equal(read("/a/"), "Prefix /a");
    assert.equal(read("/a/", "Exact"), "Exact /a/");
    assert.equal(read("/a%20b%2541"), "Prefix /a b%41");
    assert.equal(read("/100%"), "Prefix /100%");
    assert.equal(read("/%e2%82%ac"), "Prefix /€");
    assert.equal(read("/a%3Fb"), "Prefix /a?b");
    assert.equal(read("", "ImplementationSpecific"), "Prefix /");
  });

  test("that nothing could match are bad, each with a fix", () => {
    const long = `/${"x".repeat(5000)}`;
    const deep = "/x".repeat(200);
    for (const text of [
      "",
      "a",
      "/a//b",
      "//",
      "/./a",
      "/a/..",
      "/a/.",
      "/a\u0000",
      "/a\n",
      "/a%0a",
      "/a%2Fb",
      "/%ff",
      "/a?b",
      "/a#b",
      long,
      deep,
    ]) {
      assert.match(read(text), /^bad: ./, JSON.stringify(text));
    }
    assert.match(read("", "Exact"), /^bad/);
  });
});

describe("addresses", () => {
  test("have one text each", () => {
    for (const [written, text] of [
      ["10.0.0.1", "10.0.0.1"],
      ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["2001:db8::0001", "2001:db8::1"],
      ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
      ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
      ["::", "::"],
      ["::ffff:10.0.0.1", "10.0.0.1"],
      ["::ffff:a00:1", "10.0.0.1"],
      ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
      ["fd00::1:0", "fd00::1:0"],
    ] as const) {
      assert.equal(parseAddress(written)?.text, text, written);
    }
  });

  test("are nothing else", () => {
    for (const text of [
      "",
      "a",
      "10.0.0",
      "10.0.0.256",
      "10.0.0.01",
      "1.2.3.4.5",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::12345",
      "fe80::1%eth0",
      "[::1]",
      "::1.2.3",
      "1.2.3.4::",
      "g::",
    ]) {
      assert.equal(parseAddress(text), null, text);
    }
  });

  test("any eight groups keep their value through their text", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }), (groups) => {
        const written = groups.map((group) => group.toString(16)).join(":");
        const address = parseAddress(written);
        assert.ok(address !== null);
        assert.equal(parseAddress(address.text)?.text, address.text);
        if (address.kind === "IPv6") assert.deepEqual(parseAddress(address.text)?.parts, groups);
      }),
    );
  });

  test("that are of this machine or of nobody are told from the others", () => {
    for (const text of [
      "0.0.0.0",
      "127.0.0.1",
      "127.8.0.1",
      "169.254.169.254",
      "224.0.0.1",
      "240.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "::ffff:127.0.0.1",
      "::7f00:1",
      "fe80::1",
      "febf::1",
      "ff02::1",
      "64:ff9b::169.254.169.254",
      "64:ff9b::127.0.0.1",
      "2002:7f00:1::1",
      "2002:a9fe:a9fe::",
      "0.1.2.3",
    ]) {
      const address = parseAddress(text);
      assert.ok(address !== null && localReason(address) !== null, text);
    }
    for (const text of [
      "10.0.0.1",
      "192.168.1.1",
      "100.64.0.1",
      "1.1.1.1",
      "fd00::1",
      "2001:db8::1",
      "64:ff9b::10.0.0.1",
      "2002:a00:1::1",
    ]) {
      const address = parseAddress(text);
      assert.ok(address !== null && localReason(address) === null, text);
    }
  });
});
