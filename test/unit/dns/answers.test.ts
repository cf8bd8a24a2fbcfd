import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Answer,
  type FamilyAnswer,
  GONE_MS_MAX,
  type NameState,
  nextState,
  viewOf,
} from "../../../agent/dns/answers.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const EMPTY: FamilyAnswer = { kind: "none", cause: "no A or AAAA record" };
const NXDOMAIN: FamilyAnswer = { kind: "none", cause: "NXDOMAIN" };
const TIMEOUT: FamilyAnswer = { kind: "failed", cause: "timeout" };
const SERVFAIL: FamilyAnswer = { kind: "failed", cause: "SERVFAIL" };
const UNKNOWN: NameState = {
  record: { name: "db.example.org", addresses: [], heardAt: null, goneSince: null },
  failures: 0,
  trouble: null,
};

function some(addresses: readonly string[], ttl = 60): FamilyAnswer {
  return { kind: "addresses", entries: addresses.map((address) => ({ address, ttl })) };
}
const answer = (IPv4: FamilyAnswer, IPv6: FamilyAnswer = EMPTY): Answer => ({ IPv4, IPv6 });
const heard = (...given: readonly Answer[]): NameState =>
  given.reduce((state, each, index) => nextState(state, each, NOW + index * 1000).state, UNKNOWN);

test("addresses of both families count, sorted, each once", () => {
  const state = heard(answer(some(["10.0.0.2", "10.0.0.1", "10.0.0.2"]), some(["2001:db8::1"])));
  assert.deepEqual(viewOf(state), { addresses: ["10.0.0.1", "10.0.0.2", "2001:db8::1"], trouble: null });
  assert.equal(state.record.heardAt, NOW);
});

test("asks again by the smallest TTL, not before 5 s and not after 300 s", () => {
  const nextMs = (...ttls: readonly number[]): number => {
    const entries = ttls.map((ttl, index) => ({ address: `10.0.0.${index}`, ttl }));
    return nextState(UNKNOWN, answer({ kind: "addresses", entries }), NOW).nextMs;
  };
  assert.deepEqual([nextMs(60, 30, 90), nextMs(0), nextMs(86_400)], [30_000, 5_000, 300_000]);
});

test("a failure keeps the addresses, says how old they are, and is tried again ever later", () => {
  let state = heard(answer(some(["10.0.0.1"])));
  const waits: number[] = [];
  for (let minute = 1; minute <= 6; minute++) {
    const next = nextState(state, answer(minute === 1 ? TIMEOUT : SERVFAIL, TIMEOUT), NOW + minute * 60_000);
    state = next.state;
    waits.push(next.nextMs);
  }
  assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  // The first cause: a text that changed with each failure would be news each time.
  const trouble = { cause: "timeout", heard: "2026-01-02T03:04Z", until: null };
  assert.deepEqual(viewOf(state), { addresses: ["10.0.0.1"], trouble });
  const days = nextState(state, answer(TIMEOUT, TIMEOUT), NOW + 10 * 86_400_000).state;
  assert.deepEqual(days.record.addresses, ["10.0.0.1"]);
  const again = nextState(days, answer(some(["10.0.0.1"])), NOW);
  assert.deepEqual([again.state.trouble, again.state.failures, again.nextMs], [null, 0, 60_000]);
});

test("a name that is gone or empty keeps its addresses for an hour of such answers, then has none", () => {
  for (const none of [NXDOMAIN, EMPTY]) {
    const served = heard(answer(some(["10.0.0.1"])));
    const gone = nextState(served, answer(none, none), NOW).state;
    const { cause } = none as { cause: string }; // of kind none
    const trouble = { cause, heard: "2026-01-02T03:04Z", until: "2026-01-02T04:04Z" };
    assert.deepEqual(viewOf(gone), { addresses: ["10.0.0.1"], trouble });
    const nearly = nextState(gone, answer(none, none), NOW + GONE_MS_MAX - 1).state;
    assert.deepEqual(nearly.record.addresses, ["10.0.0.1"]);
    // Silence says nothing about the name.
    const silent: NameState = nextState(nearly, answer(TIMEOUT, TIMEOUT), NOW + 2 * GONE_MS_MAX).state;
    assert.deepEqual(silent.record.addresses, ["10.0.0.1"]);
    const over = nextState(silent, answer(none, none), NOW + 2 * GONE_MS_MAX).state;
    assert.deepEqual(viewOf(over), { addresses: [], trouble: { ...trouble, until: null } });
  }
});

test("an answer with addresses begins the hour anew", () => {
  const gone = heard(answer(some(["10.0.0.1"])), answer(NXDOMAIN, NXDOMAIN), answer(some(["10.0.0.2"])));
  assert.equal(gone.record.goneSince, null);
  const again = nextState(gone, answer(NXDOMAIN, NXDOMAIN), NOW + GONE_MS_MAX).state;
  assert.deepEqual(again.record.addresses, ["10.0.0.2"]);
});

test("where one family fails, its addresses stay beside the new ones of the other", () => {
  const both = heard(answer(some(["10.0.0.1"]), some(["2001:db8::1"])));
  const half = nextState(both, answer(some(["10.0.0.2"]), SERVFAIL), NOW + 1000).state;
  assert.deepEqual(half.record.addresses, ["10.0.0.2", "2001:db8::1"]);
  assert.deepEqual(half.trouble, { kind: "failed", cause: "SERVFAIL" });
  assert.equal(half.record.heardAt, NOW);
  // The other one says that there are none any more.
  assert.deepEqual(nextState(both, answer(some(["10.0.0.2"])), NOW).state.record.addresses, ["10.0.0.2"]);
});

test("a family that always fails and has no addresses is no trouble", () => {
  const { state, nextMs } = nextState(UNKNOWN, answer(some(["10.0.0.1"]), SERVFAIL), NOW);
  assert.deepEqual([state.trouble, nextMs], [null, 60_000]);
});

test("a name that never had an address has none, and says why", () => {
  const trouble = { cause: "NXDOMAIN", heard: "", until: null };
  assert.deepEqual(viewOf(heard(answer(NXDOMAIN, NXDOMAIN))), { addresses: [], trouble });
});
