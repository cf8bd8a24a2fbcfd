// Peers that fail the checks of the agent: what PUT /v1/peers says, all workers know at their next request.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PushClient } from "../../../agent/nginx/push-client.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const BACKEND = "test/web/80";

interface Site {
  readonly nginx: TestNginx;
  readonly client: PushClient;
  /** Who answered so many requests. */
  tally(count: number): Promise<Readonly<Record<string, number>>>;
  /** Says which peers fail. */
  tell(peers: readonly Backend[], ttlS?: number): Promise<void>;
}

async function site(nginx: TestNginx, peers: readonly Backend[]): Promise<Site> {
  const lines = new Lines();
  const documents = [
    lines.backend(
      BACKEND,
      peers.map(({ peer }) => peer),
    ),
    lines.route("test/i/all", BACKEND),
    lines.host("web.test", { "/": "test/i/all" }),
  ];
  for (const { result, message } of await nginx.push.put(...documents)) assert.equal(result, "applied", message);
  const client = new PushClient(nginx.pushSocket);
  const { signal } = new AbortController();
  return {
    nginx,
    client,
    tally: async (count) => {
      const counts: Record<string, number> = {};
      for (let i = 0; i < count; i++) {
        const { status, text } = await ask(nginx.http, "web.test");
        const what = status === 200 ? text : String(status);
        counts[what] = (counts[what] ?? 0) + 1;
      }
      return counts;
    },
    tell: (failing, ttlS = 60) =>
      client.tellFailing(
        [
          {
            backend: BACKEND,
            ttlS,
            peers: failing.map(({ peer }) => ({ address: peer, cause: "status 500", since: 1_700_000_000_000 })),
          },
        ],
        signal,
      ),
  };
}

describe("peers that fail their checks", () => {
  test("get no requests of any worker, are shown with the cause, and get them again", async () => {
    await using nginx = await TestNginx.start({ workers: 4 });
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await using c = await Backend.start("c");
    const { client, tally, tell } = await site(nginx, [a, b, c]);
    assert.deepEqual(Object.keys(await tally(60)).sort(), ["a", "b", "c"]);
    await tell([a]);
    assert.deepEqual(Object.keys(await tally(60)).sort(), ["b", "c"]);
    const { signal } = new AbortController();
    assert.deepEqual(
      [...(await client.ejected(signal))],
      [[BACKEND, [{ address: a.peer, cause: "check: status 500", since: 1_700_000_000_000 }]]],
    );
    assert.match(await client.metrics(signal), /^headgate_peers_ejected\{[^}]*service="web"[^}]*\} 1$/m);
    await tell([]);
    assert.deepEqual(Object.keys(await tally(60)).sort(), ["a", "b", "c"]);
    assert.deepEqual([...(await client.ejected(signal))], []);
  });

  test("get requests again when nobody says it any more", async () => {
    await using nginx = await TestNginx.start({ workers: 2 });
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await using c = await Backend.start("c");
    const { tally, tell } = await site(nginx, [a, b, c]);
    await tell([a], 1);
    assert.deepEqual(Object.keys(await tally(20)).sort(), ["b", "c"]);
    await eventually("the word has ended", async () => ((await tally(6))["a"] ?? 0) > 0);
  });

  test("get them all the same where too many fail, and where they are all there is", async () => {
    await using nginx = await TestNginx.start({ workers: 2 });
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    const { tally, tell } = await site(nginx, [a, b]);
    await tell([a]);
    assert.deepEqual(await tally(10), { b: 10 });
    await tell([a, b]);
    assert.deepEqual(Object.keys(await tally(20)).sort(), ["a", "b"]);
  });

  test("are not brought back by an answer, but by their checks", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using a = await Backend.start("a");
    await using b = await Backend.start("b");
    await using c = await Backend.start("c");
    const { tally, tell } = await site(nginx, [a, b, c]);
    // Both say that it is out: the checks alone keep it so.
    a.answer = (incoming) => incoming.socket.destroy();
    await tally(20);
    await tell([a]);
    a.answer = (_, outgoing) => outgoing.end("a");
    assert.deepEqual(Object.keys(await tally(60)).sort(), ["b", "c"]);
  });

  test("what cannot be understood is refused by itself", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    const send = async (text: string): Promise<readonly { readonly result: string; readonly message?: string }[]> => {
      const { status, text: answer } = await nginx.push.call("PUT", "/v1/peers", text);
      assert.equal(status, 200);
      return answer
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { result: string; message?: string }); // as docs/dataplane-api.md has it
    };
    const good = JSON.stringify({ backend: BACKEND, ttl_s: 30, peers: [] });
    const cases: readonly (readonly [unknown, RegExp])[] = [
      ["{", /not JSON/],
      [{ backend: "no key", ttl_s: 30, peers: [] }, /line\.backend/],
      [{ backend: BACKEND, ttl_s: 0, peers: [] }, /line\.ttl_s/],
      [{ backend: BACKEND, ttl_s: 30, peers: [], more: 1 }, /more is not known/],
      [{ backend: BACKEND, ttl_s: 30, peers: [{ address: "a b", cause: "x", since: 1 }] }, /address/],
      [{ backend: BACKEND, ttl_s: 30, peers: [{ address: "10.0.0.1:80", cause: "a\nb", since: 1 }] }, /cause/],
    ];
    for (const [line, message] of cases) {
      const text = typeof line === "string" ? line : JSON.stringify(line);
      const [bad, fine] = await send(`${text}\n${good}\n`);
      assert.equal(bad?.result, "invalid", text);
      assert.match(bad?.message ?? "", message);
      assert.equal(fine?.result, "applied");
    }
  });
});
