// Routes that several Services share: by header, cookie and weight, and who serves where one has no peers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import type { FilterValue, SplitChoiceValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { choice } from "../support/filters.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

/** Within six standard deviations: by chance two runs in 10^9 are not. */
function isNear(count: number, of: number, share: number): boolean {
  return Math.abs(count - of * share) <= 6 * Math.sqrt(of * share * (1 - share));
}

describe("split", () => {
  let nginx: TestNginx;
  let backends: readonly Backend[];
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
    backends = await Promise.all(["main", "one", "two"].map((name) => Backend.start(name)));
  });
  after(async () => {
    for (const backend of backends) await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const { result, message } of await nginx.push.put(...pushed)) assert.equal(result, "applied", message);
  }

  /** A host whose route has these alternatives; Services without peers by name. */
  async function site(
    name: string,
    choices: readonly SplitChoiceValue[],
    empty: readonly string[] = [],
  ): Promise<void> {
    const filters: readonly FilterValue[] = [{ kind: "split", choices }];
    await put(
      ...backends.map((one) => lines.backend(`${name}/${one.name}/80`, empty.includes(one.name) ? [] : [one.peer])),
      lines.route(`${name}/i/all`, `${name}/main/80`, { filters }),
      lines.host(`${name}.test`, { "/": `${name}/i/all` }),
    );
  }

  async function who(name: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { status, text } = await ask(nginx.http, `${name}.test`, { headers });
    return status === 200 ? text : String(status);
  }

  async function tally(name: string, count: number, headers = {}): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    const client = async (): Promise<void> => {
      for (let round = 0; round < count / 8; round++) {
        const text = await who(name, headers);
        counts[text] = (counts[text] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return counts;
  }

  test("weights decide the shares of 10,000 requests, and 0 and all of them hold exactly", async () => {
    await site("weights", [
      choice("weights/one/80", { weight: 20 }),
      choice("weights/two/80", { weight: 5, total: 1000 }),
    ]);
    const counts = await tally("weights", 10_000);
    const shares = { main: 0.795, one: 0.2, two: 0.005 };
    for (const [name, share] of Object.entries(shares)) {
      assert.ok(isNear(counts[name] ?? 0, 10_000, share), `${name}: ${JSON.stringify(counts)}`);
    }
    await site("weights", [choice("weights/one/80"), choice("weights/two/80", { weight: 100 })]);
    assert.deepEqual(await tally("weights", 400), { two: 400 });
    await site("weights", [choice("weights/one/80"), choice("weights/two/80")]);
    assert.deepEqual(await tally("weights", 400), { main: 400 });
  });

  test("a header and a cookie lead to an alternative or keep from it, the header first", async () => {
    await site("words", [choice("words/one/80", { header: "X-Canary", cookie: "Canary.user", weight: 50 })]);
    assert.deepEqual(await tally("words", 40, { "x-canary": "always" }), { one: 40 });
    assert.deepEqual(await tally("words", 40, { "X-CANARY": "never" }), { main: 40 });
    assert.deepEqual(await tally("words", 40, { cookie: "a=b; Canary.user=always" }), { one: 40 });
    assert.deepEqual(await tally("words", 40, { cookie: "Canary.user=never" }), { main: 40 });
    assert.deepEqual(await tally("words", 40, { "x-canary": "never", cookie: "Canary.user=always" }), { main: 40 });
    assert.deepEqual(await tally("words", 40, { "x-canary": "1", cookie: "Canary.user=always" }), { one: 40 });
    const counts = await tally("words", 400, { "x-canary": "Always", cookie: "Canary.user=yes" });
    assert.ok(isNear(counts["one"] ?? 0, 400, 0.5), `other words say nothing: ${JSON.stringify(counts)}`);
  });

  test("the value of a header is compared exactly, a pattern by its case", async () => {
    await site("values", [
      choice("values/one/80", { header: "X-Region", value: "eu west" }),
      choice("values/two/80", { header: "X-Region", pattern: "^us-(east|west)" }),
    ]);
    for (const [value, name] of Object.entries({
      "eu west": "one",
      "EU west": "main",
      always: "main",
      "us-east-1": "two",
      "US-east-1": "main",
      "a us-east": "main",
    })) {
      assert.equal(await who("values", { "X-Region": value }), name, value);
    }
  });

  test("a pattern that backtracks too much does not match, and one that cannot be compiled gets nothing", async () => {
    await site("patterns", [
      choice("patterns/one/80", { header: "X-A", pattern: "^(a+)+$" }),
      choice("patterns/two/80", { header: "X-A", pattern: "(", weight: 100 }),
    ]);
    assert.equal(await who("patterns", { "X-A": "aaa" }), "one");
    assert.equal(await who("patterns", { "X-A": `${"a".repeat(4000)}b` }), "main");
    assert.equal(await who("patterns", { "X-A": "a".repeat(5000) }), "main");
    assert.deepEqual(await tally("patterns", 40), { main: 40 });
    const { problems } = await nginx.push.json<{ problems: readonly string[] }>("GET", "/v1/state");
    assert.ok(
      problems.some((text) => text.includes("two-canary")),
      problems.join("\n"),
    );
  });

  test("of several alternatives the older one is asked first", async () => {
    await site("several", [
      choice("several/one/80", { header: "X-One" }),
      choice("several/two/80", { header: "X-Two", cookie: "two", weight: 50 }),
    ]);
    assert.equal(await who("several", { "X-One": "always", "X-Two": "always" }), "one");
    assert.equal(await who("several", { "X-One": "never", "X-Two": "always" }), "two");
    assert.equal(await who("several", { "X-Two": "never" }), "main");
    const counts = await tally("several", 400, { "X-One": "never" });
    assert.ok(isNear(counts["two"] ?? 0, 400, 0.5), JSON.stringify(counts));
  });

  test("whoever has no peers is stood in for, but by nobody who is not open to all or not wanted", async () => {
    const by = choice("empty/one/80", { header: "X-One" });
    const half = choice("empty/two/80", { header: "X-Two", weight: 50 });
    await site("empty", [by, half], ["one"]);
    assert.equal(await who("empty", { "X-One": "always" }), "main");
    await site("empty", [by, half], ["two"]);
    assert.deepEqual(await tally("empty", 80), { main: 80 });
    await site("empty", [by, half], ["main"]);
    assert.deepEqual(await tally("empty", 80), { two: 80 });
    assert.equal(await who("empty", { "X-Two": "never" }), "503");
    await site("empty", [by], ["main"]);
    assert.deepEqual(await tally("empty", 16), { 503: 16 });
    assert.equal(await who("empty", { "X-One": "always" }), "one");
    await site("empty", [half], ["main", "two"]);
    assert.deepEqual(await tally("empty", 16), { 503: 16 });
  });

  test("an alternative balances as it says itself", async () => {
    await using extra = await Backend.start("extra");
    const hash = { kind: "balance", by: "hash", key: ["$arg_user"], bound: 0 } as const;
    await site("own", [choice("own/one/80", { weight: 100, balance: hash })]);
    await put(lines.backend("own/one/80", [backends[1]?.peer ?? "", extra.peer]));
    const found = new Map<string, string>();
    for (let user = 0; user < 20; user++) {
      const path = `/?user=${user}`;
      const { text } = await ask(nginx.http, "own.test", { path });
      found.set(path, text);
      assert.equal((await ask(nginx.http, "own.test", { path })).text, text);
    }
    assert.deepEqual([...new Set(found.values())].sort(), ["extra", "one"]);
  });

  test("requests count for the Service that served them, and explain says which and why", async () => {
    await site("told", [choice("told/one/80", { header: "X-One", cookie: "one", weight: 25 })]);
    for (let round = 0; round < 3; round++) await who("told", { "X-One": "always" });
    for (let round = 0; round < 2; round++) await who("told", { "X-One": "never" });
    // Each worker adds what it counted within a second.
    const deadline = Date.now() + 10_000;
    for (;;) {
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      const count = (labels: string): string | undefined =>
        new RegExp(`headgate_requests_total\\{namespace="told",${labels},code="2xx"\\} (\\d+)`).exec(text)?.[1];
      const counts = [count('ingress="i",service="one"'), count('ingress="i",service="main"')];
      if (counts[0] === "3" && counts[1] === "2") break;
      assert.ok(Date.now() < deadline, counts.join());
      await delay(50);
    }
    const explain = async (...headers: readonly string[]): Promise<unknown> => {
      const query = new URLSearchParams({ host: "told.test", path: "/" });
      for (const line of headers) query.append("header", line);
      const { backend, chosen_by, shares } = await nginx.push.json<Record<string, unknown>>(
        "GET",
        `/v1/explain?${query.toString()}`,
      );
      assert.deepEqual(shares, { "told/main/80": 0.75, "told/one/80": 0.25 });
      return [backend, chosen_by];
    };
    assert.deepEqual(await explain(), ["told/main/80", "weight"]);
    assert.deepEqual(await explain("X-One: always"), ["told/one/80", "header"]);
    assert.deepEqual(await explain("X-Other: 1", "Cookie: a=b; One=always"), ["told/one/80", "cookie"]);
  });

  test("a choice whose profile is not there keeps the route as it was", async () => {
    await site("profile", [choice("profile/one/80", { weight: 100 })]);
    // What a worker has never used it cannot go on with.
    assert.deepEqual(await tally("profile", 80), { one: 80 });
    await site("profile", [choice("profile/one/80", { weight: 100, profile: "not-there" })]);
    assert.deepEqual(await tally("profile", 16), { one: 16 });
  });
});
