import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Policy, readPolicy } from "../../../agent/model/ingress/policy.ts";

function policy(annotations: Readonly<Record<string, string>>): Policy {
  const named = Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]);
  return readPolicy(Object.fromEntries(named) as Record<string, string>, "shop"); // pairs of strings
}

describe("cross-origin answers", () => {
  test("are only where they are switched on", () => {
    assert.equal(policy({}).cors, null);
    assert.equal(policy({ "enable-cors": "false", "cors-allow-origin": "https://a.example" }).cors, null);
  });

  test("have ingress-nginx's defaults", () => {
    assert.deepEqual(policy({ "enable-cors": "true" }).cors, {
      kind: "cors",
      origins: ["*"],
      methods: "GET, PUT, POST, DELETE, PATCH, OPTIONS",
      headers:
        "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
      expose: "",
      credentials: true,
      maxAgeS: 1_728_000,
    });
  });

  test("are as they are written", () => {
    const { cors, invalid } = policy({
      "enable-cors": "true",
      "cors-allow-origin": " https://B.example:8443 ,app://*.a.example, ",
      "cors-allow-methods": "GET,PUT",
      "cors-allow-headers": "X-One , X-Two",
      "cors-expose-headers": "*",
      "cors-allow-credentials": "false",
      "cors-max-age": "0",
    });
    assert.deepEqual(invalid, []);
    assert.deepEqual(cors, {
      kind: "cors",
      origins: ["app://*.a.example", "https://b.example:8443"],
      methods: "GET, PUT",
      headers: "X-One, X-Two",
      expose: "*",
      credentials: false,
      maxAgeS: 0,
    });
  });

  test("let nobody in by a typing error: what cannot be read is left out, and told", () => {
    const bad = ["https//a.example", "https://*", "https://*.*.example", "https://a.example/path", 'https://a"b'];
    for (const origin of bad) {
      const { cors, invalid } = policy({ "enable-cors": "true", "cors-allow-origin": origin });
      assert.equal(cors, null, origin);
      assert.match(invalid[0]?.message ?? "", /is no origin/, origin);
    }
    const { cors } = policy({ "enable-cors": "true", "cors-allow-origin": `https://a.example, ${bad[0]}` });
    assert.deepEqual(cors?.origins, ["https://a.example"]);
    const credentials = policy({ "enable-cors": "true", "cors-allow-credentials": "perhaps" });
    assert.deepEqual([credentials.cors?.credentials, credentials.invalid.length], [false, 1]);
    const lists = policy({ "enable-cors": "true", "cors-allow-methods": "GET\r\nX: y", "cors-max-age": "1d" });
    assert.deepEqual([lists.cors?.maxAgeS, lists.invalid.length], [1_728_000, 2]);
  });
});
