import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { expressionMatches, literalExpression, parseExpression } from "../../../agent/model/expressions.ts";

function parts(path: string): readonly [prefix: string, pattern: string] | null {
  const parsed = parseExpression(path);
  return parsed.kind === "bad" ? null : [parsed.prefix, parsed.pattern];
}

describe("regular expressions of paths", () => {
  test("begin with the literal that every match begins with", () => {
    assert.deepEqual(parts("/Foo/Bar"), ["/foo/bar", ""]);
    assert.deepEqual(parts("/foo(/|$)(.*)"), ["/foo", "^/foo(/|$)(.*)"]);
    assert.deepEqual(parts("/foo/?(.*)"), ["/foo", "^/foo/?(.*)"]);
    assert.deepEqual(parts("/ab*c"), ["/a", "^/ab*c"]);
    assert.deepEqual(parts("/ab{0,2}c"), ["/a", "^/ab{0,2}c"]);
    assert.deepEqual(parts("/ab+c"), ["/ab", "^/ab+c"]);
    assert.deepEqual(parts("/v1\\.0/x"), ["/v1.0/x", ""]);
    assert.deepEqual(parts("/a|/b"), ["/", "^/a|/b"]);
    assert.deepEqual(parts("/(a|b)"), ["/", "^/(a|b)"]);
    assert.deepEqual(parts("/?x"), ["/", "^/?x"]);
    assert.deepEqual(parts("/caf%C3%A9/%2e"), ["/café/.", ""]);
    assert.deepEqual(parts("/\\d+"), ["/", "^/\\d+"]);
  });

  test("are refused where PCRE and JavaScript read differently, or nobody reads them", () => {
    for (const path of [
      "no-slash",
      "/(?i)x",
      "/(?>a)",
      "/(?P<n>a)",
      "/(?<n>a)",
      "/(?<=a)b",
      "/a++",
      "/a*+",
      "/(a)\\1",
      "/\\Qx\\E",
      "/\\x41",
      "/\\pL",
      "/[[:alpha:]]",
      "/[]a]",
      "/[^]a]",
      "/[a",
      "/(a",
      "/a)",
      "/a{,3}",
      "/a{2",
      "/a}",
      "/a{5000}",
      "/*a**",
      "/[é]",
      "/é+",
      "/\u0000",
      "/a\nb",
      "/%00",
      "/%ff",
      `/${"a".repeat(4096)}`,
    ]) {
      assert.equal(parts(path), null, path);
    }
  });

  test("a literal matches itself and what begins with it, without regard to ASCII case", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string(), (text, more) => {
        const expression = literalExpression(`/${text}`);
        assert.ok(expressionMatches(expression, `/${text}${more}`));
        assert.ok(new RegExp(expression.source, "i").test(`/${text}${more}`), "its source says the same");
      }),
    );
  });

  test("the prefix never excludes what the pattern matches", () => {
    const piece = fc.constantFrom(
      "a",
      "B",
      "/",
      "\\.",
      ".",
      "[ab]",
      "(a|b/)",
      "x?",
      "y*",
      "z+",
      "a{0,2}",
      "|",
      "$",
      "(?!q)",
      "\\d",
      "é",
    );
    const paths = fc.array(fc.constantFrom("a", "b", "B", "/", ".", "x", "y", "z", "1", "é"), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), paths, (pieces, letters) => {
        const parsed = parseExpression(`/${pieces.join("")}`);
        if (parsed.kind === "bad") return;
        const path = `/${letters.join("")}`;
        assert.equal(expressionMatches(parsed, path), new RegExp(parsed.source, "i").test(path), parsed.source);
      }),
      { numRuns: 5000 },
    );
  });
});
