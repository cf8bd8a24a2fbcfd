// Peers: shares, retries, times, kept connections, and changes that the next request sees.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ask, Backend, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { freePort, TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

describe("balancing", () => {
  let nginx: TestNginx;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
  });
  after(() => nginx[Symbol.asyncDispose]());

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) {
      assert.equal(result.result, "applied", result.message);
    }
  }

  async function tally(host: string, count: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { text } = await ask(nginx.http, host);
      counts[text] = (counts[text] ?? 0) + 1;
    }
    return counts;
  }

  test("equal peers get equal shares, IPv6 too", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await using c = await Backend.start("c", "::1");
    await put(...lines.site("equal.test", [a.peer, b.peer, c.peer]));
    const counts = await tally("equal.test", 60);
    // Each worker goes round for itself: two workers leave at most one round of difference each.
    for (const name of ["a", "b", "c"]) {
      assert.ok(Math.abs((counts[name] ?? 0) - 20) <= 2, JSON.stringify(counts));
    }
  });

  test("weights decide the shares", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    const [backend, ...rest] = lines.site("weights.test", [a.peer, b.peer]);
    assert.ok(backend !== undefined);
    await put({ ...backend, value: { ...(backend.value as object), weights: [9, 1] } }, ...rest); // a backend's value
    const counts = await tally("weights.test", 100);
    assert.ok(Math.abs((counts["a"] ?? 0) - 90) <= 3, JSON.stringify(counts));
  });

  test("the next request sees another endpoint, in every worker, and never the removed one", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await put(...lines.site("change.test", [a.peer]));
    for (let round = 0; round < 20; round++) {
      const [peer, name] = round % 2 === 0 ? [b.peer, "b"] : [a.peer, "a"];
      await put(lines.backend("test/change-test/80", [peer]));
      assert.deepEqual(await tally("change.test", 6), { [name]: 6 });
    }
  });

  test("a peer that refuses is passed over, and no peer is asked twice for one request", async () => {
    const breaking = await Promise.all(
      [1, 2, 3].map(() =>
        RawBackend.start((socket) => {
          socket.once("data", () => socket.destroy());
        }),
      ),
    );
    const refusing = `127.0.0.1:${await freePort()}`;
    const peers = breaking.map((one) => one.peer);
    await put(
      lines.backend("retry/web/80", [...peers, refusing]),
      lines.route("retry/i/all", "retry/web/80", { retry: { tries: 10, timeout_ms: 0 } }),
      lines.host("retry.test", { "/": "retry/i/all" }),
    );
    const answer = await ask(nginx.http, "retry.test");
    assert.deepEqual([answer.status, answer.text], [502, "502 bad gateway\n"]);
    assert.deepEqual(
      breaking.map((one) => one.connections),
      [1, 1, 1],
    );

    // Turns by weight alone would come back to the heavy peer at once.
    await put(lines.backend("retry/web/80", peers, { weights: [100, 1, 1] }));
    assert.equal((await ask(nginx.http, "retry.test")).status, 502);
    assert.deepEqual(
      breaking.map((one) => one.connections),
      [2, 2, 2],
    );

    await using alive = await Backend.start("alive");
    await put(lines.backend("retry/web/80", [...peers, refusing, alive.peer]));
    for (let i = 0; i < 20; i++) {
      assert.equal((await ask(nginx.http, "retry.test")).text, "alive");
    }
    assert.equal(alive.seen.length, 20);
    await Promise.all(breaking.map((one) => one[Symbol.asyncDispose]()));
  });

  test("the route says how many peers are asked at most", async () => {
    const breaking = await Promise.all(
      [1, 2, 3, 4].map(() => RawBackend.start((socket) => void socket.once("data", () => socket.destroy()))),
    );
    await put(
      lines.backend(
        "tries/web/80",
        breaking.map((one) => one.peer),
      ),
      lines.route("tries/i/all", "tries/web/80", { retry: { tries: 2, timeout_ms: 0 } }),
      lines.host("tries.test", { "/": "tries/i/all" }),
    );
    assert.equal((await ask(nginx.http, "tries.test")).status, 502);
    assert.equal(
      breaking.reduce((sum, one) => sum + one.connections, 0),
      2,
    );
    await Promise.all(breaking.map((one) => one[Symbol.asyncDispose]()));
  });

  test("no further try after the route's time", async () => {
    const silent = await Promise.all([1, 2, 3].map(() => RawBackend.start(() => {})));
    await put(
      lines.backend(
        "time/web/80",
        silent.map((one) => one.peer),
      ),
      lines.route("time/i/all", "time/web/80", {
        retry: { tries: 3, timeout_ms: 50 },
        timeouts: { connect_ms: 1000, send_ms: 1000, read_ms: 200 },
      }),
      lines.host("time.test", { "/": "time/i/all" }),
    );
    const answer = await ask(nginx.http, "time.test");
    assert.ok(answer.status >= 500, String(answer.status));
    assert.equal(
      silent.reduce((sum, one) => sum + one.connections, 0),
      1,
    );
    await Promise.all(silent.map((one) => one[Symbol.asyncDispose]()));
  });

  test("a request that may have changed something is not repeated", async () => {
    const breaking = await Promise.all(
      [1, 2].map(() => RawBackend.start((socket) => void socket.once("data", () => socket.destroy()))),
    );
    await put(
      ...lines.site(
        "post.test",
        breaking.map((one) => one.peer),
      ),
    );
    assert.equal((await ask(nginx.http, "post.test", { method: "POST", body: "x" })).status, 502);
    assert.equal(
      breaking.reduce((sum, one) => sum + one.connections, 0),
      1,
    );
    await Promise.all(breaking.map((one) => one[Symbol.asyncDispose]()));
  });

  test("times of the route are kept: 504 when a peer is silent", async () => {
    await using silent = await RawBackend.start(() => {});
    await put(
      lines.backend("slow/web/80", [silent.peer]),
      lines.route("slow/i/all", "slow/web/80", { timeouts: { connect_ms: 1000, send_ms: 1000, read_ms: 100 } }),
      lines.host("slow.test", { "/": "slow/i/all" }),
    );
    const answer = await ask(nginx.http, "slow.test");
    assert.deepEqual([answer.status, answer.text], [504, "504 gateway timeout\n"]);
  });

  test("connections to peers are kept, and one that the peer closed costs no request", async () => {
    let served = 0;
    await using closing = await RawBackend.start((socket) => {
      let count = 0;
      socket.on("data", () => {
        count += 1;
        if (count === 2) {
          // The kept connection dies just when it is used again.
          socket.destroy();
          return;
        }
        served += 1;
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    await put(...lines.site("kept.test", [closing.peer]));
    for (let i = 0; i < 20; i++) {
      assert.equal((await ask(nginx.http, "kept.test")).text, "ok");
    }
    assert.equal(served, 20);

    await using steady = await Backend.start("steady");
    const sockets = new Set<unknown>();
    steady.server.on("connection", (socket) => sockets.add(socket));
    await put(...lines.site("steady.test", [steady.peer]));
    await tally("steady.test", 20);
    assert.ok(sockets.size <= 2, `${sockets.size} connections for 20 requests`);
  });

  test("a request whose body takes its time goes to a peer of now", async () => {
    await using before = await Backend.start("before");
    await using now = await Backend.start("now");
    await put(...lines.site("body.test", [before.peer]));
    const { request } = await import("node:http");
    const text = await new Promise<string>((resolve, reject) => {
      const outgoing = request(
        { host: "127.0.0.1", port: nginx.http, method: "POST", headers: { host: "body.test", "content-length": 4 } },
        (incoming) => {
          let answer = "";
          incoming.on("data", (chunk) => (answer += String(chunk)));
          incoming.on("end", () => resolve(answer));
        },
      );
      outgoing.on("error", reject);
      outgoing.write("ab", () => {
        // nginx has routed when it answers another request on the same listener after these bytes.
        void tally("body.test", 4)
          .then(() => put(lines.backend("test/body-test/80", [now.peer])))
          .then(() => outgoing.end("cd"));
      });
    });
    assert.equal(text, "now");
  });

  test("weighted backends of a route share its requests", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await put(
      lines.backend("split/a/80", [a.peer]),
      lines.backend("split/b/80", [b.peer]),
      lines.route("split/i/all", "split/a/80", {
        backends: [
          { backend: "split/a/80", weight: 1 },
          { backend: "split/b/80", weight: 1 },
        ],
      }),
      lines.route("split/i/one", "split/a/80", {
        backends: [
          { backend: "split/a/80", weight: 0 },
          { backend: "split/b/80", weight: 1 },
        ],
      }),
      lines.host("split.test", { "/": "split/i/all" }),
      lines.host("one.test", { "/": "split/i/one" }),
    );
    const counts = await tally("split.test", 60);
    assert.ok((counts["a"] ?? 0) > 10 && (counts["b"] ?? 0) > 10, JSON.stringify(counts));
    assert.deepEqual(await tally("one.test", 20), { b: 20 });
  });
});
