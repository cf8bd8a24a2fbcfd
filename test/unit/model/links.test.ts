import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draftOf } from "../../../agent/model/ingress/annotation-values.ts";
import { readLinks } from "../../../agent/model/ingress/links.ts";

function read(annotations: Readonly<Record<string, string>>): [unknown, number] {
  const named = Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]);
  const draft = draftOf(Object.fromEntries(named) as Record<string, string>); // pairs of strings
  return [readLinks(draft), draft.invalid.length];
}

describe("links of a backend to itself", () => {
  test("are changed from one text to another", () => {
    const both = { "proxy-redirect-from": "http://web/", "proxy-redirect-to": "$scheme://${Host}/" };
    const cookies = { "proxy-cookie-domain": "web.internal  .a.example", "proxy-cookie-path": "/app/ /" };
    assert.deepEqual(read({ ...both, ...cookies }), [
      [
        { kind: "location", from: "http://web/", to: ["$scheme", "://", "$host", "/"] },
        { kind: "cookie_domain", from: "web.internal", to: ".a.example" },
        { kind: "cookie_path", from: "/app/", to: "/" },
      ],
      0,
    ]);
  });

  test("stay where they are off, or only half is said", () => {
    for (const value of ["off", "default", ""]) {
      assert.deepEqual(read({ "proxy-redirect-from": value, "proxy-redirect-to": "/" }), [[], 0]);
      assert.deepEqual(read({ "proxy-cookie-path": value }), [[], 0]);
    }
    assert.deepEqual(read({ "proxy-redirect-from": "http://web/" }), [[], 0]);
  });

  test("stay where a value cannot be used", () => {
    for (const from of ["~^http", "http://$host/", "a b", "a\u0001"]) {
      assert.deepEqual(read({ "proxy-redirect-from": from, "proxy-redirect-to": "/" }), [[], 1], from);
    }
    for (const to of ["$uri", "/\u00e9", '/"', "/a b"]) {
      assert.deepEqual(read({ "proxy-redirect-from": "/a", "proxy-redirect-to": to }), [[], 1], to);
    }
    for (const value of ["/one", "/a /b /c", "/a /;Secure", "~/a /b", "/a $x"]) {
      assert.deepEqual(read({ "proxy-cookie-path": value }), [[], 1], value);
    }
  });
});
