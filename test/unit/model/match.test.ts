// The matcher against a naive reading of the specification: look at every rule, keep those that match, sort them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { buildHost } from "../../../agent/model/build-host.ts";
import type { BuiltHost } from "../../../agent/model/edge-model.ts";
import { matchRequest, serverNameOf } from "../../../agent/model/match.ts";
import { normaliseRequestPath, strictPath } from "../../../agent/model/paths.ts";
import type { PathType } from "../../../agent/objects/objects.ts";
import { claimText, ingress, path, rule, SETTINGS, storeOf } from "./objects.ts";

const segment = fc.constantFrom("a", "b", "ab", "A");
const plainPath = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
  .map(([segments, slash]) => (segments.length === 0 ? "/" : `/${segments.join("/")}${slash ? "/" : ""}`));
const ruleHost = fc.constantFrom("x.example", "*.example", "");
const aRule = fc.record({
  host: ruleHost,
  path: plainPath,
  type: fc.constantFrom<PathType>("Exact", "Prefix", "ImplementationSpecific"),
});
type NaiveRule = { host: string; path: string; type: PathType };

const elements = (text: string): string[] => text.split("/").filter((part) => part !== "");

function matches(candidate: NaiveRule, request: string): boolean {
  if (candidate.type === "Exact") return candidate.path === request;
  const wanted = elements(candidate.path);
  const given = elements(request);
  return wanted.every((part, index) => given[index] === part);
}

// "*" takes exactly one label; the most exact host that is named decides alone.
function naive(rules: readonly NaiveRule[], host: string, request: string): number | null {
  const covering = [host, host.replace(/^[^.]+/, "*"), ""];
  const table = covering.find((name) => rules.some((candidate) => candidate.host === name));
  const found = rules
    .map((candidate, age) => ({ candidate, age }))
    .filter(({ candidate }) => candidate.host === table && matches(candidate, request))
    .sort((one, two) => {
      const exact = Number(two.candidate.type === "Exact") - Number(one.candidate.type === "Exact");
      return exact || elements(two.candidate.path).length - elements(one.candidate.path).length || one.age - two.age;
    });
  return found[0]?.age ?? null;
}

function modelOf(rules: readonly NaiveRule[]): ReadonlyMap<string, BuiltHost> {
  const store = storeOf(
    rules.map((candidate, age) =>
      ingress(`shop/i${age}`, {
        meta: { createdAt: age },
        rules: [rule(candidate.host, path(candidate.path, candidate.type))],
      }),
    ),
  );
  return new Map([...store.hostsInUse()].map((name) => [name, buildHost(store, SETTINGS, name)]));
}

describe("matching", () => {
  test("is what the specification says, read naively", () => {
    const hosts = fc.constantFrom("x.example", "y.example", "z.x.example", "example");
    fc.assert(
      fc.property(fc.array(aRule, { maxLength: 8 }), hosts, plainPath, (rules, host, request) => {
        const { outcome } = matchRequest(modelOf(rules), { host, target: request });
        const winner = outcome.kind === "route" ? Number(outcome.route.ingress.name.slice(1)) : null;
        assert.equal(winner, naive(rules, host, request));
      }),
      { numRuns: 2000 },
    );
  });

  test("of the candidates exactly the winner did not lose, and every loser has a reason", () => {
    fc.assert(
      fc.property(fc.array(aRule, { maxLength: 8 }), plainPath, (rules, request) => {
        const { outcome, candidates } = matchRequest(modelOf(rules), { host: "x.example", target: request });
        const winners = candidates.filter(({ lost }) => lost === null).map((candidate) => claimText(candidate));
        assert.deepEqual(winners, outcome.kind === "route" ? [claimText(outcome.route)] : []);
        for (const { lost } of candidates) assert.notEqual(lost, "");
      }),
    );
  });

  test("a strict path has one reading: what is sent normalises to what is judged", () => {
    const piece = fc.constantFrom(
      "a",
      "/",
      "//",
      ".",
      "..",
      "%2e",
      "%2f",
      "%5c",
      "\\",
      ";",
      "%3b",
      "#",
      "%",
      "%41",
      "%c3%a9",
      "é",
      " ",
      "?",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const raw = `/${pieces.join("")}`;
        const strict = strictPath(raw);
        if (strict.kind === "bad") return;
        assert.deepEqual(normaliseRequestPath(strict.path), normaliseRequestPath(raw));
        // Nothing is left that a second decoding or a dot segment could turn into another path.
        assert.doesNotMatch(strict.path, /\/\/|\/(\.|%2e){1,2}(\/|;|$)|%2f|%5c|\\|#/i);
      }),
      { numRuns: 3000 },
    );
  });

  test("a normalised path normalises to itself", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "/", "//", ".", ".."), { maxLength: 8 }), (pieces) => {
        const once = normaliseRequestPath(`/${pieces.join("")}`);
        if (once.kind === "path") assert.deepEqual(normaliseRequestPath(once.path), once);
      }),
    );
  });

  test("a server name is found by name, then by wildcard of one label, and never by the default", () => {
    const tls = [{ hosts: ["a.example", "*.b.example"], secretName: null }];
    const store = storeOf([ingress("shop/web", { tls, rules: [rule("", path("/"))] })], { defaultCertificate: "a/b" });
    const hosts = new Map([...store.hostsInUse()].map((name) => [name, buildHost(store, SETTINGS, name)]));
    assert.equal(serverNameOf(hosts, "a.example"), "a.example");
    assert.equal(serverNameOf(hosts, "x.b.example"), "*.b.example");
    assert.equal(serverNameOf(hosts, "x.y.b.example"), null);
    assert.equal(serverNameOf(hosts, "c.example"), null);
  });
});
