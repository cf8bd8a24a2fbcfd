// Any string through the filters is one argument of nginx, or an error.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { lua, printable, q, serverName, tok } from "../../agent/render/quote.ts";

/** The words of a directive as nginx's parser reads them; throws on what ends the directive early. */
function words(text: string): readonly string[] {
  const found: string[] = [];
  let at = 0;
  while (at < text.length) {
    const start = text[at] ?? "";
    if (/\s/.test(start)) {
      at += 1;
    } else if (start === '"') {
      let word = "";
      at += 1;
      while (text[at] !== '"') {
        if (at >= text.length) {
          throw new Error("quote without end");
        }
        if (text[at] === "\\" && /["\\]/.test(text[at + 1] ?? "")) {
          at += 1;
        }
        word += text[at] ?? "";
        at += 1;
      }
      at += 1;
      found.push(word);
    } else if (/[;{}#'$\\]/.test(start)) {
      throw new Error(`the directive ends at ${start}`);
    } else {
      const word = /^[^\s;{}]+/.exec(text.slice(at))?.[0] ?? "";
      found.push(word);
      at += word.length;
    }
  }
  return found;
}

function attempt(filter: (value: unknown) => { readonly text: string }, value: string): string | null {
  try {
    return filter(value).text;
  } catch {
    return null;
  }
}

describe("quoting", () => {
  test("q gives one argument with the same bytes, or refuses", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const quoted = attempt(q, value);
        if (quoted !== null) {
          assert.deepEqual(words(`a ${quoted} b`), ["a", value, "b"]);
        }
      }),
      { numRuns: 2000 },
    );
    assert.equal(attempt(q, 'a "b" \\ c; }'), '"a \\"b\\" \\\\ c; }"');
    for (const value of ["a\nb", "a\0", "$uri", "\u007f"]) {
      assert.equal(attempt(q, value), null);
    }
  });

  test("tok gives one argument with the same bytes, or refuses", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const token = attempt(tok, value);
        if (token !== null) {
          assert.deepEqual(words(`a ${token} b`), ["a", value, "b"]);
        }
      }),
      { numRuns: 2000 },
    );
    for (const value of ["", "a b", "a;b", "a{", '"', "$a", "a\n", "#"]) {
      assert.equal(attempt(tok, value), null, value);
    }
  });

  test("lua lets no line end and no quote out", () => {
    assert.equal(attempt(lua, 'a"b\\'), '"a\\"b\\\\"');
    assert.equal(attempt(lua, "a\nb"), null);
  });

  test("a plain string is never printed", () => {
    assert.throws(() => printable("shop"), /without tok, q or lua/);
    assert.throws(() => printable(null));
    assert.throws(() => printable(1.5));
    assert.equal(printable(tok("shop")), "shop");
    assert.equal(printable(7), "7");
  });
});

describe("serverName", () => {
  test("is one word of nginx, and an expression of one label for a wildcard", () => {
    assert.equal(String(serverName("a-1.example")), '"a-1.example"');
    assert.equal(String(serverName("*.a.example")), '"~^[^.]+[.]a[.]example$"');
    assert.equal(words(String(serverName("*.a.example"))).length, 1);
  });

  test("any other text is an error", () => {
    for (const text of [
      "",
      "_",
      "~x",
      "*",
      "a.*.example",
      "a example",
      'a"',
      "a;b",
      "a\n",
      "$host",
      "A.example",
      "x".repeat(300),
    ]) {
      assert.throws(() => serverName(text), /is no host name/, JSON.stringify(text));
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (/^(\*\.)?[a-z0-9.-]+$/.test(text)) return;
        assert.throws(() => serverName(text));
      }),
    );
  });
});
