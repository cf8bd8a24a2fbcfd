import assert from "node:assert/strict";
import { test } from "node:test";
import { peerCheckOf } from "../../../agent/model/peer-check.ts";
import type { Service } from "../../../agent/objects/objects.ts";
import { service } from "./objects.ts";

function annotated(annotations: Readonly<Record<string, string>>): Service {
  const made = service("web");
  return { ...made, meta: { ...made.meta, annotations } };
}

const KEY = "headgate.dev/health-check";

test("a kind is enough, and the rest is as usual", () => {
  const { check, problems } = peerCheckOf(annotated({ [KEY]: " HTTP " }), []);
  assert.deepEqual(problems, []);
  assert.deepEqual(check, {
    kind: "http",
    port: 0,
    path: "/",
    host: "",
    service: "",
    status: { from: 200, to: 399 },
    intervalMs: 5000,
    timeoutMs: 2000,
    passes: 2,
    fails: 3,
  });
});

test("everything can be said", () => {
  const { check, problems } = peerCheckOf(
    annotated({
      [KEY]: "grpc",
      [`${KEY}-port`]: "9090",
      [`${KEY}-path`]: "/ready?full=1",
      [`${KEY}-host`]: "shop.example:8080",
      [`${KEY}-service`]: "shop.Cart",
      [`${KEY}-status`]: "204",
      [`${KEY}-interval`]: "10",
      [`${KEY}-timeout`]: "1",
      [`${KEY}-passes`]: "1",
      [`${KEY}-fails`]: "5",
    }),
    [],
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(check, {
    kind: "grpc",
    port: 9090,
    path: "/ready?full=1",
    host: "shop.example:8080",
    service: "shop.Cart",
    status: { from: 204, to: 204 },
    intervalMs: 10_000,
    timeoutMs: 1000,
    passes: 1,
    fails: 5,
  });
});

test("a kind that cannot be read asks for no check, and is told", () => {
  const { check, problems } = peerCheckOf(annotated({ [KEY]: "true" }), ["shop.example"]);
  assert.equal(check, null);
  assert.equal(problems.length, 1);
  const [problem] = problems;
  assert.equal(problem?.field, `metadata.annotations["${KEY}"]`);
  assert.match(problem?.message ?? "", /"true" is no kind of check/);
  assert.match(problem?.fix ?? "", /http, https, tcp, grpc/);
  assert.deepEqual(problem?.hosts, ["shop.example"]);
});

test("a value that cannot be used is told, and the usual one holds", () => {
  const bad: readonly (readonly [string, string])[] = [
    ["port", "0"],
    ["port", "65536"],
    ["port", "http"],
    ["path", "healthz"],
    ["path", "/a b"],
    ["path", "/a\r\nX: y"],
    ["path", "/a#b"],
    ["path", `/${"a".repeat(2000)}`],
    ["host", "a b"],
    ["host", "a\nb"],
    ["service", "a b"],
    ["status", "2xx"],
    ["status", "300-200"],
    ["status", "99"],
    ["interval", "5s"],
    ["interval", "0"],
    ["interval", "301"],
    ["timeout", "-1"],
    ["passes", "0"],
    ["fails", "1.5"],
  ];
  const usual = peerCheckOf(annotated({ [KEY]: "http" }), []).check;
  for (const [name, value] of bad) {
    const { check, problems } = peerCheckOf(annotated({ [KEY]: "http", [`${KEY}-${name}`]: value }), []);
    assert.deepEqual(check, usual, `${name}: ${value}`);
    assert.equal(problems.length, 1, `${name}: ${value}`);
    assert.equal(problems[0]?.field, `metadata.annotations["${KEY}-${name}"]`);
    assert.doesNotMatch(problems[0]?.message ?? "", /[\r\n]/);
  }
});
