import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase64 } from "../../../agent/objects/base64.ts";
import { didYouMean, editDistance } from "../../../agent/lib/spelling.ts";

test("the edit distance counts insertions, deletions, replacements and swaps, up to its limit", () => {
  for (const [a, b, distance] of [
    ["", "", 0],
    ["abc", "abc", 0],
    ["abc", "abd", 1],
    ["abc", "ab", 1],
    ["abc", "acb", 1],
    ["abcd", "badc", 2],
    ["abc", "xyz", 3],
    ["abcdef", "", 3],
  ] as const) {
    assert.equal(editDistance(a, b, 2), Math.min(distance, 3), `${a} ${b}`);
    assert.equal(editDistance(b, a, 2), Math.min(distance, 3), `${b} ${a}`);
  }
});

test("one edit away is one away, whatever the edit", () => {
  const word = fc.string({ minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(word, fc.nat(), fc.constantFrom("x", ""), (text, at, inserted) => {
      const index = at % text.length;
      const edited = text.slice(0, index) + inserted + text.slice(index + 1);
      assert.ok(editDistance(text, edited, 2) <= 1);
    }),
  );
});

test("did you mean gives the nearest, case aside, and nothing that is far", () => {
  assert.equal(didYouMean("pathtype", ["path", "pathType", "backend"]), "pathType");
  assert.equal(didYouMean("bakcend", ["path", "pathType", "backend"]), "backend");
  assert.equal(didYouMean("colour", ["path", "pathType", "backend"]), null);
});

test("base64 is decoded as Node does it, and refused where Node forgives", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const encoded = Buffer.from(bytes).toString("base64");
      assert.equal(decodeBase64(encoded), Buffer.from(bytes).toString("latin1"));
      assert.equal(decodeBase64(encoded.replace(/(.{8})/g, "$1\n")), Buffer.from(bytes).toString("latin1"));
    }),
  );
  for (const text of ["a", "ab", "abc", "a===", "=aaa", "ab=c", "a b=", "ab-_", "AB==", "AAB="]) {
    assert.equal(decodeBase64(text), null, text);
  }
});
