// Least connections: one count for all workers, which a killed one leaves as it should be.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const BACKEND = "test/web/80";
const LEAST: FilterValue = { kind: "balance", by: "least_conn" };

interface Peers {
  readonly peers: readonly { readonly address: string; readonly in_flight?: number }[];
}

/** A peer that answers when it is told, and counts who waits. */
class Holding implements AsyncDisposable {
  readonly backend: Backend;
  waiting: (() => void)[] = [];

  private constructor(backend: Backend) {
    this.backend = backend;
    backend.answer = (incoming, outgoing) => {
      if (incoming.url === "/now") return void outgoing.end(backend.name);
      const answer = (): void => void outgoing.end(backend.name);
      this.waiting.push(answer);
      outgoing.on("close", () => (this.waiting = this.waiting.filter((other) => other !== answer)));
    };
  }

  static async start(name: string): Promise<Holding> {
    return new Holding(await Backend.start(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend[Symbol.asyncDispose]();
  }
}

async function put(nginx: TestNginx, peers: readonly Holding[], weights?: readonly number[]): Promise<void> {
  const lines = new Lines();
  const names = peers.map(({ backend }) => backend.peer);
  const pushed = [
    lines.backend(BACKEND, names, weights === undefined ? {} : { weights }),
    lines.route("test/i/all", BACKEND, { filters: [LEAST] }),
    lines.host("web.test", { "/": "test/i/all" }),
  ];
  for (const { result, message } of await nginx.push.put(...pushed)) assert.equal(result, "applied", message);
}

async function inFlight(nginx: TestNginx): Promise<readonly number[]> {
  // Any worker may answer, also one that has not balanced to it yet.
  const { peers } = await nginx.push.json<Peers>("GET", `/v1/peers/${BACKEND}`);
  return peers.map((peer) => peer.in_flight ?? -1);
}

function waits(peers: readonly Holding[]): readonly number[] {
  return peers.map(({ waiting }) => waiting.length);
}

describe("least connections", () => {
  test("requests that wait are spread evenly over all workers, by weight", async () => {
    await using nginx = await TestNginx.start({ workers: 4 });
    const peers = await Promise.all(["a", "b", "c"].map((name) => Holding.start(name)));
    await put(nginx, peers, [2, 1, 1]);
    const asked: Promise<unknown>[] = [];
    for (let round = 1; round <= 40; round++) {
      asked.push(ask(nginx.http, "web.test").catch(() => null));
      await eventually("it waits", () => waits(peers).reduce((sum, one) => sum + one, 0) === round);
    }
    assert.deepEqual(waits(peers), [20, 10, 10]);
    // One that is free again gets the next.
    const [, b] = peers;
    assert.ok(b !== undefined);
    const before = b.waiting;
    for (const answer of before) answer();
    await eventually("they are gone", () => b.waiting.length === 0);
    await eventually("they are counted as gone", async () => (await inFlight(nginx)).includes(0));
    for (let round = 0; round < 5; round++)
      assert.equal((await ask(nginx.http, "web.test", { path: "/now" })).text, "b");
    for (const { waiting } of peers) for (const answer of waiting) answer();
    await Promise.all(asked);
    await eventually("nothing is in flight", async () => (await inFlight(nginx)).every((count) => count === 0));
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("what a killed worker held is taken off the sum", async () => {
    await using nginx = await TestNginx.start({ workers: 2 });
    const peers = await Promise.all(["a", "b"].map((name) => Holding.start(name)));
    await put(nginx, peers);
    const asked = Array.from({ length: 40 }, () => ask(nginx.http, "web.test").catch(() => null));
    await eventually("all wait", () => waits(peers).reduce((sum, one) => sum + one, 0) === 40);
    assert.deepEqual(await inFlight(nginx), [20, 20]);
    const [killed] = (await nginx.push.state()).workers;
    assert.ok(killed !== undefined);
    process.kill(killed.pid, "SIGKILL");
    // Its connections to the peers end with it.
    await eventually("its requests are off the sum", async () => {
      const now = waits(peers);
      const counted = await inFlight(nginx);
      return now.some((one) => one < 20) && now.every((one, index) => one === counted[index]);
    });
    for (const { waiting } of peers) for (const answer of waiting) answer();
    await Promise.all(asked);
    await eventually("nothing is in flight", async () => (await inFlight(nginx)).every((count) => count === 0));
    for (let round = 0; round < 20; round++) {
      assert.equal((await ask(nginx.http, "web.test", { path: "/now" })).status, 200);
    }
    assert.deepEqual(await inFlight(nginx), [0, 0]);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });
});
