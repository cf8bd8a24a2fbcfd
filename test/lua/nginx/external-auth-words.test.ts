// What comes of the word of a service for those who ask: headers, cookies, where to sign in, what is remembered.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { AuthSite } from "../support/auth-site.ts";
import { ask } from "../support/backend.ts";
import { eventually } from "../support/wait.ts";

describe("what a service says of a request", () => {
  let site: AuthSite;
  let http: number;
  before(async () => {
    site = await AuthSite.start();
    http = site.nginx.http;
  });
  after(() => site[Symbol.asyncDispose]());
  beforeEach(() => site.reset());

  const lastSent = () => site.backend.seen.at(-1)?.headers ?? {};

  test("cookies of the service go to the client with 2xx and 3xx, or always where that is asked for", async () => {
    site.authAnswers(200, { "set-cookie": ["a=1; Path=/", "b=2"] });
    const cookies = async (status: number): Promise<unknown> => {
      site.backend.answer = (_, outgoing) => outgoing.writeHead(status, { "set-cookie": "own=1", location: "/" }).end();
      return (await ask(http, "cookie.test")).headers["set-cookie"];
    };
    await site.use("cookie.test");
    assert.deepEqual(await cookies(200), ["own=1", "a=1; Path=/", "b=2"]);
    assert.deepEqual(await cookies(302), ["own=1", "a=1; Path=/", "b=2"]);
    assert.deepEqual(await cookies(404), ["own=1"]);
    await site.use("cookie.test", { auth: { always_set_cookie: true } });
    for (const status of [200, 404, 500]) {
      assert.deepEqual(((await cookies(status)) as string[]).toSorted(), ["a=1; Path=/", "b=2", "own=1"]);
    }
    site.authAnswers(403, { "set-cookie": "c=3" });
    assert.deepEqual((await ask(http, "cookie.test")).headers["set-cookie"], ["c=3"]);
  });

  test("401 leads to where one signs in, with the way back, cookies too; 403 does not", async () => {
    site.authAnswers(401, { "set-cookie": "csrf=1", "www-authenticate": "Basic" });
    const to = async (signIn: readonly string[], param = "rd", path = "/x?y=1&z=%20#f"): Promise<unknown> => {
      await site.use("sign.test", { auth: { sign_in: signIn, sign_in_param: param } });
      const { status, headers } = await ask(http, "sign.test", { path });
      assert.deepEqual([status, headers["set-cookie"], headers["www-authenticate"]], [302, ["csrf=1"], undefined]);
      return headers.location;
    };
    const back = "http%3A%2F%2Fsign.test%2Fx%3Fy%3D1%26z%3D%2520";
    assert.equal(await to(["https://sso.test/start"]), `https://sso.test/start?rd=${back}%23f`);
    assert.equal(
      await to(["https://sso.test/start?a=b#top"], "to", "/"),
      "https://sso.test/start?a=b&to=http%3A%2F%2Fsign.test%2F#top",
    );
    assert.equal(
      await to(["https://", "$host", "/start?rd=", "$escaped_request_uri"], "", "/x?y&z"),
      "https://sign.test/start?rd=%2Fx%3Fy%26z",
    );
    site.authAnswers(403);
    assert.equal((await ask(http, "sign.test")).status, 403);
  });

  test("answers are remembered by the whole key and for their time, and copied headers with them", async () => {
    const valid = [
      { status: 200, seconds: 300 },
      { status: 401, seconds: 300 },
      { status: 202, seconds: 1 },
    ];
    await site.use("cache.test", {
      auth: { response_headers: ["X-User"], cache: { key: ["$http_authorization", "$cookie_s"], valid } },
    });
    let count = 0;
    site.auth.answer = (incoming, outgoing) => {
      count += 1;
      const who = incoming.headers.authorization ?? "";
      if (who === "cookie") outgoing.setHeader("set-cookie", "a=1");
      outgoing.setHeader("x-user", `${who}${count}`);
      outgoing.writeHead(who === "bad" ? 401 : who === "no" ? 403 : who === "short" ? 202 : who === "gone" ? 500 : 200);
      outgoing.end();
    };
    const by = async (authorization: string | null, cookie = "x"): Promise<readonly unknown[]> => {
      const headers = {
        cookie: `s=${cookie}`,
        "x-user": "spoof",
        ...(authorization === null ? {} : { authorization }),
      };
      const { status } = await ask(http, "cache.test", { headers });
      return [status, status === 200 ? lastSent()["x-user"] : null, count];
    };
    assert.deepEqual(await by("ann"), [200, "ann1", 1]);
    assert.deepEqual(await by("ann"), [200, "ann1", 1]);
    assert.deepEqual(await by("ann", "y"), [200, "ann2", 2]);
    assert.deepEqual(await by("an", "nx"), [200, "an3", 3]);
    assert.deepEqual(await by("bad"), [401, null, 4]);
    assert.deepEqual(await by("bad"), [401, null, 4]);
    assert.deepEqual(await by("no"), [403, null, 5]);
    assert.deepEqual(await by("no"), [403, null, 6], "403 was not to be remembered");
    assert.deepEqual(await by("gone"), [503, null, 7]);
    assert.deepEqual(await by("gone"), [503, null, 8]);
    assert.deepEqual(await by("cookie"), [200, "cookie9", 9]);
    assert.deepEqual(await by("cookie"), [200, "cookie10", 10], "a cookie is for one client");
    assert.deepEqual(await by("short"), [200, "short11", 11]);
    assert.deepEqual(await by("short"), [200, "short11", 11]);
    await eventually("the answer is out of date", async () => ((await by("short"))[2] as number) > 11);
    const without = async (): Promise<number> => {
      await ask(http, "cache.test");
      return count;
    };
    assert.equal((await without()) + 1, await without(), "a request without a key is asked about");
    await site.use("cache.test", { auth: { cache: { key: ["$http_authorization", "$cookie_s"], valid } } });
    const known = count;
    assert.deepEqual(await by("ann"), [200, "spoof", known + 1], "what was said for another document counts no more");
  });

  test("where a list is enough nobody is asked, and nobody can speak for the service", async () => {
    const any: FilterValue = { kind: "satisfy_any" };
    const use = (network: string): Promise<void> =>
      site.use("any.test", {
        auth: { response_headers: ["X-User"] },
        filters: [{ kind: "access", allow: [[network]], deny: [] }, any],
      });
    const headers = { "x-user": "spoof" };
    site.authAnswers(401, { "x-user": "ann" });
    await use("127.0.0.0/8");
    assert.equal((await ask(http, "any.test", { headers })).status, 200);
    assert.deepEqual([site.auth.seen.length, lastSent()["x-user"]], [0, undefined]);
    await use("192.0.2.0/24");
    assert.equal((await ask(http, "any.test", { headers })).status, 401);
    site.authAnswers(200, { "x-user": "ann" });
    assert.equal((await ask(http, "any.test", { headers })).status, 200);
    assert.deepEqual([site.auth.seen.length, lastSent()["x-user"]], [2, "ann"]);
  });
});
