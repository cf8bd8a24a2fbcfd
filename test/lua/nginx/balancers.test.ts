// Ways to balance beside round robin: by how soon peers answer, and by a hash of the request.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { freePort, TestNginx } from "../support/nginx.ts";

const EWMA: FilterValue = { kind: "balance", by: "ewma" };

function hashBy(key: readonly string[], bound = 0): FilterValue {
  return { kind: "balance", by: "hash", key, bound };
}

describe("balancers", () => {
  let nginx: TestNginx;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
  });
  after(() => nginx[Symbol.asyncDispose]());

  /** A host of one route with this filter; gives the key of its backend. */
  async function site(name: string, peers: readonly string[], filter: FilterValue): Promise<string> {
    const backend = `${name}/web/80`;
    const pushed = [
      lines.backend(backend, peers),
      lines.route(`${name}/i/all`, backend, { filters: [filter], retry: { tries: 3, timeout_ms: 0 } }),
      lines.host(`${name}.test`, { "/": `${name}/i/all` }),
    ];
    for (const { result, message } of await nginx.push.put(...pushed)) assert.equal(result, "applied", message);
    return backend;
  }

  async function who(name: string, path = "/", headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { status, text } = await ask(nginx.http, `${name}.test`, { path, headers });
    assert.equal(status, 200, text);
    return text;
  }

  test("a peer that is ten times slower gets next to nothing, and its share again when it is mended", async () => {
    const backends = await Promise.all(["a", "b", "c", "slow"].map((name) => Backend.start(name)));
    let slowMs = 200;
    for (const backend of backends) {
      backend.answer = (_, outgoing) => {
        setTimeout(() => outgoing.end(backend.name), backend.name === "slow" ? slowMs : 10);
      };
    }
    await site(
      "ewma",
      backends.map(({ peer }) => peer),
      EWMA,
    );
    const counts = new Map<string, number>();
    const run = async (rounds: number): Promise<void> => {
      counts.clear();
      const client = async (): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          const name = await who("ewma");
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: 8 }, client));
    };
    await run(5); // what is new is asked by everybody
    await run(50);
    assert.ok((counts.get("slow") ?? 0) <= 20, `of 400: ${JSON.stringify([...counts])}`);
    for (const name of ["a", "b", "c"]) assert.ok((counts.get(name) ?? 0) >= 60, JSON.stringify([...counts]));
    slowMs = 1;
    const mended = async (): Promise<boolean> => {
      await run(10);
      return (counts.get("slow") ?? 0) >= 10;
    };
    const deadline = Date.now() + 60_000;
    while (!(await mended())) {
      assert.ok(Date.now() < deadline, `it is not asked again: ${JSON.stringify([...counts])}`);
      await delay(500);
    }
    for (const backend of backends) await backend[Symbol.asyncDispose]();
  });

  test("a peer that refuses is passed over, and not preferred for failing fast", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await site("dead", [`127.0.0.1:${await freePort()}`, a.peer, b.peer], EWMA);
    const found = new Set<string>();
    for (let round = 0; round < 40; round++) found.add(await who("dead"));
    assert.deepEqual([...found].sort(), ["a", "b"]);
  });

  test("one value leads to one peer in every worker, and stays there when another peer goes", async () => {
    const names = ["a", "b", "c", "d"];
    const backends = await Promise.all(names.map((name) => Backend.start(name)));
    const backend = await site(
      "hash",
      backends.map(({ peer }) => peer),
      hashBy(["user-", "$arg_user"]),
    );
    const owners = new Map<string, string>();
    for (let user = 0; user < 40; user++) owners.set(`${user}`, await who("hash", `/?user=${user}`));
    assert.deepEqual([...new Set(owners.values())].sort(), names, "all peers are used");
    // Both workers take part: connections are new each time.
    for (let round = 0; round < 3; round++) {
      for (const [user, owner] of owners) assert.equal(await who("hash", `/${round}?user=${user}`), owner);
    }
    const left = backends.slice(0, 3);
    await nginx.push.put(
      lines.backend(
        backend,
        left.map(({ peer }) => peer),
      ),
    );
    for (const [user, owner] of owners) {
      const now = await who("hash", `/?user=${user}`);
      if (owner === "d") assert.notEqual(now, "d");
      else assert.equal(now, owner);
    }
    for (const each of backends) await each[Symbol.asyncDispose]();
  });

  test("a request that says nothing of the key goes round, and $uri is the client's path", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await site("empty", [a.peer, b.peer], hashBy(["$cookie_session", "$uri"].slice(0, 1)));
    const found = new Set<string>();
    for (let round = 0; round < 8; round++) found.add(await who("empty"));
    assert.equal(found.size, 2);
    await site("path", [a.peer, b.peer], hashBy(["$uri"]));
    const byPath = new Map<string, string>();
    for (let index = 0; index < 20; index++) byPath.set(`/p${index}`, await who("path", `/p${index}`));
    assert.equal(new Set(byPath.values()).size, 2, "the paths are told apart");
    for (const [path, owner] of byPath) assert.equal(await who("path", `${path}?x=${owner}`), owner);
  });

  test("a value whose peer is gone is answered by the next, always the same one", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await site("refuse", [`127.0.0.1:${await freePort()}`, a.peer, b.peer], hashBy(["$arg_user"]));
    const first = new Map<string, string>();
    for (let user = 0; user < 20; user++) first.set(`${user}`, await who("refuse", `/?user=${user}`));
    for (const [user, owner] of first) assert.equal(await who("refuse", `/?user=${user}`), owner);
  });

  test("with a bound, requests beyond a peer's share go to the next peer; when they end it has its own again", async () => {
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    const single = await TestNginx.start({ workers: 1 });
    const waiting: (() => void)[] = [];
    for (const backend of [a, b]) {
      backend.answer = (incoming, outgoing) => {
        const answer = (): void => void outgoing.end(backend.name);
        if (incoming.url === "/wait") waiting.push(answer);
        else answer();
      };
    }
    try {
      const key = "bound/web/80";
      await single.push.put(
        lines.backend(key, [a.peer, b.peer]),
        lines.route("bound/i/all", key, { filters: [hashBy(["$host"], 125)] }),
        lines.host("bound.test", { "/": "bound/i/all" }),
      );
      const request = async (path: string): Promise<string> => (await ask(single.http, "bound.test", { path })).text;
      const owner = await request("/");
      const held = Array.from({ length: 8 }, () => request("/wait"));
      while (waiting.length < 8) await delay(5);
      for (const answer of waiting) answer();
      const answers = await Promise.all(held);
      const others = answers.filter((name) => name !== owner).length;
      assert.ok(others >= 2 && others <= 4, `${others} of 8 went to the other peer`);
      for (let round = 0; round < 4; round++) assert.equal(await request("/"), owner);
    } finally {
      await single[Symbol.asyncDispose]();
    }
  });
});
