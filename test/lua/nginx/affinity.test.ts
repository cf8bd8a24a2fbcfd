// Session affinity by a cookie: one peer for a session, in all workers and on all edges; what is lost begins anew.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue, SplitChoiceValue } from "../../../agent/render/documents.ts";
import { ask, type Asked, Backend, raw, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { affinity, type AffinityValue, choice } from "../support/filters.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";
import { eventually } from "../support/wait.ts";

const COOKIE = /^INGRESSCOOKIE=([0-9a-f]{16}\.[0-9a-f]{8})(;.*)?$/;

const PEERS = "/v1/peers/base/web/80";
interface Peers {
  readonly peers: readonly { readonly in_flight?: number }[];
}

/** The session that an answer gives; null: none. */
function sessionOf({ headers }: Asked): string | null {
  const given = (headers["set-cookie"] ?? []).filter((line) => line.startsWith("INGRESSCOOKIE="));
  assert.ok(given.length <= 1, given.join("\n"));
  const [line] = given;
  if (line === undefined) return null;
  const [, value] = COOKIE.exec(line) ?? [];
  assert.ok(value !== undefined, line);
  return value;
}

const [A, B, C, D] = ["a", "b", "c", "d"] as const;

describe("session affinity", () => {
  let edges: readonly TestNginx[] = [];
  let backends: readonly Backend[];
  const lines = new Lines();
  const broken = new Set<string>();
  before(async () => {
    // Two edges that know nothing of each other; peers that fail are not ejected here.
    const traffic = buildTraffic((key) => (key === "health.enabled" ? false : undefined));
    edges = await Promise.all([0, 1].map(() => TestNginx.start({ view: { traffic } })));
    backends = await Promise.all([A, B, C, D].map((name) => Backend.start(name)));
    for (const backend of backends) {
      backend.answer = (incoming, outgoing) => {
        incoming.resume();
        if (broken.has(backend.name)) incoming.socket.destroy();
        else outgoing.end(backend.name);
      };
    }
  });
  after(async () => {
    for (const backend of backends) await backend[Symbol.asyncDispose]();
    for (const edge of edges) await edge[Symbol.asyncDispose]();
  });

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const edge of edges) {
      for (const { result, message } of await edge.push.put(...pushed)) assert.equal(result, "applied", message);
    }
  }

  /** A host of one route with these filters; `names` are its peers, or addresses. */
  async function site(name: string, names: readonly string[], ...filters: readonly FilterValue[]): Promise<void> {
    await put(
      peersOf(`${name}/web/80`, names),
      lines.route(`${name}/i/all`, `${name}/web/80`, { filters }),
      lines.host(`${name}.test`, { "/": `${name}/i/all` }),
    );
  }

  function peersOf(key: string, names: readonly string[]): Line {
    return lines.backend(
      key,
      names.map((name) => backends.find((backend) => backend.name === name)?.peer ?? name),
    );
  }

  /** One request on a connection of its own, of a session or of none. */
  function get(name: string, session: string | null = null, edge = 0): Promise<Asked> {
    const port = edges[edge]?.http ?? 0;
    return ask(port, `${name}.test`, session === null ? {} : { headers: { cookie: `x=y; INGRESSCOOKIE=${session}` } });
  }

  /** Sessions that have begun, and their peers. */
  async function sessions(name: string, count: number): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (let at = 0; at < count; at++) {
      const answer = await get(name);
      const session = sessionOf(answer);
      assert.ok(session !== null && answer.status === 200, answer.text);
      found.set(session, answer.text);
    }
    return found;
  }

  for (const mode of ["balanced", "persistent"] as const) {
    test(`${mode}: a session has one peer, on both edges and in all workers, and is given its cookie once`, async () => {
      await site(mode, [A, B, C], affinity({ mode }));
      const begun = await sessions(mode, 40);
      assert.deepEqual([...new Set(begun.values())].sort(), [A, B, C]);
      for (let round = 0; round < 4; round++) {
        for (const [session, peer] of begun) {
          const answer = await get(mode, session, round % 2);
          assert.deepEqual([answer.text, sessionOf(answer)], [peer, null]);
        }
      }
    });

    test(`${mode}: a peer that goes loses its sessions, which begin anew; the others keep theirs`, async () => {
      const name = `${mode}-gone`;
      await site(name, [A, B, C], affinity({ mode }));
      const begun = await sessions(name, 40);
      await put(peersOf(`${name}/web/80`, [A, B]));
      for (const [session, peer] of begun) {
        const answer = await get(name, session);
        if (peer !== C) {
          assert.deepEqual([answer.text, sessionOf(answer)], [peer, null]);
          continue;
        }
        const next = sessionOf(answer) ?? session;
        // On the ring another peer has it now: the same cookie leads there.
        assert.equal(next === session, mode === "balanced");
        for (const edge of [0, 1]) assert.equal((await get(name, next, edge)).text, answer.text);
      }
    });

    test(`${mode}: what is no cookie of ours counts as none`, async () => {
      await site(mode, [A, B, C], affinity({ mode }));
      const [session = ""] = (await sessions(mode, 1)).keys();
      const other = `${session.slice(0, -8)}00000000`;
      for (const forged of [
        "",
        "x",
        "x".repeat(25),
        other,
        `${session}0`,
        session.slice(1),
        "a".repeat(7000),
        "|".repeat(25),
      ]) {
        const answer = await get(mode, forged);
        assert.equal(answer.status, 200);
        assert.notEqual(sessionOf(answer), null, forged.slice(0, 40));
      }
    });

    test(`${mode}: a peer that fails is stood in for once, or for good where the filter says so`, async () => {
      for (const change_on_failure of [false, true]) {
        const name = `${mode}-${change_on_failure ? "change" : "keep"}`;
        await site(name, [A, B, C], affinity({ mode, change_on_failure }));
        const [lost = ""] = [...(await sessions(name, 40))].find(([, peer]) => peer === C) ?? [];
        broken.add(C);
        const answers = [await get(name, lost), await get(name, lost, 1)];
        const begun = await sessions(name, 20);
        assert.ok(![...begun.values()].includes(C));
        broken.clear();
        for (const answer of answers) {
          assert.equal(answer.status, 200);
          assert.notEqual(answer.text, C);
          const next = sessionOf(answer);
          assert.equal(next !== null, change_on_failure);
          if (next !== null) assert.equal((await get(name, next)).text, answer.text);
        }
        assert.equal((await get(name, lost)).text, C, "the cookie itself leads there as before");
        for (const [session, peer] of begun) {
          assert.equal((await get(name, session)).text, peer, "one that began at another peer stays there");
        }
      }
    });

    test(`${mode}: sessions begin at a peer that is not ejected, and leave one that is`, async () => {
      const traffic = buildTraffic((key) => ({ "health.failures": 1, "health.backOffS": 60 })[key]);
      await using edge = await TestNginx.start({ view: { traffic } });
      edges = [...edges, edge];
      try {
        const name = `${mode}-out`;
        await site(name, [A, B, C], affinity({ mode }));
        const [lost = ""] = [...(await sessions(name, 40))].find(([, peer]) => peer === C) ?? [];
        broken.add(C);
        assert.equal((await get(name, lost, 2)).status, 200);
        await eventually("C is out", async () => sessionOf(await get(name, lost, 2)) !== null);
        const answer = await get(name, lost, 2);
        const next = sessionOf(answer);
        assert.ok(next !== null && answer.text !== C);
        broken.clear();
        for (let round = 0; round < 8; round++) {
          const again = await get(name, next, 2);
          assert.deepEqual([again.text, sessionOf(again)], [answer.text, null]);
        }
      } finally {
        broken.clear();
        edges = edges.slice(0, 2);
      }
    });
  }

  test("the cookie does not tell the peer, and another Ingress or Service does not take it for its own", async () => {
    await site("mark", [A, B, C, D], affinity({ mode: "persistent" }));
    const [[session = "", peer = ""] = []] = await sessions("mark", 1);
    await site("other", [A, B, C, D], affinity({ mode: "persistent" }));
    assert.notEqual(sessionOf(await get("other", session)), null);
    await site("mark", [A, B, C, D], affinity({ mode: "persistent", salt: "uid-2" }));
    const answer = await get("mark", session);
    const next = sessionOf(answer);
    assert.ok(next !== null);
    await site("mark", [A, B, C, D], affinity({ mode: "persistent" }));
    assert.equal((await get("mark", session)).text, peer);
  });

  test("a session that no peer can answer gets no cookie and 502", async () => {
    broken.add(A);
    await site("alone", [A], affinity({ mode: "persistent" }));
    const answer = await get("alone");
    broken.clear();
    assert.deepEqual([answer.status, sessionOf(answer)], [502, null]);
  });

  test("an answer of the default backend begins no session", async () => {
    const errors: FilterValue = { kind: "errors", codes: [502], backend: "instead/web/80", port: "80" };
    await put(peersOf("instead/web/80", [B]));
    broken.add(A);
    for (const mode of ["balanced", "persistent"] as const) {
      await site("errors", [A], affinity({ mode }), errors);
      const answer = await get("errors");
      assert.deepEqual([answer.text, sessionOf(answer)], [B, null]);
    }
    broken.clear();
    assert.notEqual(sessionOf(await get("errors")), null);
  });

  test("the attributes are those of the filter, and Secure goes by the scheme", async () => {
    const headers = async (filter: AffinityValue, more: Parameters<typeof ask>[2] = {}): Promise<string> => {
      await site("attributes", [A], filter);
      const [edge] = edges;
      const port = (more.servername === undefined ? edge?.http : edge?.https) ?? 0;
      const { headers: found } = await ask(port, "attributes.test", more);
      return COOKIE.exec(found["set-cookie"]?.[0] ?? "")?.[2] ?? "";
    };
    assert.equal(await headers(affinity()), "; Path=/; HttpOnly");
    const secure = { servername: "attributes.test" };
    assert.equal(await headers(affinity(), secure), "; Path=/; HttpOnly; Secure");
    assert.equal(await headers(affinity({ secure: "never" }), secure), "; Path=/; HttpOnly");
    const all = affinity({ path: "/a%20b", domain: ".example.org", max_age_s: 60, secure: "always", same_site: "Lax" });
    assert.equal(await headers(all), "; Path=/a%20b; HttpOnly; Domain=.example.org; Max-Age=60; Secure; SameSite=Lax");
    const expires = /^; Path=\/; HttpOnly; Expires=([^;]+)$/.exec(await headers(affinity({ expires_s: 3600 })))?.[1];
    const left = Date.parse(expires ?? "") - Date.now();
    assert.ok(left > 3_500_000 && left < 3_700_000, expires);
    const none = affinity({ same_site: "None", same_site_conditional: true, secure: "always" });
    assert.match(await headers(none, { headers: { "user-agent": "Chrome/120.0.0.0" } }), /; SameSite=None$/);
    const old =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.78 Safari/537.36";
    assert.match(await headers(none, { headers: { "user-agent": old } }), /; Secure$/);
  });

  test("cookies of the backend stay, and so does an answer with an error", async () => {
    await using own = await Backend.start("own");
    own.answer = (incoming, outgoing) => {
      incoming.resume();
      outgoing
        .writeHead(
          404,
          [
            ["Set-Cookie", "a=1; Path=/"],
            ["Set-Cookie", "b=2"],
          ].flat(),
        )
        .end("own");
    };
    await site("own", [own.peer], affinity());
    const answer = await get("own");
    assert.equal(answer.status, 404);
    const session = sessionOf(answer);
    assert.ok(session !== null);
    assert.deepEqual(answer.headers["set-cookie"]?.slice(0, 2), ["a=1; Path=/", "b=2"]);
    assert.deepEqual((await get("own", session)).headers["set-cookie"], ["a=1; Path=/", "b=2"]);
  });

  test("a WebSocket begins a session, and keeps to it", async () => {
    const upgrading = await Promise.all(
      [1, 2].map((name) =>
        RawBackend.start((socket) => {
          socket.once("data", () => {
            socket.end(
              `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nX-Peer: ${name}\r\n\r\n`,
            );
          });
        }),
      ),
    );
    await site(
      "socket",
      upgrading.map(({ peer }) => peer),
      affinity({ mode: "persistent" }),
    );
    const open = async (edge: number, session: string | null): Promise<readonly (string | undefined)[]> => {
      const cookie = session === null ? "" : `Cookie: INGRESSCOOKIE=${session}\r\n`;
      const head = `GET / HTTP/1.1\r\nHost: socket.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n${cookie}\r\n`;
      const answer = await raw(edges[edge]?.http ?? 0, head);
      assert.match(answer, /^HTTP\/1\.1 101 /);
      return [/X-Peer: (\d)/.exec(answer)?.[1], /INGRESSCOOKIE=([0-9a-f.]+);/.exec(answer)?.[1]];
    };
    const [peer, session = ""] = await open(0, null);
    for (let round = 0; round < 6; round++) assert.deepEqual(await open(round % 2, session), [peer, undefined]);
    for (const each of upgrading) await each[Symbol.asyncDispose]();
  });

  test("peers of sessions that begin are picked as the route says, and requests in flight end", async () => {
    for (const by of ["ewma", "least_conn"] as const) {
      await site("base", [A, B], affinity({ mode: "persistent" }), { kind: "balance", by });
      const begun = await sessions("base", 20);
      assert.deepEqual([...new Set(begun.values())].sort(), [A, B]);
      // Now no worker has picked among the peers of this document when a session comes.
      await put(peersOf("base/web/80", [A, B]));
      for (const [session, peer] of begun) assert.equal((await get("base", session)).text, peer);
      broken.add(A);
      for (const session of begun.keys()) assert.equal((await get("base", session)).text, B);
      broken.clear();
      // Any of the workers answers; a request ends a little after its answer.
      await eventually("none of all workers' requests is in flight", async () => {
        const [edge] = edges;
        assert.ok(edge !== undefined);
        const answers = await Promise.all(Array.from({ length: 8 }, () => edge.push.json<Peers>("GET", PEERS)));
        const counts = answers.flatMap(({ peers }) => peers.map((peer) => peer.in_flight ?? 0));
        return counts.length === 16 && counts.every((count) => count === 0);
      });
    }
  });

  describe("with canaries", () => {
    /** Peers a and b are the main Service's, c and d the canary's. */
    async function shared(
      name: string,
      canaries: AffinityValue["canaries"],
      change: Partial<SplitChoiceValue> = {},
    ): Promise<void> {
      const filters: readonly FilterValue[] = [
        affinity({ canaries, mode: "persistent" }),
        { kind: "split", choices: [choice(`${name}/canary/80`, { header: "X-Canary", weight: 50, ...change })] },
      ];
      await put(peersOf(`${name}/canary/80`, [C, D]));
      await site(name, [A, B], ...filters);
    }

    test("sticky: a session stays with the Service that it began with, whatever header and weight say later", async () => {
      await shared("sticky", "sticky");
      const begun = await sessions("sticky", 40);
      assert.deepEqual([...new Set(begun.values())].sort(), [A, B, C, D]);
      for (const weight of [0, 100]) {
        await shared("sticky", "sticky", { weight });
        for (const [session, peer] of begun) {
          for (const edge of [0, 1]) assert.equal((await get("sticky", session, edge)).text, peer);
        }
      }
      const [onMain = ""] = [...begun].find(([, peer]) => peer === A) ?? [];
      const headers = { cookie: `INGRESSCOOKIE=${onMain}`, "x-canary": "always" };
      assert.equal((await ask(edges[0]?.http ?? 0, "sticky.test", { headers })).text, A);
    });

    test("sticky: one whose Service is an alternative no more, or has no peers, begins anew", async () => {
      await shared("moved", "sticky", { weight: 100 });
      const [session = ""] = (await sessions("moved", 1)).keys();
      await put(peersOf("moved/canary/80", []));
      const answer = await get("moved", session);
      assert.match(answer.text, /^[ab]$/);
      const next = sessionOf(answer);
      assert.ok(next !== null);
      await put(peersOf("moved/canary/80", [C, D]));
      assert.equal((await get("moved", next)).text, answer.text, "it is the main Service's now");
      await site("moved", [A, B], affinity({ mode: "persistent" }));
      assert.notEqual(sessionOf(await get("moved", session)), null);
    });

    test("legacy: each request is decided anew, and the canary's are no sessions", async () => {
      await shared("legacy", "legacy", { weight: 0 });
      const begun = await sessions("legacy", 10);
      for (const [session, peer] of begun) {
        const headers = { cookie: `INGRESSCOOKIE=${session}`, "x-canary": "always" };
        const answer = await ask(edges[0]?.http ?? 0, "legacy.test", { headers });
        assert.match(answer.text, /^[cd]$/);
        assert.equal(sessionOf(answer), null);
        assert.equal((await get("legacy", session)).text, peer);
      }
    });
  });
});
