// Answers for pages of other origins.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";

type Cors = Extract<FilterValue, { kind: "cors" }>;

const CORS: Cors = {
  kind: "cors",
  origins: ["https://app.example", "https://*.team.example:8443"],
  methods: "GET, PUT",
  headers: "Authorization,Content-Type",
  expose: "X-Total",
  credentials: true,
  max_age_s: 600,
};

describe("cross-origin answers", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    [nginx, backend] = await Promise.all([TestNginx.start(), Backend.start("b")]);
    await nginx.push.put(...lines.site("cors.test", [backend.peer]));
  });
  after(() => Promise.all([nginx[Symbol.asyncDispose](), backend[Symbol.asyncDispose]()]));

  async function use(...filters: readonly FilterValue[]): Promise<void> {
    const route = lines.route("test/cors-test/all", "test/cors-test/80", { filters });
    const [result] = await nginx.push.put(route);
    assert.equal(result?.result, "applied", result?.message);
  }

  /** Status and the headers of CORS, "access-control-" left out. */
  async function answer(method: string, origin: string | null): Promise<readonly [number, Record<string, unknown>]> {
    const headers = origin === null ? {} : { origin };
    const { status, headers: got } = await ask(nginx.http, "cors.test", { method, headers });
    const named = Object.entries(got).filter(([name]) => name.startsWith("access-control-") || name === "vary");
    return [status, Object.fromEntries(named.map(([name, value]) => [name.replace("access-control-", ""), value]))];
  }

  test("name the origin that asks, where it is one of those that are allowed", async () => {
    await use(CORS);
    for (const origin of ["https://app.example", "https://x-1.team.example:8443", "HTTPS://APP.example"]) {
      assert.deepEqual(await answer("GET", origin), [
        200,
        { "allow-origin": origin, "allow-credentials": "true", "expose-headers": "X-Total", vary: "Origin" },
      ]);
    }
    const others = [
      null,
      "null",
      "https://app.example.evil.test",
      "http://app.example",
      "https://team.example:8443",
      "https://a.b.team.example:8443",
      "https://.team.example:8443",
      "https://x.team.example",
      "https://evil.test/.team.example:8443",
    ];
    for (const origin of others) assert.deepEqual(await answer("GET", origin), [200, { vary: "Origin" }], `${origin}`);
  });

  test("a preflight is answered here, for an allowed origin alone", async () => {
    await use(CORS);
    const before = backend.seen.length;
    const [status, headers] = await answer("OPTIONS", "https://app.example");
    assert.equal(status, 204);
    assert.deepEqual(headers, {
      "allow-origin": "https://app.example",
      "allow-credentials": "true",
      "allow-methods": "GET, PUT",
      "allow-headers": "Authorization,Content-Type",
      "expose-headers": "X-Total",
      "max-age": "600",
      vary: "Origin",
    });
    assert.equal(backend.seen.length, before, "the backend is not asked");
    assert.deepEqual(await answer("OPTIONS", "https://evil.test"), [200, { vary: "Origin" }]);
    assert.equal((await answer("OPTIONS", null))[0], 200);
    assert.equal(backend.seen.length, before + 2);
  });

  test("any origin never comes with credentials", async () => {
    await use({ ...CORS, origins: ["*"], expose: "" });
    assert.deepEqual(await answer("GET", "https://evil.test"), [200, { "allow-origin": "*" }]);
    const [status, headers] = await answer("OPTIONS", "https://evil.test");
    assert.deepEqual([status, headers["allow-origin"], headers["allow-credentials"]], [204, "*", undefined]);
  });

  test("the backend's own words are replaced, its Vary is kept, and guards come first", async () => {
    backend.answer = (_, outgoing) => {
      outgoing.setHeader("access-control-allow-origin", "*");
      outgoing.setHeader("vary", "Accept-Encoding");
      outgoing.end("b");
    };
    await use(CORS);
    const [, headers] = await answer("GET", "https://app.example");
    assert.deepEqual([headers["allow-origin"], headers["vary"]], ["https://app.example", "Accept-Encoding, Origin"]);
    await use({ kind: "access", allow: [["192.0.2.0/24"]], deny: [] }, CORS);
    assert.deepEqual(await answer("OPTIONS", "https://app.example"), [403, {}]);
    await use();
    assert.deepEqual(await answer("GET", "https://app.example"), [
      200,
      { "allow-origin": "*", vary: "Accept-Encoding" },
    ]);
  });
});
