import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatusReport } from "../../../agent/api/wire.ts";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { explainLines } from "../../../agent/commands/explain.ts";
import { statusLines, statusSubstance } from "../../../agent/commands/status-text.ts";
import { clean, table } from "../../../agent/commands/text.ts";
import { ageText } from "../../../agent/lib/age.ts";
import { backend, builtHost, model, NOW, problem, route, statusInput } from "../api/support.ts";

function troubled(): StatusReport {
  return buildStatusReport(
    statusInput({
      model: model(
        [
          builtHost("shop.example.org", [route("shop.example.org", "web")], [problem({ hosts: ["shop.example.org"] })]),
          builtHost("api.example.org", [route("api.example.org", "api")]),
          builtHost("_", [route("_", "api")]),
        ],
        [backend("web", 0, { notReady: 3, draining: 1, reason: "no ready endpoints" }), backend("api", 4)],
      ),
      conditions: [
        {
          code: "source-unreachable",
          severity: "warning",
          message: "cannot read /m",
          hint: "Run `ls /m`.",
          since: NOW - 40_000,
        },
      ],
    }),
  );
}

test("an age is one unit, rounded down", () => {
  const ages = [-5, 999, 12_000, 59_999, 60_000, 3_599_000, 3_600_000, 86_399_000, 86_400_000 * 400];
  assert.deepEqual(ages.map(ageText), ["0s", "0s", "12s", "59s", "1m", "59m", "1h", "23h", "400d"]);
});

test("shows the head, the worst host first, each problem with its fix, and health last", () => {
  assert.deepEqual(statusLines(troubled()), [
    "Edge edge-3 is degraded: generation 42, applied 12s ago, 2 reloads, 7 changes without, 2 problems",
    "NGINX      running  pid 812, reloaded 3h ago (new listener)",
    "MANIFESTS  synced   last change 4s ago, /m",
    "",
    "HOST              SERVICE      READY  DRAINING  STATE",
    "shop.example.org  shop/web:80  0/3    1         no ready endpoints",
    "(any)             shop/api:80  4/4    -         ok",
    "api.example.org   shop/api:80  4/4    -         ok",
    "",
    "# Problems:",
    '#   error host-invalid: Ingress shop/web, shop.yaml:1, spec.rules[0].host: "a b" is no host name. Write a host name.',
    "",
    "# Health:",
    "#   warning source-unreachable: for 40s: cannot read /m. Run `ls /m`.",
  ]);
});

test("names the peers that are out, after what does not work at all and before what does", () => {
  const out = (address: string, agoMs: number, cause: string) => ({ address, since: NOW - agoMs, cause });
  const report = buildStatusReport(
    statusInput({
      model: model(
        [
          builtHost("a", [route("a", "web")]),
          builtHost("b", [route("b", "api")]),
          builtHost("c", [route("c", "gone")]),
        ],
        [backend("web", 3), backend("api", 9), backend("gone", 0, { reason: "no endpoints" })],
      ),
      ejected: new Map([
        [
          "shop/api/80",
          [
            out("10.0.0.1:80", 12_000, "connect"),
            out("10.0.0.2:80", 60_000, "status 503"),
            out("10.0.0.3:80", 0, "reset"),
            out("[::1]:80", 0, "reset"),
          ],
        ],
      ]),
    }),
  );
  assert.deepEqual(statusLines(report).slice(4, 8), [
    "HOST  SERVICE       READY  DRAINING  STATE",
    "c     shop/gone:80  0/0    -         no endpoints",
    "b     shop/api:80   9/9    -         4 ejected: 10.0.0.1:80 for 12s (connect), 10.0.0.2:80 for 1m (status 503), 10.0.0.3:80 for 0s (reset), and 1 more",
    "a     shop/web:80   3/3    -         ok",
  ]);
  assert.equal(report.state, "serving");
});

test("says so when nothing is wrong and when there is nothing", () => {
  const lines = statusLines(buildStatusReport(statusInput()));
  assert.ok(lines.includes("No hosts: no Ingress of this edge's classes names one."));
  assert.equal(lines.at(-1), "# Health: ok");
});

test("what tenants write cannot move the cursor or hide a word", () => {
  assert.equal(clean("a\u001B[2Jb\nc\u202Ed\u0007"), "a?[2Jb?c?d?");
  const report = troubled();
  const evil = { ...report, problems: [{ ...problemOf(report), message: "x\u001B[31m\n# Health: ok" }] };
  const text = statusLines(evil).join("\n");
  assert.equal(text.includes("\u001B"), false);
  assert.equal(text.split("\n# Health").length, 2);
});

function problemOf(report: StatusReport): StatusReport["problems"][number] {
  const [first] = report.problems;
  assert.ok(first !== undefined);
  return first;
}

test("columns align, empty cells are dashes, lines end without spaces", () => {
  assert.deepEqual(
    table([
      ["A", "LONG"],
      ["bb", ""],
      ["", "x"],
    ]),
    ["A   LONG", "bb  -", "-   x"],
  );
});

test("the passing of time is no change to a watcher, a host's state is", () => {
  const report = troubled();
  assert.equal(statusSubstance({ ...report, now: report.now + 9000 }), statusSubstance(report));
  const hosts = report.hosts.map((host) => ({ ...host, ready: 3 }));
  assert.notEqual(statusSubstance({ ...report, hosts }), statusSubstance(report));
});

test("explains in the order of the decision, then says what would happen, then who lost", () => {
  const lines = explainLines(
    {
      apiVersion: "headgate/v1",
      request: { method: "GET", url: "http://a/x", host: "a", path: "/x" },
      steps: [
        { step: "host", value: "a", why: "exact" },
        { step: "path", value: "Prefix /x", why: "longest prefix" },
      ],
      candidates: [
        { object: "Ingress shop/web", host: "a", path: "/x", pathType: "Prefix", lost: null },
        { object: "Ingress shop/old", host: "a", path: "/", pathType: "Prefix", lost: "a longer prefix matches" },
      ],
      answer: { kind: "proxy", service: "shop/web:80", peers: ["10.0.0.1:80", "[fd00::1]:80"] },
      staleSince: NOW - 60_000,
      live: null,
    },
    NOW,
  );
  assert.deepEqual(lines, [
    "1 host  a          exact",
    "2 path  Prefix /x  longest prefix",
    "would send it to shop/web:80: 10.0.0.1:80 [fd00::1]:80",
    "",
    "LOST              HOST  PATH      WHY",
    "Ingress shop/old  a     Prefix /  a longer prefix matches",
    "",
    "# Health:",
    "#   the source is away for 1m: this is what was known then",
  ]);
});

test("tells when the route got its last request, where nginx was asked and says it", () => {
  const last = (lastRequestAt?: number | null): readonly string[] => {
    const live = { differences: [], ...(lastRequestAt === undefined ? {} : { lastRequestAt }) };
    const request = { method: "GET", url: "http://a/", host: "a", path: "/" };
    const answer = { kind: "proxy", service: "shop/web:80", peers: [] } as const;
    const report = { request, answer, live, steps: [], candidates: [], staleSince: null };
    return explainLines({ apiVersion: "headgate/v1", ...report }, NOW).slice(-2);
  };
  assert.deepEqual(last(NOW - 12_000), ["nginx agrees", "last request of this route 12s ago"]);
  assert.deepEqual(last(null), ["nginx agrees", "no request of this route since nginx started"]);
  assert.deepEqual(last().slice(-1), ["nginx agrees"]);
});
