// Retries are a share of a backend's requests: one that fails as a whole is not asked several times as often for it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { SettingValue } from "../../../agent/config/check-value.ts";
import type { RouteValue } from "../../../agent/render/documents.ts";
import { ask, Backend, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";

const BACKEND = "test/web/80";

function start(settings: Readonly<Record<string, SettingValue>>): Promise<TestNginx> {
  const held: Readonly<Record<string, SettingValue>> = { "health.enabled": false, ...settings };
  return TestNginx.start({ workers: 1, view: { traffic: buildTraffic((key) => held[key]) } });
}

async function put(nginx: TestNginx, peers: readonly string[], route: Partial<RouteValue> = {}): Promise<void> {
  const lines = new Lines();
  const pushed = [
    lines.backend(BACKEND, peers),
    lines.route("test/i/all", BACKEND, route),
    lines.host("web.test", { "/": "test/i/all" }),
  ];
  for (const { result, message } of await nginx.push.put(...pushed)) assert.equal(result, "applied", message);
}

async function statuses(nginx: TestNginx, count: number, atOnce = 1): Promise<Readonly<Record<number, number>>> {
  const found: Record<number, number> = {};
  const client = async (): Promise<void> => {
    for (let i = 0; i < count / atOnce; i++) {
      const { status } = await ask(nginx.http, "web.test");
      found[status] = (found[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return found;
}

const BREAKING = [1, 2, 3, 4] as const;

function breaking(): Promise<readonly RawBackend[]> {
  return Promise.all(
    BREAKING.map(() => RawBackend.start((socket) => void socket.once("data", () => socket.destroy()))),
  );
}

describe("the retry budget", () => {
  for (const atOnce of [1, 20]) {
    test(`a backend that fails as a whole gets a fifth more requests and not three times as many: ${atOnce} at once`, async () => {
      await using nginx = await start({ "proxy.retryBudgetMinPerS": 0 });
      const peers = await breaking();
      await put(
        nginx,
        peers.map(({ peer }) => peer),
      );
      assert.deepEqual(await statuses(nginx, 400, atOnce), { 502: 400 });
      const asked = peers.reduce((sum, { connections }) => sum + connections, 0);
      assert.ok(asked > 430 && asked <= 480, `${asked} tries for 400 requests`);
      for (const peer of peers) await peer[Symbol.asyncDispose]();
    });
  }

  test("over it the client gets the first failure: 504 stays 504", async () => {
    await using nginx = await start({ "proxy.retryBudgetMinPerS": 0, "proxy.retryBudgetPercent": 0 });
    const silent = await Promise.all([1, 2].map(() => RawBackend.start(() => {})));
    await put(
      nginx,
      silent.map(({ peer }) => peer),
      { timeouts: { connect_ms: 500, send_ms: 500, read_ms: 50 } },
    );
    await statuses(nginx, 1);
    assert.deepEqual(await statuses(nginx, 5), { 504: 5 });
    for (const peer of silent) await peer[Symbol.asyncDispose]();
  });

  test("a few are always allowed, and one dead peer of ten needs no more than the share", async () => {
    await using few = await start({ "proxy.retryBudgetPercent": 0, "proxy.retryBudgetMinPerS": 10 });
    const [broken, ...others] = await breaking();
    assert.ok(broken !== undefined);
    await using well = await Backend.start("well");
    await put(few, [broken.peer, well.peer]);
    assert.deepEqual(await statuses(few, 40), { 200: 40 });
    await using share = await start({ "proxy.retryBudgetMinPerS": 1 });
    const good = await Promise.all([..."abcdefghi"].map((name) => Backend.start(name)));
    await put(share, [broken.peer, ...good.map(({ peer }) => peer)]);
    assert.deepEqual(await statuses(share, 400), { 200: 400 });
    for (const peer of [broken, ...others, ...good]) await peer[Symbol.asyncDispose]();
  });

  test("a kept connection that the peer had closed is tried again also when nothing is left", async () => {
    await using nginx = await start({ "proxy.retryBudgetMinPerS": 0, "proxy.retryBudgetPercent": 0 });
    const closing = await Promise.all(
      [1, 2].map(() =>
        RawBackend.start((socket) => {
          let count = 0;
          socket.on("data", () => {
            count += 1;
            if (count === 2) socket.destroy();
            else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
          });
        }),
      ),
    );
    await put(
      nginx,
      closing.map(({ peer }) => peer),
    );
    const found = await statuses(nginx, 20);
    assert.ok((found[200] ?? 0) >= 19, JSON.stringify(found));
    for (const peer of closing) await peer[Symbol.asyncDispose]();
  });
});
