// Basic authentication, by requests to a real nginx.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, beforeEach, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue, RouteValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";
import { eventually } from "../support/wait.ts";

const USERS = "auth.test/users/auth-file";
const GUARD: FilterValue = { kind: "basic_auth", realm: 'the "shop"', users: USERS };
const CHALLENGE = 'Basic realm="the \\"shop\\"", charset="UTF-8"';

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", ["passwd", ...args], { encoding: "utf8" }).trim();
}

/** Of crypt_blowfish's own tests: password "U*U"; "secret" of cost 10, and in DES. */
const BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const SLOW = "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u";
const DES = "abNANd1rDfiNc";

describe("basic authentication", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start({ workers: 1, reach: true });
    backend = await Backend.start("any");
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  // What wrong passwords of the test before have cost is not this one's.
  beforeEach(() => nginx.reach("ngx.shared.headgate_limits:flush_all()"));

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) {
      assert.equal(result.result, "applied", result.message);
    }
  }

  async function site(name: string, filters: readonly FilterValue[], change: Partial<RouteValue> = {}): Promise<void> {
    await put(
      lines.backend(`${name}/web/80`, [backend.peer]),
      lines.route(`${name}/i/all`, `${name}/web/80`, { filters, ...change }),
      lines.host(name, { "/": `${name}/i/all` }),
    );
  }

  async function answer(user: string | null): Promise<readonly [number, string | undefined]> {
    const headers = user === null ? {} : { authorization: `Basic ${Buffer.from(user).toString("base64")}` };
    const { status, headers: got } = await ask(nginx.http, "auth.test", { headers });
    const challenge = got["www-authenticate"];
    return [status, typeof challenge === "string" ? challenge : undefined];
  }

  test("lets in who is a user, by each form of hash that nginx and libcrypt know", async () => {
    await site("auth.test", [GUARD]);
    const hashes: Record<string, string> = {
      apr1: openssl("-apr1", "-salt", "abcdefgh", "secret"),
      short: openssl("-apr1", "-salt", "x", "secret"),
      md5: openssl("-1", "secret"),
      sha256: openssl("-5", "secret"),
      sha512: openssl("-6", "-salt", "ab", "secret"),
      sha: "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
      plain: "{PLAIN}secret",
      ssha: "{SSHA}Wcm1xEisNjqp921ALcHfuQ7avFdzYWx0MTIzNA==",
      des: DES,
    };
    await put(lines.users(USERS, hashes));
    for (const user of Object.keys(hashes)) {
      assert.deepEqual(await answer(`${user}:secret`), [200, undefined], user);
      assert.deepEqual(await answer(`${user}:secret`), [200, undefined], `${user} again`);
      await nginx.reach("ngx.shared.headgate_limits:flush_all()");
      for (const wrong of ["Secret", "", "secret ", "secre"]) {
        assert.deepEqual(await answer(`${user}:${wrong}`), [401, CHALLENGE], `${user} ${wrong}`);
      }
    }
    await put(lines.users(USERS, { "bcrypt user": BCRYPT, jürgen: openssl("-apr1", "grün") }));
    assert.deepEqual(await answer("bcrypt user:U*U"), [200, undefined]);
    assert.deepEqual(await answer("bcrypt user:U*V"), [401, CHALLENGE]);
    assert.deepEqual(await answer("jürgen:grün"), [200, undefined]);
    assert.deepEqual(await answer("apr1:secret"), [401, CHALLENGE], "who is no user any more");
  });

  test("who is no user is not let in by the password of one", async () => {
    await site("auth.test", [GUARD]);
    await put(lines.users(USERS, { ann: BCRYPT }));
    for (const user of ["bob", "Ann", "ann ", "__index", "toString"]) {
      assert.deepEqual(await answer(`${user}:U*U`), [401, CHALLENGE], user);
      assert.deepEqual(await answer(`${user}:U*U`), [401, CHALLENGE], `${user}, remembered`);
    }
    await put(lines.users(USERS, { ann: "{PLAIN}secret" }));
    assert.deepEqual(await answer("bob:secret"), [401, CHALLENGE]);
    assert.deepEqual(await answer("ann:secret"), [200, undefined]);
  });

  test("keeps out whoever says nothing, or nothing that can be read", async () => {
    await site("auth.test", [GUARD]);
    await put(lines.users(USERS, { ann: BCRYPT }));
    const asked = backend.seen.length;
    const good = Buffer.from("ann:U*U").toString("base64");
    for (const authorization of [
      "",
      "Basic",
      "Basic ",
      `Bearer ${good}`,
      `Basic ${good}, Basic ${good}`,
      `Basic ${good} x`,
      "Basic ====",
      `Basic ${Buffer.from("ann").toString("base64")}`,
      `Basic ${Buffer.from(":U*U").toString("base64")}`,
      `Basic ${Buffer.from("ann:U*U\0x").toString("base64")}`,
      `Basic ${Buffer.from("ann:U*U\n").toString("base64")}`,
      `Basic ${Buffer.from(`ann:${"x".repeat(600)}`).toString("base64")}`,
      `Basic ${"A".repeat(3000)}`,
    ]) {
      const { status, text } = await ask(nginx.http, "auth.test", { headers: { authorization } });
      assert.equal(status, 401, authorization.slice(0, 60));
      assert.equal(text, "401 unauthorized\n");
    }
    assert.equal(backend.seen.length, asked);
    assert.equal((await ask(nginx.http, "auth.test", { headers: { authorization: `basic  ${good} ` } })).status, 200);
  });

  test("a changed password counts from the next request on, in every worker", async () => {
    await using two = await TestNginx.start({ workers: 2 });
    const lines2 = new Lines();
    const push = async (...pushed: readonly Line[]): Promise<void> => {
      for (const result of await two.push.put(...pushed)) assert.equal(result.result, "applied", result.message);
    };
    await push(...lines2.site("auth.test", [backend.peer]), lines2.users(USERS, { ann: BCRYPT }));
    await push(lines2.route("test/auth-test/all", "test/auth-test/80", { filters: [GUARD] }));
    const status = async (password: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(`ann:${password}`).toString("base64")}`;
      return (await ask(two.http, "auth.test", { headers: { authorization, connection: "close" } })).status;
    };
    for (let round = 0; round < 10; round += 1) {
      const now = openssl("-apr1", `secret${round}`);
      await push(lines2.users(USERS, { ann: now }));
      for (let i = 0; i < 6; i += 1) {
        assert.equal(await status(`secret${round}`), 200);
        assert.equal(await status(`secret${round - 1}`), 401);
      }
    }
    await push(lines2.delete("users", USERS));
    for (let i = 0; i < 6; i += 1) assert.equal(await status("secret9"), 503, "without users nobody gets in");
  });

  test("users that are missing close the route; what is no hash is refused, and hashes never come back", async () => {
    await site("auth.test", [{ ...GUARD, users: "auth.test/none/auth-file" }]);
    assert.deepEqual(await answer("ann:U*U"), [503, undefined]);
    await put(lines.users("auth.test/none/auth-file", {}));
    assert.deepEqual(await answer("ann:U*U"), [503, undefined], "no user is not everybody");
    const dear = BCRYPT.replace("$05$", "$13$");
    for (const hash of ["", "secret", "*0", dear, "$6$rounds=1000000$ab$x", "{SHA}x", "{PLAIN}", `${BCRYPT}x`]) {
      const [result] = await nginx.push.put(lines.users(USERS, { ann: hash }));
      assert.equal(result?.result, "invalid", hash);
      assert.ok(!(result?.message ?? "").includes(hash === "" ? "$$" : hash), result?.message);
    }
    await put(lines.users(USERS, { ann: BCRYPT, bob: DES }));
    const held = await nginx.push.call("GET", `/v1/documents/users/${USERS}`);
    assert.equal(held.status, 200);
    assert.deepEqual((JSON.parse(held.text) as { value: unknown }).value, { count: 2 });
    assert.doesNotMatch((await nginx.push.call("GET", "/v1/state")).text, /\$2a/);
  });

  test("the backend does not get the password; the access log may have the user", async () => {
    await site("auth.test", [GUARD]);
    await put(lines.users(USERS, { ann: BCRYPT }));
    assert.deepEqual(await answer("ann:U*U"), [200, undefined]);
    assert.equal(backend.seen.at(-1)?.headers["authorization"], undefined);
    const traffic = buildTraffic((key) => (key === "accessLog.format" ? "$status $remote_user" : undefined));
    await using logging = await TestNginx.start({ workers: 1, view: { traffic } });
    await logging.push.put(...lines.site("auth.test", [backend.peer]), lines.users(USERS, { ann: BCRYPT }));
    await logging.push.put(lines.route("test/auth-test/all", "test/auth-test/80", { filters: [GUARD] }));
    const authorization = `Basic ${Buffer.from("ann:U*U").toString("base64")}`;
    assert.equal((await ask(logging.http, "auth.test", { headers: { authorization } })).status, 200);
    await eventually("it is logged", () => logging.accessLog().includes("200 ann\n"));
    await site("open.test", []);
    await ask(nginx.http, "open.test", { headers: { authorization: "Basic eDp5" } });
    assert.equal(backend.seen.at(-1)?.headers["authorization"], "Basic eDp5", "without the guard it is the backend's");
  });

  test("comes behind the lists of addresses and the redirect to https, before any other redirect", async () => {
    await put(lines.users(USERS, { ann: BCRYPT }));
    await site("auth.test", [GUARD, { kind: "access", allow: [["192.0.2.0/24"]], deny: [] }]);
    assert.deepEqual(await answer("ann:U*U"), [403, undefined]);
    await site("auth.test", [GUARD], { ssl_redirect: "always" });
    assert.deepEqual(await answer(null), [308, undefined], "no password is asked for in the clear");
    const redirect: FilterValue = { kind: "redirect", code: 302, location: ["https://elsewhere.example/"] };
    await site("auth.test", [redirect, GUARD]);
    assert.deepEqual(await answer(null), [401, CHALLENGE]);
    assert.deepEqual(await answer("ann:U*U"), [302, undefined]);
    await site("auth.test", [{ kind: "app_root", path: "/app" }, GUARD]);
    assert.deepEqual(await answer(null), [401, CHALLENGE]);
    assert.deepEqual(await answer("ann:U*U"), [302, undefined]);
  });

  test("preflights of allowed origins need no password, and their refusals can be read", async () => {
    const cors: FilterValue = {
      kind: "cors",
      origins: ["https://app.example"],
      methods: "GET",
      headers: "Authorization",
      expose: "",
      credentials: true,
      max_age_s: 60,
    };
    await site("auth.test", [GUARD, cors]);
    const headers = { origin: "https://app.example" };
    const asked = backend.seen.length;
    const preflight = await ask(nginx.http, "auth.test", { method: "OPTIONS", headers });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-headers"], "Authorization");
    const refused = await ask(nginx.http, "auth.test", { headers });
    assert.equal(refused.status, 401);
    assert.equal(refused.headers["access-control-allow-origin"], "https://app.example");
    const other = { origin: "https://evil.example" };
    assert.equal((await ask(nginx.http, "auth.test", { method: "OPTIONS", headers: other })).status, 401);
    assert.equal(backend.seen.length, asked);
  });

  test("explain says that it would ask, and asks nobody", async () => {
    await site("auth.test", [GUARD]);
    await put(lines.users(USERS, { ann: BCRYPT }));
    const explain = async (): Promise<Record<string, unknown>> => {
      const { text } = await nginx.push.call("GET", "/v1/explain?host=auth.test&path=/");
      return JSON.parse(text) as Record<string, unknown>;
    };
    const { action, note } = await explain();
    assert.deepEqual([action, note], ["proxy", `would ask for a user and a password of ${USERS}`]);
    await put(lines.delete("users", USERS));
    assert.equal((await explain())["status"], 503);
  });

  test("wrong passwords of one client do not stop a worker, and right ones that are known still count", async () => {
    await using own = await TestNginx.start({ workers: 1 });
    const lines2 = new Lines();
    const filters = [GUARD];
    await own.push.put(...lines2.site("auth.test", [backend.peer]), lines2.users(USERS, { ann: SLOW }));
    await own.push.put(lines2.route("test/auth-test/all", "test/auth-test/80", { filters }));
    const status = async (user: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(user).toString("base64")}`;
      return (await ask(own.http, "auth.test", { headers: { authorization } })).status;
    };
    assert.equal(await status("ann:secret"), 200);
    const counts = new Map<number, number>();
    for (let i = 0; i < 200; i += 1) {
      const got = await status(`${i % 2 === 0 ? "ann" : "nobody"}:wrong${i}`);
      counts.set(got, (counts.get(got) ?? 0) + 1);
    }
    assert.ok((counts.get(429) ?? 0) > 100, JSON.stringify([...counts]));
    assert.equal((counts.get(429) ?? 0) + (counts.get(401) ?? 0), 200, JSON.stringify([...counts]));
    assert.equal(await status("ann:secret"), 200, "remembered");
    const metrics = await own.push.call("GET", "/v1/metrics");
    assert.match(metrics.text, /headgate_refused_requests_total\{guard="basic_auth",status="429"\} 1\d\d/);
  });
});
