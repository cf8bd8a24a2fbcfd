// The fake data plane of the loop's tests and the real one (agent's client, nginx, Lua) pass the same checks.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { digests } from "../../agent/apply/documents-lane.ts";
import type { DataPlane, PushResult } from "../../agent/nginx/data-plane.ts";
import { PushClient } from "../../agent/nginx/push-client.ts";
import type { PushLine } from "../../agent/plan/steps.ts";
import { renderBackend } from "../../agent/render/documents.ts";
import { FakeDataPlane } from "../fakes/data-plane.ts";
import { TestNginx } from "./support/nginx.ts";

type Plane = Pick<DataPlane, "push" | "state" | "held">;

const { signal } = new AbortController();

const IMPLEMENTATIONS: Readonly<Record<string, (t: TestContext) => Promise<Plane>>> = {
  "the fake": () => Promise.resolve(new FakeDataPlane()),
  "the real one": async (t) => {
    const nginx = await TestNginx.start({ workers: 2 });
    const client = new PushClient(nginx.pushSocket);
    t.after(async () => {
      client.close();
      await nginx[Symbol.asyncDispose]();
    });
    return client;
  },
};

function line(name: string, generation: number, address: string | null): PushLine {
  const { kind, key, text } = renderBackend({
    key: `ns/${name}/80`,
    namespace: "ns",
    service: name,
    port: "80",
    peers: address === null ? [] : [{ address, port: 80, weight: 1 }],
    notReady: 0,
    draining: 0,
    reason: null,
  });
  return { kind, key, generation, text: address === null ? null : text };
}

function kinds(results: readonly PushResult[]): readonly string[] {
  return results.map((result) => result.kind);
}

for (const [name, start] of Object.entries(IMPLEMENTATIONS)) {
  test(`${name} takes newer generations, and names the rest`, async (t) => {
    const plane = await start(t);
    assert.deepEqual(kinds(await plane.push([line("a", 5, "10.0.0.1"), line("b", 5, "10.0.0.2")], signal)), [
      "applied",
      "applied",
    ]);
    assert.deepEqual(kinds(await plane.push([line("a", 5, "10.0.0.9")], signal)), ["same"]);
    assert.deepEqual(await plane.push([line("a", 4, "10.0.0.9")], signal), [{ kind: "stale", held: 5 }]);
    assert.deepEqual(kinds(await plane.push([line("a", 6, "10.0.0.9")], signal)), ["applied"]);
  });

  test(`${name} remembers the generation of a deletion`, async (t) => {
    const plane = await start(t);
    await plane.push([line("a", 5, "10.0.0.1")], signal);
    assert.deepEqual(kinds(await plane.push([line("a", 7, null)], signal)), ["applied"]);
    assert.deepEqual(await plane.push([line("a", 6, "10.0.0.1")], signal), [{ kind: "stale", held: 7 }]);
    assert.deepEqual(await plane.held(signal), []);
    assert.deepEqual(kinds(await plane.push([line("a", 8, "10.0.0.1")], signal)), ["applied"]);
  });

  test(`${name} counts and digests as the agent does`, async (t) => {
    const plane = await start(t);
    const lines = ["a", "b", "c"].map((service, index) => line(service, 5 + index, "10.0.0.1"));
    await plane.push([...lines, line("b", 9, null)], signal);
    const held = await plane.held(signal);
    assert.deepEqual(held.map(({ key, generation }) => `${key}@${generation}`).toSorted(), ["ns/a/80@5", "ns/c/80@7"]);
    const state = await plane.state(signal);
    assert.equal(state.generation, 9);
    assert.deepEqual(state.kinds["backend"], digests(held).get("backend"));
  });
}
