import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { ConfigurationLane } from "../../../agent/apply/configuration-lane.ts";
import { AgentError } from "../../../agent/lib/errors.ts";
import type { Logger } from "../../../agent/lib/log.ts";
import { FakeDataPlane } from "../../fakes/data-plane.ts";

const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet };

interface World {
  readonly plane: FakeDataPlane;
  readonly lane: ConfigurationLane;
  readonly results: string[];
  tick(ms: number): Promise<void>;
  submit(generation: number): void;
}

function world(t: TestContext): World {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const plane = new FakeDataPlane();
  const results: string[] = [];
  const lane = new ConfigurationLane({
    dataPlane: plane,
    holdoffMs: 500,
    holdoffMsMax: 2000,
    now: () => Date.now(),
    log: quiet,
    onResult: (step, error) => results.push(`${step.generation} ${error?.code ?? "ok"}`),
  });
  return {
    plane,
    lane,
    results,
    async tick(ms) {
      t.mock.timers.tick(ms);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    },
    submit: (generation) => lane.submit({ kind: "configure", generation, files: [], reason: `reason ${generation}` }),
  };
}

test("steps that follow each other cost one reload, of the last", async (t) => {
  const w = world(t);
  for (const generation of [1, 2, 3]) {
    w.submit(generation);
    await w.tick(400);
  }
  await w.tick(100);
  assert.deepEqual(w.results, ["3 ok"]);
  assert.deepEqual(
    w.plane.configured.map(({ generation }) => generation),
    [3],
  );
  assert.equal(w.lane.reloads.total, 1);
  assert.equal(w.lane.reloads.lastReason, "reason 3");
});

test("a step waits no longer than the limit, however many come after it", async (t) => {
  const w = world(t);
  for (let generation = 1; generation <= 10; generation++) {
    w.submit(generation);
    await w.tick(400);
  }
  assert.ok(w.results.length >= 1, "nothing was done in four seconds");
});

test("a refused configuration counts as no reload", async (t) => {
  const w = world(t);
  w.plane.configure = () => Promise.reject(new AgentError("nginx-candidate", "refused"));
  w.submit(1);
  await w.tick(500);
  assert.deepEqual(w.results, ["1 nginx-candidate"]);
  assert.equal(w.lane.reloads.total, 0);
});

test("what waits at the end is not done", async (t) => {
  const w = world(t);
  w.submit(1);
  await w.lane.stop();
  await w.tick(5000);
  assert.deepEqual(w.plane.configured, []);
});
