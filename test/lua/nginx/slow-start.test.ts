// Slow start: a peer that is new gets a tenth of its share at first, and all of it when its time is over.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { BackendValue, FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const BACKEND = "test/web/80";
const CLIENTS = 10;
const WAYS: readonly (readonly FilterValue[])[] = [[], [{ kind: "balance", by: "ewma" }]];

class Site {
  readonly nginx: TestNginx;
  readonly lines = new Lines();

  constructor(nginx: TestNginx) {
    this.nginx = nginx;
  }

  async route(filters: readonly FilterValue[] = []): Promise<void> {
    await this.nginx.push.put(
      this.lines.route("test/i/all", BACKEND, { filters }),
      this.lines.host("web.test", { "/": "test/i/all" }),
    );
  }

  async peers(peers: readonly Backend[], change: Partial<BackendValue> = {}): Promise<void> {
    const names = peers.map(({ peer }) => peer);
    const [result] = await this.nginx.push.put(this.lines.backend(BACKEND, names, change));
    assert.equal(result?.result, "applied", result?.message);
  }

  async tally(count: number): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    // Some at a time: peak EWMA has something to weigh then.
    const client = async (): Promise<void> => {
      for (let i = 0; i < count / CLIENTS; i++) {
        const { status, text } = await ask(this.nginx.http, "web.test");
        assert.equal(status, 200);
        counts[text] = (counts[text] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    return counts;
  }
}

describe("slow start", () => {
  for (const filters of WAYS) {
    test(`a new peer's share grows: ${filters.length === 0 ? "in turn" : "by peak EWMA"}`, async () => {
      await using nginx = await TestNginx.start();
      await using a = await Backend.start("a");
      await using b = await Backend.start("b");
      await using c = await Backend.start("c");
      for (const backend of [a, b, c]) {
        backend.answer = (_, outgoing) => void setTimeout(() => outgoing.end(backend.name), 10);
      }
      const site = new Site(nginx);
      const slow = { slow_start_s: 600 };
      await site.peers([a, b], slow);
      await site.route(filters);
      // Those of the first document are not new.
      const first = await site.tally(40);
      assert.ok((first["a"] ?? 0) >= 1 && (first["b"] ?? 0) >= 1, JSON.stringify(first));
      await site.peers([a, b, c], slow);
      const young = await site.tally(300);
      assert.ok((young["c"] ?? 0) <= 50 && (young["a"] ?? 0) >= 60, JSON.stringify(young));
      // A push in between changes nothing of its time.
      await site.peers([a, b, c], { ...slow, weights: [1, 1, 1] });
      assert.ok(((await site.tally(100))["c"] ?? 0) <= 22);
      await site.peers([a, b, c], { slow_start_s: 0 });
      const grown = await site.tally(300);
      assert.ok((grown["c"] ?? 0) >= 60, JSON.stringify(grown));
    });
  }

  test("after its time it has its share", async () => {
    const held = new Map([["proxy.slowStartS", 4]]);
    await using nginx = await TestNginx.start({ view: { traffic: buildTraffic((key) => held.get(key)) } });
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    const site = new Site(nginx);
    await site.peers([a]);
    await site.route();
    await site.peers([a, b]);
    const over = performance.now() + 4500;
    assert.ok(((await site.tally(60))["b"] ?? 0) <= 25);
    // Not until it has it once: while the share grows, some count is high by chance.
    await eventually("its time is over", () => performance.now() > over);
    assert.ok(((await site.tally(60))["b"] ?? 0) >= 27);
    // A push that does not count leaves no mark.
    const stale = { ...site.lines.backend(BACKEND, [b.peer]), generation: 1 };
    assert.equal((await nginx.push.put(stale))[0]?.result, "stale");
    assert.ok(((await site.tally(60))["b"] ?? 0) >= 25);
  });

  test("where all peers are new, or the others fail, the new ones get it all", async () => {
    await using nginx = await TestNginx.start();
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await using c = await Backend.start("c");
    const site = new Site(nginx);
    const slow = { slow_start_s: 600 };
    await site.peers([a], slow);
    await site.route();
    await site.peers([b, c], slow);
    const both = await site.tally(100);
    assert.ok((both["b"] ?? 0) >= 25 && (both["c"] ?? 0) >= 25, JSON.stringify(both));
    a.answer = (incoming) => incoming.socket.destroy();
    await site.peers([a, b, c], slow);
    await site.tally(50);
  });
});
