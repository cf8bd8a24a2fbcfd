// Requests that a backend fails end in an error page of ours, and are still those of their route and their peer.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, RawBackend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import { eventually } from "../support/wait.ts";

const BACKEND = "test/web/80";
const WAYS: readonly FilterValue[] = [
  { kind: "balance", by: "ewma" },
  { kind: "balance", by: "least_conn" },
  { kind: "balance", by: "hash", key: ["$arg_user"], bound: 125 },
];

interface Peers {
  readonly peers: readonly { readonly in_flight?: number }[];
}

describe("requests that a backend fails", () => {
  for (const filter of WAYS) {
    test(`count for their route, and are not in flight for ever: ${"by" in filter ? filter.by : ""}`, async () => {
      const held = new Map([["health.enabled", false]]);
      const traffic = buildTraffic((key) => held.get(key));
      await using nginx = await TestNginx.start({ workers: 1, view: { traffic } });
      const breaking = await Promise.all(
        [1, 2].map(() => RawBackend.start((socket) => void socket.once("data", () => socket.destroy()))),
      );
      const lines = new Lines();
      await nginx.push.put(
        lines.backend(
          BACKEND,
          breaking.map(({ peer }) => peer),
        ),
        lines.route("test/i/all", BACKEND, { filters: [filter] }),
        lines.host("web.test", { "/": "test/i/all" }),
      );
      for (let user = 0; user < 10; user++) {
        for (const method of ["GET", "POST"]) {
          assert.equal((await ask(nginx.http, "web.test", { method, path: `/?user=${user}` })).status, 502);
        }
      }
      await eventually("nothing is in flight", async () => {
        const { peers } = await nginx.push.json<Peers>("GET", `/v1/peers/${BACKEND}`);
        assert.deepEqual(
          peers.map((peer) => peer.in_flight),
          [0, 0],
        );
        return true;
      });
      const { text } = await nginx.push.call("GET", "/v1/metrics");
      const line = 'headgate_requests_total{namespace="test",ingress="i",service="web",code="5xx"} 20';
      assert.ok(text.includes(`${line}\n`), text.match(/headgate_requests_total.*/g)?.join("\n"));
      for (const peer of breaking) await peer[Symbol.asyncDispose]();
    });
  }
});
