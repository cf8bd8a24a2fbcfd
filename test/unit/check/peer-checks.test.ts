import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckedBackend, PeerChecks } from "../../../agent/check/peer-checks.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import type { PeerCheck } from "../../../agent/model/peer-check.ts";
import type { FailingPeers } from "../../../agent/nginx/push-client.ts";

const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };

const CHECK: PeerCheck = {
  kind: "http",
  port: 0,
  path: "/",
  host: "",
  service: "",
  status: { from: 200, to: 399 },
  intervalMs: 5000,
  timeoutMs: 2000,
  passes: 2,
  fails: 3,
};

function backend(addresses: readonly string[], check: Partial<PeerCheck> = {}): CheckedBackend {
  return { key: "ns/a/80", check: { ...CHECK, ...check }, peers: addresses.map((address) => ({ address, port: 80 })) };
}

/** A world in which time passes when it is told to, and peers are well or not as it is told. */
function world(first: readonly CheckedBackend[]) {
  const told: FailingPeers[] = [];
  const ill = new Map<string, string>();
  const asked: string[] = [];
  const made = {
    backends: first,
    now: 1_000_000,
    refuses: false,
    told,
    ill,
    asked,
    /** Lets seconds pass, and everything that is due in them happen. */
    async pass(seconds: number): Promise<void> {
      for (let i = 0; i < seconds * 2; i++) {
        made.now += 500;
        checks.tick();
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      }
    },
    /** What was told last of the backend. */
    last: () => told.at(-1)?.peers.map(({ address, cause }) => `${address} ${cause}`) ?? null,
  };
  const checks = new PeerChecks({
    backends: () => made.backends,
    tell: (failing) => {
      if (made.refuses) return Promise.reject(new Error("nginx is gone"));
      told.push(...failing);
      return Promise.resolve();
    },
    log: quiet,
    now: () => made.now,
    random: () => 0,
    probe: ({ address, port }) => {
      asked.push(`${address}:${port}`);
      return Promise.resolve(ill.get(address) ?? null);
    },
  });
  return { ...made, world: made, checks };
}

test("a peer is out after so many failures in a row, and back after so many answers", async () => {
  const { world: w } = world([backend(["10.0.0.1", "10.0.0.2"])]);
  await w.pass(1);
  assert.deepEqual(w.asked, ["10.0.0.1:80", "10.0.0.2:80"]);
  w.ill.set("10.0.0.1", "status 500");
  await w.pass(10);
  assert.equal(w.last(), null, "two failures are none yet");
  await w.pass(5);
  assert.deepEqual(w.last(), ["10.0.0.1:80 status 500"]);
  w.ill.clear();
  await w.pass(5);
  assert.deepEqual(w.last(), ["10.0.0.1:80 status 500"], "one answer is not enough");
  await w.pass(5);
  assert.deepEqual(w.last(), []);
  const before = w.told.length;
  await w.pass(60);
  assert.equal(w.told.length, before, "nothing is said while there is nothing to say");
});

test("failures that are not in a row are none", async () => {
  const { world: w } = world([backend(["10.0.0.1"])]);
  for (let i = 0; i < 4; i++) {
    w.ill.set("10.0.0.1", "timeout");
    await w.pass(10);
    w.ill.clear();
    await w.pass(5);
  }
  assert.equal(w.last(), null);
});

test("what holds for a while is said again before it ends, and once more where it was not taken", async () => {
  const { world: w } = world([backend(["10.0.0.1"], { fails: 1 })]);
  w.ill.set("10.0.0.1", "refused");
  await w.pass(1);
  const [said] = w.told;
  assert.equal(said?.ttlS, 30);
  await w.pass(30);
  assert.ok(w.told.length >= 3, `${w.told.length} times in 30 s`);
  w.refuses = true;
  await w.pass(60);
  const before = w.told.length;
  w.refuses = false;
  await w.pass(2);
  assert.equal(w.told.length, before + 1);
});

test("what holds is longer where checks are rare", async () => {
  const { world: w } = world([backend(["10.0.0.1"], { fails: 2, intervalMs: 60_000 })]);
  w.ill.set("10.0.0.1", "refused");
  await w.pass(70);
  assert.equal(w.told[0]?.ttlS, 186);
});

test("a peer that goes is forgotten, one that stays keeps its state, and so does a changed check", async () => {
  const { world: w } = world([backend(["10.0.0.1", "10.0.0.2"], { fails: 1 })]);
  w.ill.set("10.0.0.1", "refused").set("10.0.0.2", "refused");
  await w.pass(1);
  assert.equal(w.last()?.length, 2);
  w.backends = [backend(["10.0.0.2", "10.0.0.3"], { fails: 1, path: "/other" })];
  await w.pass(1);
  assert.deepEqual(w.last(), ["10.0.0.2:80 refused"]);
});

test("a Service that is not checked any more has no failing peers", async () => {
  const { world: w } = world([backend(["10.0.0.1"], { fails: 1 })]);
  w.ill.set("10.0.0.1", "refused");
  await w.pass(1);
  assert.equal(w.last()?.length, 1);
  w.backends = [];
  await w.pass(1);
  assert.deepEqual(w.last(), []);
  const asked = w.asked.length;
  await w.pass(20);
  assert.equal(w.asked.length, asked);
});

test("another port than the peer's is asked where the check says so", async () => {
  const { world: w } = world([backend(["10.0.0.1"], { port: 9090 })]);
  await w.pass(1);
  assert.deepEqual(w.asked, ["10.0.0.1:9090"]);
});

test("each peer is asked once in its interval, by one check at a time", async () => {
  const { world: w } = world([backend(Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`))]);
  await w.pass(20);
  const counts = new Map<string, number>();
  for (const peer of w.asked) counts.set(peer, (counts.get(peer) ?? 0) + 1);
  assert.equal(counts.size, 200);
  assert.ok(
    [...counts.values()].every((count) => count >= 3 && count <= 4),
    String([...counts.values()].slice(0, 5)),
  );
});
