import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigurationLane } from "../../../agent/apply/configuration-lane.ts";
import { Configurator } from "../../../agent/loop/configurator.ts";
import type { NginxWish } from "../../../agent/plan/plan-configuration.ts";
import { NO_MUTUAL_TLS } from "../../../agent/render/mutual-tls.ts";
import type { Step } from "../../../agent/plan/steps.ts";
import { wish } from "../../support/nginx-wish.ts";

interface World {
  readonly configurator: Configurator;
  readonly steps: Step[];
  readonly order: string[];
}

function world(): World {
  const steps: Step[] = [];
  const order: string[] = [];
  let generation = 10;
  const lane = {
    submit: (step: Step) => {
      order.push("submit");
      steps.push(step);
    },
  } as unknown as ConfigurationLane; // the one method that a Configurator calls
  const configurator = new Configurator(
    {
      lane,
      nextGeneration: () => ++generation,
      render: (wanted: NginxWish, of: number) => [{ path: "nginx.conf", text: JSON.stringify({ ...wanted, of }) }],
      flushSnapshot: () => {
        order.push("snapshot");
        return Promise.resolve();
      },
    },
    wish,
  );
  return { configurator, steps, order };
}

test("what runs as wanted needs no step", async () => {
  const { configurator, steps } = world();
  await configurator.running(null);
  await configurator.want({ ...wish });
  await configurator.grow({ documentBytes: 1000, peers: 10, verified: [], variants: [], mutualTls: NO_MUTUAL_TLS });
  assert.deepEqual(steps, []);
});

test("what runs otherwise than wanted is reloaded, with the reason that was found", async () => {
  const { configurator, steps } = world();
  await configurator.running("the agent was started anew");
  assert.deepEqual(
    steps.map((step) => step.reason),
    ["the agent was started anew"],
  );
});

test("the shared dicts grow with the documents, from a snapshot that was written just before", async () => {
  const { configurator, steps, order } = world();
  await configurator.running(null);
  await configurator.grow({
    documentBytes: 9 * 1024 * 1024,
    peers: 10,
    verified: [],
    variants: [],
    mutualTls: NO_MUTUAL_TLS,
  });
  assert.deepEqual(order, ["snapshot", "submit"]);
  assert.match(steps[0]?.reason ?? "", /documentsDictMb, versionsDictMb changed/);
  // The same size again is no other wish.
  await configurator.grow({
    documentBytes: 9 * 1024 * 1024,
    peers: 10,
    verified: [],
    variants: [],
    mutualTls: NO_MUTUAL_TLS,
  });
  assert.equal(steps.length, 1);
});

test("a changed configuration keeps the size that the dicts have grown to", async () => {
  const { configurator, steps } = world();
  await configurator.running(null);
  await configurator.grow({
    documentBytes: 9 * 1024 * 1024,
    peers: 10,
    verified: [],
    variants: [],
    mutualTls: NO_MUTUAL_TLS,
  });
  configurator.applied(11);
  await configurator.want({ ...wish, clientMaxBodyMb: 9 });
  assert.equal(steps[1]?.reason, "clientMaxBodyMb changed");
});

test("a step that failed is tried again by the next wish", async () => {
  const { configurator, steps } = world();
  await configurator.running(null);
  await configurator.want({ ...wish, clientMaxBodyMb: 9 });
  await configurator.want({ ...wish, clientMaxBodyMb: 9 });
  assert.equal(steps.length, 2);
  configurator.applied(12);
  await configurator.want({ ...wish, clientMaxBodyMb: 9 });
  assert.equal(steps.length, 2);
});

test("a forecast says what growing would do, and does nothing", async () => {
  const { configurator, steps, order } = world();
  await configurator.running(null);
  const small = { documentBytes: 1000, peers: 10, verified: [], variants: [], mutualTls: NO_MUTUAL_TLS };
  const large = { documentBytes: 9 * 1024 * 1024, peers: 1000, verified: [], variants: [], mutualTls: NO_MUTUAL_TLS };
  const none = configurator.forecast(small);
  assert.equal(none.reason, null);
  assert.equal(none.after, none.before);
  const forecast = configurator.forecast(large);
  assert.deepEqual([steps, order], [[], []]);
  assert.deepEqual(forecast.before, configurator.runningFiles());
  await configurator.grow(large);
  const [step] = steps;
  assert.equal(step?.reason, forecast.reason);
  assert.deepEqual(
    configurator.files(0).map(({ text }) => text),
    forecast.after.map(({ text }) => text),
  );
  assert.equal(configurator.forecast(large).reason, null, "it is wanted already");
});

test("a variant of a profile is a reload when it comes, none when it goes or comes back", async () => {
  const { configurator, steps } = world();
  await configurator.running(null);
  const rest = { base: "http", buffering: null, requestBuffering: null, bufferKb: null, intercept: null };
  const size = (...names: readonly string[]): Parameters<Configurator["grow"]>[0] => ({
    documentBytes: 1000,
    peers: 10,
    verified: [],
    mutualTls: NO_MUTUAL_TLS,
    variants: names.map((name) => ({ name, bodyKbMax: 0, ...rest })),
  });
  await configurator.grow(size("a"));
  configurator.applied(11);
  assert.equal(steps.at(-1)?.reason, "variants changed");
  for (const names of [["a"], [], ["a"]]) await configurator.grow(size(...names));
  assert.equal(steps.length, 1);
  await configurator.grow(size("b"));
  assert.equal(steps.length, 2);
  configurator.applied(12);
  await configurator.want({ ...wish, clientMaxBodyMb: 9 });
  assert.equal(steps.at(-1)?.reason, "clientMaxBodyMb changed");
  const last = steps.at(-1);
  assert.match((last?.kind === "configure" ? last.files[0]?.text : "") ?? "", /"name":"a".*"name":"b"/);
});
