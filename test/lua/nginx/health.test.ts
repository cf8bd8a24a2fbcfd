// Passive health: peers that fail are ejected by all workers, tried again after a back-off, and back when they answer.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { SettingValue } from "../../../agent/config/check-value.ts";
import { PushClient } from "../../../agent/nginx/push-client.ts";
import type { FilterValue, RouteValue } from "../../../agent/render/documents.ts";
import { ask, Backend, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { freePort, TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const BACKEND = "test/web/80";

type Settings = Readonly<Record<string, SettingValue>>;

async function start(settings: Settings = {}, workers = 2): Promise<TestNginx> {
  const held: Settings = { "health.backOffS": 1, ...settings };
  return TestNginx.start({ workers, view: { traffic: buildTraffic((key) => held[key]) } });
}

interface PeersAnswer {
  readonly backends: readonly {
    readonly backend: string;
    readonly count: number;
    readonly panic: boolean;
    readonly peers: readonly {
      readonly address: string;
      readonly state: string;
      readonly since?: number;
      readonly until?: number;
    }[];
  }[];
}

class Site {
  readonly nginx: TestNginx;
  readonly lines = new Lines();

  constructor(nginx: TestNginx) {
    this.nginx = nginx;
  }

  async put(peers: readonly string[], route: Partial<RouteValue> = {}): Promise<void> {
    const lines = [
      this.lines.backend(BACKEND, peers),
      this.lines.route("test/i/all", BACKEND, route),
      this.lines.host("web.test", { "/": "test/i/all" }),
    ];
    for (const { result, message } of await this.nginx.push.put(...lines)) assert.equal(result, "applied", message);
  }

  /** Asks so often; gives how often each text came. */
  async tally(count: number, method = "GET"): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const { status, text } = await ask(this.nginx.http, "web.test", { method });
      const what = status === 200 ? text : String(status);
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return counts;
  }
}

/** A peer that can be told to break connections, and counts what it got. */
async function breakable(name: string): Promise<Backend & { broken: boolean; hits: number }> {
  const backend = Object.assign(await Backend.start(name), { broken: false, hits: 0 });
  backend.answer = (incoming, outgoing) => {
    backend.hits += 1;
    if (backend.broken) incoming.socket.destroy();
    else outgoing.end(name);
  };
  return backend;
}

describe("passive health", () => {
  test("a peer that breaks is out for all workers, tried once per back-off, and back when it answers", async () => {
    await using nginx = await start({}, 4);
    await using a = await breakable("a");
    await using b = await breakable("b");
    await using c = await breakable("c");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer, c.peer]);
    a.broken = true;
    const first = await site.tally(60);
    assert.deepEqual(Object.keys(first).sort(), ["b", "c"]);
    assert.ok(a.hits <= 4 * 3, `${a.hits} requests of 60 met the broken peer of 4 workers`);
    a.hits = 0;
    // Within the back-off nobody asks it; later only one request at a time does.
    const begin = Date.now();
    await site.tally(200);
    const backOffs = 1 + (Date.now() - begin) / 1000;
    assert.ok(a.hits <= backOffs, `${a.hits} requests met it`);
    a.broken = false;
    await eventually("it is used again", async () => ((await site.tally(6))["a"] ?? 0) >= 2);
    assert.match(nginx.errorLog(), /is ejected for 1\.0 s: reset/);
  });

  test("one of ten dies under load: no error, next to no request meets it, and it is back in time", async () => {
    const backOffS = 2;
    await using nginx = await start({ "health.backOffS": backOffS });
    const peers = await Promise.all([..."abcdefghij"].map(breakable));
    const [dying] = peers;
    assert.ok(dying !== undefined);
    const site = new Site(nginx);
    await site.put(peers.map(({ peer }) => peer));
    const counts = { asked: 0, failed: 0 };
    const load = async (until: () => boolean): Promise<void> => {
      const client = async (): Promise<void> => {
        while (!until()) {
          const { status } = await ask(nginx.http, "web.test");
          counts.asked += 1;
          if (status !== 200) counts.failed += 1;
        }
      };
      await Promise.all(Array.from({ length: 8 }, client));
    };
    const end = Date.now() + 500;
    await load(() => Date.now() > end);
    dying.broken = true;
    dying.hits = 0;
    await load(() => nginx.errorLog().includes("is ejected"));
    // Some requests are on their way to it still.
    assert.ok(dying.hits <= 2 * 3 + 8, `${dying.hits} requests met it before it was ejected`);
    dying.hits = 0;
    counts.asked = 0;
    const enough = Date.now() + 1000 * (3 * backOffS - 0.5);
    await load(() => Date.now() > enough && counts.asked >= 2000);
    const share = `${dying.hits} of ${counts.asked} requests met it`;
    assert.ok(dying.hits <= Math.max(2, counts.asked / 1000), share);
    assert.equal(counts.failed, 0);
    dying.broken = false;
    dying.hits = 0;
    // By now it was ejected twice: its back-off is twice the first.
    const mended = Date.now();
    await load(() => dying.hits >= 20);
    const took = Date.now() - mended;
    assert.ok(took <= 2 * 2 * 1000 * backOffS, `back after ${took} ms`);
    assert.equal(counts.failed, 0);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("a peer that refuses connections is out, and not one of few", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    await using a = await breakable("a");
    const gone = `127.0.0.1:${await freePort()}`;
    const site = new Site(nginx);
    await site.put([gone, a.peer]);
    assert.deepEqual(await site.tally(20), { a: 20 });
    assert.match(nginx.errorLog(), /is ejected for 60\.0 s: connect/);
    a.broken = true;
    // The one that is left stays in use, and the other is asked last.
    assert.deepEqual(await site.tally(5), { 502: 5 });
    a.broken = false;
    assert.deepEqual(await site.tally(5), { a: 5 });
  });

  test("peers that say 503 are out, others' 500 and what is not sent twice is not counted against them", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    a.answer = (_, outgoing) => outgoing.writeHead(500).end();
    b.answer = (_, outgoing) => outgoing.writeHead(503).end();
    await using c = await Backend.start("c");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer, c.peer]);
    await site.tally(12);
    assert.deepEqual(await site.tally(12), { 500: 6, c: 6 });
    assert.match(nginx.errorLog(), /is ejected for 60\.0 s: status 503/);
  });

  test("failures of what is not sent twice count too", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    await using a = await breakable("a");
    await using b = await breakable("b");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer]);
    a.broken = true;
    assert.deepEqual(await site.tally(20, "POST"), { 502: 3, b: 17 });
  });

  test("a peer whose answers do not come is out: 504", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    await using silent = await RawBackend.start(() => {});
    await using a = await Backend.start("a");
    const site = new Site(nginx);
    await site.put([silent.peer, a.peer], { timeouts: { connect_ms: 500, send_ms: 500, read_ms: 50 } });
    assert.deepEqual(await site.tally(20), { a: 20 });
    assert.equal(silent.connections, 3);
    assert.match(nginx.errorLog(), /is ejected for 60\.0 s: timeout/);
  });

  test("at most half of the peers are out", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    const peers = await Promise.all(["a", "b", "c", "d"].map(breakable));
    const site = new Site(nginx);
    await site.put(peers.map(({ peer }) => peer));
    for (const peer of peers) peer.broken = true;
    await site.tally(20);
    for (const peer of peers) {
      peer.broken = false;
      peer.hits = 0;
    }
    await site.tally(40);
    assert.equal(peers.filter(({ hits }) => hits === 0).length, 2);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  test("when the peers that are left are those that are out, all are used", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 1);
    await using a = await breakable("a");
    await using b = await breakable("b");
    await using c = await breakable("c");
    await using d = await breakable("d");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer, c.peer, d.peer]);
    a.broken = true;
    b.broken = true;
    await site.tally(20);
    a.broken = false;
    b.broken = false;
    assert.deepEqual(await site.tally(20), { c: 10, d: 10 });
    await site.put([a.peer, b.peer]);
    const { a: first = 0, b: second = 0 } = await site.tally(20);
    assert.equal(first + second, 20);
    assert.match(nginx.errorLog(), /answers and is used again/);
  });

  test("what is known of a peer goes with it: a new one of the same address is used", async () => {
    await using nginx = await start({ "health.backOffS": 300 }, 2);
    await using a = await breakable("a");
    await using b = await breakable("b");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer]);
    a.broken = true;
    await site.tally(30);
    a.broken = false;
    assert.deepEqual(await site.tally(10), { b: 10 });
    await site.put([b.peer]);
    await eventually("the record is gone", async () => {
      await site.put([a.peer, b.peer]);
      if (((await site.tally(4))["a"] ?? 0) > 0) return true;
      await site.put([b.peer]);
      return false;
    });
  });

  const WAYS: readonly FilterValue[] = [
    { kind: "balance", by: "ewma" },
    { kind: "balance", by: "hash", key: ["$arg_user"], bound: 0 },
  ];
  for (const filter of WAYS) {
    test(`by ${filter.kind === "balance" ? filter.by : ""}: out and back as in turn`, async () => {
      await using nginx = await start();
      const peers = await Promise.all(["a", "b", "c"].map(breakable));
      const [a] = peers;
      assert.ok(a !== undefined);
      const site = new Site(nginx);
      await site.put(
        peers.map(({ peer }) => peer),
        { filters: [filter] },
      );
      const users = async (): Promise<void> => {
        for (let user = 0; user < 30; user++) {
          assert.equal((await ask(nginx.http, "web.test", { path: `/?user=${user}` })).status, 200);
        }
      };
      a.broken = true;
      await users();
      await users();
      a.hits = 0;
      const begin = Date.now();
      await users();
      assert.ok(a.hits <= 1 + (Date.now() - begin) / 1000, `${a.hits} met the broken peer`);
      a.broken = false;
      a.hits = 0;
      await eventually("it is used again", async () => {
        await users();
        return a.hits >= 4;
      });
      for (const peer of peers) await peer[Symbol.asyncDispose]();
    });
  }

  test("what is not sent twice tries no peer in the first half of a further back-off, and does later", async () => {
    await using nginx = await start({ "health.backOffS": 2 }, 1);
    await using a = await breakable("a");
    await using b = await breakable("b");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer]);
    a.broken = true;
    await site.tally(10);
    const ejected = Date.now();
    a.broken = false;
    a.hits = 0;
    await eventually("a POST reaches it", async () => {
      await site.tally(2, "POST");
      return a.hits > 0;
    });
    assert.ok(Date.now() - ejected >= 2_900, `after ${Date.now() - ejected} ms`);
  });

  test("the API and the metrics tell who is out, why, and since when", async () => {
    await using nginx = await start({ "health.backOffS": 60 }, 2);
    await using a = await breakable("a");
    await using b = await breakable("b");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer]);
    assert.deepEqual(await nginx.push.json("GET", "/v1/peers"), { backends: [] });
    a.broken = true;
    const before = Date.now() / 1000;
    await site.tally(20);
    const { backends } = await nginx.push.json<PeersAnswer>("GET", "/v1/peers");
    const [{ peers, ...backend } = assert.fail("no backend")] = backends;
    assert.deepEqual(backend, { backend: BACKEND, count: 2, panic: false });
    const [{ since = 0, until = 0, ...peer } = assert.fail("no peer"), ...others] = peers;
    assert.deepEqual(others, []);
    assert.deepEqual(peer, { address: a.peer, state: "ejected", cause: "reset", ejections: 1, failures: 3 });
    assert.ok(since >= before - 1 && since <= before + 10 && Math.abs(until - since - 60) < 0.01, `${since} ${until}`);
    const whole = await nginx.push.json<PeersAnswer["backends"][0]>("GET", `/v1/peers/${BACKEND}`);
    const states = new Map(whole.peers.map(({ address, state }) => [address, state]));
    assert.deepEqual([states.size, states.get(a.peer), states.get(b.peer)], [2, "ejected", "well"]);
    assert.equal((await nginx.push.call("GET", "/v1/peers/test/none/80")).status, 404);
    const { ejected: named } = await nginx.push.json<{ readonly ejected: readonly string[] }>(
      "GET",
      "/v1/explain?host=web.test&path=/",
    );
    assert.deepEqual(named, [a.peer]);
    // As the agent reads it.
    const client = new PushClient(nginx.pushSocket);
    const ejected = await client.ejected(AbortSignal.timeout(5000));
    client.close();
    assert.deepEqual([...ejected], [[BACKEND, [{ address: a.peer, cause: "reset", since: since * 1000 }]]]);
    const labels = '{namespace="test",service="web",port="80"}';
    await eventually("the metrics tell it", async () => {
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      return (
        text.includes(`headgate_peers_ejected${labels} 1\n`) &&
        text.includes(`headgate_peer_ejections_total${labels} 1\n`)
      );
    });
  });

  test("off by the configuration: nobody is ejected", async () => {
    await using nginx = await start({ "health.enabled": false }, 1);
    await using a = await breakable("a");
    await using b = await breakable("b");
    const site = new Site(nginx);
    await site.put([a.peer, b.peer]);
    a.broken = true;
    await site.tally(20);
    assert.ok(a.hits >= 10, `${a.hits} hits`);
  });
});
