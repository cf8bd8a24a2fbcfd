import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import type { Answer, FamilyAnswer, NameRecord } from "../../../agent/dns/answers.ts";
import { NameWatch } from "../../../agent/dns/name-watch.ts";
import { loadNames, saveNames } from "../../../agent/dns/names-file.ts";
import { createLogger } from "../../../agent/lib/log.ts";

const NONE: FamilyAnswer = { kind: "none", cause: "NXDOMAIN" };
const FAILED: Answer = { IPv4: { kind: "failed", cause: "timeout" }, IPv6: { kind: "failed", cause: "timeout" } };

function has(...addresses: readonly string[]): Answer {
  return { IPv4: { kind: "addresses", entries: addresses.map((address) => ({ address, ttl: 10 })) }, IPv6: NONE };
}

interface Setup {
  readonly watch: NameWatch;
  /** What DNS says now; a name that is not here is never answered. */
  readonly zone: Map<string, Answer>;
  readonly asked: string[];
  readonly changes: string[];
  readonly saved: (readonly NameRecord[])[];
  /** Names that are being asked for. */
  readonly open: Map<string, (answer: Answer) => void>;
  readonly pass: (ms: number) => Promise<void>;
}

function setup(t: TestContext, known: readonly NameRecord[] = []): Setup {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const zone = new Map<string, Answer>();
  const asked: string[] = [];
  const changes: string[] = [];
  const saved: (readonly NameRecord[])[] = [];
  const open = new Map<string, (answer: Answer) => void>();
  const watch = new NameWatch({
    lookUp: (name) => {
      asked.push(name);
      const { promise, resolve } = Promise.withResolvers<Answer>();
      const answer = zone.get(name);
      if (answer === undefined) open.set(name, resolve);
      else resolve(answer);
      return promise;
    },
    known,
    save: (records) => {
      saved.push(records);
      return Promise.resolve();
    },
    onChange: (services) => changes.push(services.join(" ")),
    now: () => Date.now(),
    log: createLogger({ level: "error", format: "json" }),
  });
  t.after(() => watch.stop());
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await nextTurn();
  };
  return { watch, zone, asked, changes, saved, open, pass };
}

test("asks for a name once for all its Services, again after its TTL, and tells only what changed", async (t) => {
  const { watch, zone, asked, changes, pass } = setup(t);
  zone.set("db.example.org", has("10.0.0.1"));
  watch.start();
  watch.follow("a/web", null, "db.example.org");
  watch.follow("b/web", null, "db.example.org");
  await pass(0);
  assert.deepEqual([asked.length, changes], [1, ["a/web b/web"]]);
  assert.deepEqual(watch.views.get("db.example.org"), { addresses: ["10.0.0.1"], trouble: null });
  await pass(9_999);
  assert.equal(asked.length, 1);
  await pass(1);
  assert.deepEqual([asked.length, changes.length], [2, 1]);
  zone.set("db.example.org", has("10.0.0.2"));
  await pass(10_000);
  assert.deepEqual([asked.length, changes.length], [3, 2]);
});

test("asks for nothing before it is started, and for no name that no Service is any more", async (t) => {
  const { watch, zone, asked, pass } = setup(t);
  zone.set("db.example.org", has("10.0.0.1"));
  watch.follow("a/web", null, "db.example.org");
  await pass(60_000);
  assert.deepEqual(asked, []);
  watch.start();
  await pass(0);
  watch.follow("a/web", "db.example.org", "new.example.org");
  await pass(60_000);
  assert.deepEqual(asked, ["db.example.org", "new.example.org"]);
  assert.equal(watch.views.has("db.example.org"), false);
});

test("an answer for a name that was left meanwhile changes nothing", async (t) => {
  const { watch, open, changes, pass } = setup(t);
  watch.start();
  watch.follow("a/web", null, "db.example.org");
  watch.follow("a/web", "db.example.org", null);
  open.get("db.example.org")?.(has("10.0.0.1"));
  await pass(60_000);
  assert.deepEqual([changes, watch.views.size], [[], 0]);
});

test("asks for a few names at a time, and those that failed have half of the places", async (t) => {
  const { watch, zone, open, asked, pass } = setup(t);
  watch.start();
  const dead = Array.from({ length: 6 }, (_, index) => `dead${index}.example.org`);
  for (const name of dead) {
    zone.set(name, FAILED);
    watch.follow(`a/${name}`, null, name);
  }
  await pass(0);
  assert.equal(asked.length, 6);
  // From now on nobody answers for them.
  zone.clear();
  await pass(5_000);
  assert.deepEqual([...open.keys()], dead.slice(0, 2));
  for (const name of ["a", "b", "c"]) watch.follow(`b/${name}`, null, `${name}.example.org`);
  await pass(0);
  assert.deepEqual([...open.keys()], [...dead.slice(0, 2), "a.example.org", "b.example.org"]);
  open.get("a.example.org")?.(has("10.0.0.1"));
  await pass(0);
  assert.equal(asked.at(-1), "c.example.org");
});

test("starts with what was known, and says how old it is when DNS fails", async (t) => {
  const known = { name: "db.example.org", addresses: ["10.0.0.1"], heardAt: 60_000, goneSince: null };
  const { watch, zone, changes, pass } = setup(t, [known]);
  watch.follow("a/web", null, "db.example.org");
  assert.deepEqual(watch.views.get("db.example.org"), { addresses: ["10.0.0.1"], trouble: null });
  zone.set("db.example.org", FAILED);
  watch.start();
  await pass(0);
  assert.deepEqual(watch.views.get("db.example.org"), {
    addresses: ["10.0.0.1"],
    trouble: { cause: "timeout", heard: "1970-01-01T00:01Z", until: null },
  });
  assert.deepEqual(changes, ["a/web"]);
});

test("keeps what it heard: soon where addresses changed, now and then where only time went on", async (t) => {
  const { watch, zone, saved, pass } = setup(t);
  zone.set("db.example.org", has("10.0.0.1"));
  watch.start();
  watch.follow("a/web", null, "db.example.org");
  watch.follow("a/dead", null, "dead.example.org");
  zone.set("dead.example.org", FAILED);
  await pass(0);
  await pass(1_000);
  // A name that was never heard of is asked anew.
  assert.deepEqual(saved, [[{ name: "db.example.org", addresses: ["10.0.0.1"], heardAt: 0, goneSince: null }]]);
  for (let second = 0; second < 290; second += 10) await pass(10_000);
  assert.equal(saved.length, 1);
  for (let second = 0; second < 30; second += 10) await pass(10_000);
  assert.equal(saved.length, 2);
  await pass(10_000);
  await watch.stop();
  assert.equal(saved.length, 3);
  assert.ok((saved[2]?.[0]?.heardAt ?? 0) > (saved[1]?.[0]?.heardAt ?? 0));
});

test("what is on disk comes back as it was; a file that cannot be read is none", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "headgate-names-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "names.json");
  assert.deepEqual(await loadNames(path), []);
  const records = [{ name: "db.example.org", addresses: ["10.0.0.1", "2001:db8::1"], heardAt: 1, goneSince: 2 }];
  await saveNames(path, records);
  assert.deepEqual(await loadNames(path), records);
  for (const text of ["", "{}", '[{"name":"a","addresses":["x"],"heardAt":1,"goneSince":null}]']) {
    await writeFile(path, text);
    assert.deepEqual(await loadNames(path), []);
  }
});
