// Limits by number, by requests to a real nginx.

import assert from "node:assert/strict";
import { type ClientRequest, request, type ServerResponse } from "node:http";
import { after, afterEach, before, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue, RouteValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";
import type { Line } from "../support/push.ts";

type Limit = Extract<FilterValue, { kind: "limit" }>;

const LIMIT: Limit = { kind: "limit", key: "limit.test/i", exempt: [], connections: 0, rates: [], status: 503 };
/** Five at once, and then one in twelve minutes: no test lasts that long. */
const FIVE = { requests: 5, period_s: 3600, burst: 4 };

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

describe("limits by number", () => {
  let nginx: TestNginx;
  let backend: Backend;
  const lines = new Lines();
  const held: ServerResponse[] = [];
  const open: ClientRequest[] = [];
  before(async () => {
    nginx = await TestNginx.start({ workers: 2, reach: true });
    backend = await Backend.start("any");
  });
  afterEach(() => {
    for (const outgoing of held.splice(0)) outgoing.end();
    for (const outgoing of open.splice(0)) outgoing.destroy();
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

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

  /** Asks from an address of this machine, on a connection of its own. */
  function from(client: string, host: string, path = "/"): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: "127.0.0.1", port: nginx.http, localAddress: client, path, headers: { host }, agent: false },
        (incoming) => {
          incoming.resume();
          incoming.on("error", () => {});
          incoming.on("end", () =>
            resolve({ status: incoming.statusCode ?? 0, retryAfter: incoming.headers["retry-after"] }),
          );
        },
      );
      open.push(outgoing);
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  async function statuses(count: number, client: string, host: string): Promise<readonly number[]> {
    const answers = await Promise.all(Array.from({ length: count }, () => from(client, host)));
    return answers.map(({ status }) => status);
  }

  const passed = (all: readonly number[]): number => all.filter((status) => status === 200).length;

  test("a client may be ahead of its rate by the burst, over all workers; others are not touched", async () => {
    await site("rate.test", [{ ...LIMIT, key: "rate.test/i", rates: [FIVE] }]);
    assert.equal((await from("127.0.0.1", "rate.test")).status, 200);
    const all = await statuses(60, "127.0.0.1", "rate.test");
    assert.equal(passed(all), 4, "five of sixty-one");
    await eventually("those that are refused are counted for their Ingress", async () =>
      /headgate_requests_total\{namespace="rate.test",ingress="i",service="web",code="5xx"\} 56$/m.test(
        (await nginx.push.call("GET", "/v1/metrics")).text,
      ),
    );
    assert.equal(all.filter((status) => status === 503).length, 56);
    const { retryAfter } = await from("127.0.0.1", "rate.test");
    assert.ok(Number(retryAfter) >= 1 && Number(retryAfter) <= 720, retryAfter);
    assert.equal((await from("127.0.0.2", "rate.test")).status, 200);
    // The same Ingress by another route, and another Ingress.
    await site("same.test", [{ ...LIMIT, key: "rate.test/i", rates: [FIVE] }]);
    assert.equal((await from("127.0.0.1", "same.test")).status, 503);
    await site("other.test", [{ ...LIMIT, key: "other.test/i", rates: [FIVE] }]);
    assert.equal((await from("127.0.0.1", "other.test")).status, 200);
    await eventually("the metric counts them", async () =>
      /headgate_refused_requests_total\{guard="limit",status="503"\} 58$/m.test(
        (await nginx.push.call("GET", "/v1/metrics")).text,
      ),
    );
  });

  test("the rate comes back with time; of two rates each counts, and what one refuses the other gives back", async () => {
    const fast = { requests: 20, period_s: 1, burst: 0 };
    await site("back.test", [{ ...LIMIT, key: "back.test/i", rates: [fast], status: 429 }]);
    const first = await statuses(10, "127.0.0.1", "back.test");
    assert.ok(first.includes(429) && first.includes(200), first.join(" "));
    await eventually("a place is free again", async () => (await from("127.0.0.1", "back.test")).status === 200);
    await site("two.test", [{ ...LIMIT, key: "two.test/i", rates: [{ requests: 4, period_s: 1800, burst: 9 }, FIVE] }]);
    await from("127.0.0.1", "two.test");
    assert.equal(passed(await statuses(20, "127.0.0.1", "two.test")), 4);
    const { retryAfter } = await from("127.0.0.1", "two.test");
    assert.ok(Number(retryAfter) > 600, `${retryAfter} s: the faster rate still has places`);
  });

  test("networks that are exempt, routes without a limit and explain are not counted", async () => {
    const limit = { ...LIMIT, key: "exempt.test/i", rates: [FIVE], connections: 1, exempt: ["127.0.0.64/26"] };
    await site("exempt.test", [limit]);
    assert.equal(passed(await statuses(30, "127.0.0.65", "exempt.test")), 30);
    for (let i = 0; i < 20; i += 1) {
      const { text } = await nginx.push.call("GET", "/v1/explain?host=exempt.test&path=/&client=127.0.0.9");
      const { action, note } = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual([action, note], ["proxy", "limits by number are left out"]);
    }
    assert.equal((await from("127.0.0.9", "exempt.test")).status, 200);
    await site("free.test", []);
    assert.equal(passed(await statuses(30, "127.0.0.9", "free.test")), 30);
  });

  test("who has too many requests at a time waits until one ends, by whatever end", async () => {
    await site("held.test", [{ ...LIMIT, key: "held.test/i", connections: 2 }]);
    backend.answer = (_incoming, outgoing) => held.push(outgoing);
    const waiting = [from("127.0.0.1", "held.test"), from("127.0.0.1", "held.test")];
    await eventually("two are at the backend", () => held.length === 2);
    assert.equal((await from("127.0.0.1", "held.test")).status, 503);
    const other = from("127.0.0.2", "held.test");
    await eventually("another client's too", () => held.length === 3);
    for (const outgoing of held.splice(0)) outgoing.end();
    for (const answer of await Promise.all([...waiting, other])) assert.equal(answer.status, 200);
    const broken = [from("127.0.0.1", "held.test"), from("127.0.0.1", "held.test")];
    await eventually("two more are at the backend", () => held.length === 2);
    for (const outgoing of open.splice(0)) outgoing.destroy();
    await Promise.allSettled(broken);
    backend.answer = (_incoming, outgoing) => outgoing.end("any");
    await eventually("clients that went are not counted", async () => (await inFlight("held.test/i")) === "");
    assert.equal((await from("127.0.0.1", "held.test")).status, 200);
  });

  /** What is counted in flight of an Ingress, by all keys, where it is not nothing. */
  function inFlight(key: string): Promise<string> {
    return nginx.reach(`
      local dict = ngx.shared.headgate_connections
      for _, each in ipairs(dict:get_keys(0)) do
        if each:find("${key}", 1, true) and not each:find("#", 1, true) and dict:get(each) ~= 0 then
          ngx.print(each:gsub("[^ -~]", "."), "=", dict:get(each), " ")
        end
      end
    `);
  }

  test("what a killed worker had in flight is taken off", async () => {
    await site("kill.test", [{ ...LIMIT, key: "kill.test/i", connections: 6 }]);
    backend.answer = (_incoming, outgoing) => held.push(outgoing);
    const before = held.length;
    const waiting = Array.from({ length: 6 }, () => from("127.0.0.1", "kill.test"));
    await eventually("six are at the backend", () => held.length === before + 6);
    assert.equal((await from("127.0.0.1", "kill.test")).status, 503);
    const { workers } = await nginx.push.state();
    for (const { pid } of workers) process.kill(pid, "SIGKILL");
    await Promise.allSettled(waiting);
    backend.answer = (_incoming, outgoing) => outgoing.end("any");
    await eventually("nothing is in flight", async () => (await inFlight("kill.test/i")) === "");
    assert.equal((await from("127.0.0.1", "kill.test")).status, 200);
  });

  test("what an old worker had that is killed after a reload is taken off too", async () => {
    await site("old.test", [{ ...LIMIT, key: "old.test/i", connections: 1 }]);
    backend.answer = (_incoming, outgoing) => held.push(outgoing);
    const before = held.length;
    const waiting = from("127.0.0.1", "old.test");
    await eventually("it is at the backend", () => held.length === before + 1);
    const old = new Set((await nginx.push.state()).workers.map(({ pid }) => pid));
    process.kill(nginx.masterPid, "SIGHUP");
    await eventually("new workers serve", async () => {
      const { worker, workers } = await nginx.push.state();
      return !old.has(worker.pid) && workers.filter(({ pid }) => !old.has(pid)).length === 2;
    });
    assert.equal((await from("127.0.0.1", "old.test")).status, 503, "it counts for the new ones too");
    const left = (await nginx.push.state()).workers.filter(({ pid }) => old.has(pid));
    assert.ok(left.length >= 1, "the one that has the request");
    for (const { pid } of left) process.kill(pid, "SIGKILL");
    await Promise.allSettled([waiting]);
    backend.answer = (_incoming, outgoing) => outgoing.end("any");
    await eventually("nothing is in flight", async () => (await inFlight("old.test/i")) === "");
  });

  test("a request that a later guard refuses is not in flight any more", async () => {
    const guard: FilterValue = { kind: "basic_auth", realm: "x", users: "late.test/users/auth-file" };
    await put(lines.users("late.test/users/auth-file", { ann: "{PLAIN}secret" }));
    await site("late.test", [guard, { ...LIMIT, key: "late.test/i", connections: 1 }]);
    for (let i = 0; i < 5; i += 1) {
      assert.equal((await from("127.0.0.1", "late.test")).status, 401);
      await eventually("it is taken off", async () => (await inFlight("late.test/i")) === "");
    }
  });

  test("a request that nginx itself refuses is not in flight any more", async () => {
    await site("large.test", [{ ...LIMIT, key: "large.test/i", connections: 1 }]);
    const body = "x".repeat(2 * 1024 * 1024);
    for (let i = 0; i < 3; i += 1) {
      const { status } = await ask(nginx.http, "large.test", {
        method: "POST",
        body,
        headers: { expect: "100-continue" },
      });
      assert.equal(status, 413);
      await eventually("it is taken off", async () => (await inFlight("large.test/i")) === "");
    }
  });

  test("where memory is short the oldest counts go, and that is counted", async () => {
    await using small = await TestNginx.start({ workers: 1, reach: true, view: { traffic: smallTraffic() } });
    const lines2 = new Lines();
    const limit = { ...LIMIT, key: "small.test/i", rates: [FIVE] };
    await small.push.put(...lines2.site("small.test", [backend.peer]));
    await small.push.put(lines2.route("test/small-test/all", "test/small-test/80", { filters: [limit] }));
    await small.reach(`
      local dict = ngx.shared.headgate_limits
      local i = 0
      while dict:safe_set("filling " .. i, 1) do i = i + 1 end
    `);
    assert.equal((await ask(small.http, "small.test")).status, 200);
    const statuses2: number[] = [];
    for (let i = 0; i < 6; i += 1) statuses2.push((await ask(small.http, "small.test")).status);
    assert.deepEqual(statuses2, [200, 200, 200, 200, 503, 503]);
    const { text } = await small.push.call("GET", "/v1/metrics");
    assert.match(text, /^headgate_limit_evictions_total [1-9]/m);
  });

  test("an answer is written at its rate, after its first bytes", async () => {
    const body = "x".repeat(1024 * 1024);
    backend.answer = (_incoming, outgoing) => outgoing.end(body);
    const traffic = buildTraffic((key) => (key === "proxy.buffering" ? true : undefined));
    await using buffering = await TestNginx.start({ workers: 1, view: { traffic } });
    const took = async (filters: readonly FilterValue[]): Promise<number> => {
      await buffering.push.put(...lines.site("slow.test", [backend.peer]));
      await buffering.push.put(lines.route("test/slow-test/all", "test/slow-test/80", { filters }));
      const began = performance.now();
      assert.equal((await ask(buffering.http, "slow.test")).text.length, body.length);
      return performance.now() - began;
    };
    // Of 768 kB behind the first 256, nginx lets a second's worth go ahead.
    const slow = await took([{ kind: "bandwidth", bytes_per_s: 128 * 1024, after_bytes: 256 * 1024 }]);
    assert.ok(slow > 3000, `${slow} ms for 768 kB at 128 kB a second`);
    assert.ok((await took([])) < slow / 2, "without the filter nothing is held back");
    backend.answer = (_incoming, outgoing) => outgoing.end("any");
  });
});

function smallTraffic(): ReturnType<typeof buildTraffic> {
  return buildTraffic((key) => (key === "http.limitMemoryMb" ? 1 : undefined));
}
