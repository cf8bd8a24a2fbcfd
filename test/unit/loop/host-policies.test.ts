import assert from "node:assert/strict";
import { test } from "node:test";
import { HostPolicies } from "../../../agent/loop/host-policies.ts";
import type { BuiltHost, ClientPolicy, Host } from "../../../agent/model/edge-model.ts";

const policy = (name: string): ClientPolicy => ({ name, verify: "on", depth: 1, authorities: "CA", revocations: null });

function built(name: string, clientPolicy: ClientPolicy | null, aliasOf: string | null = null): BuiltHost {
  const host: Host = {
    name,
    aliasOf,
    exact: new Map(),
    prefixes: new Map(),
    expressions: [],
    fallback: null,
    strictPaths: false,
  };
  return {
    host,
    routes: [],
    serverName: null,
    problems: [],
    shadowed: [],
    ...(clientPolicy !== null && { clientPolicy }),
  };
}

function all(...hosts: readonly BuiltHost[]): { policies: HostPolicies; hosts: Map<string, BuiltHost> } {
  const named = new Map(hosts.map((host) => [host.host?.name ?? "", host]));
  const policies = new HostPolicies();
  for (const [name, host] of named) policies.note(name, host);
  return { policies, hosts: named };
}

test("hosts of one policy share a block, with their other names", () => {
  const { policies, hosts } = all(
    built("b.example", policy("m1")),
    built("a.example", policy("m1")),
    built("c.example", policy("m0")),
    built("also-c.example", null, "c.example"),
    built("open.example", null),
    built("also-open.example", null, "open.example"),
  );
  const { policies: blocks, plainHosts } = policies.mutualTls(hosts);
  assert.deepEqual(
    blocks.map(({ name, hosts: names }) => [name, names]),
    [
      ["m0", ["also-c.example", "c.example"]],
      ["m1", ["a.example", "b.example"]],
    ],
  );
  assert.deepEqual(plainHosts, []);
});

test("hosts that a wildcard would cover and that ask for nothing are named apart", () => {
  const { policies, hosts } = all(
    built("*.example", policy("m1")),
    built("open.example", null),
    built("own.example", policy("m2")),
    built("a.b.example", null),
    built("also.example", null, "open.example"),
  );
  assert.deepEqual(policies.mutualTls(hosts).plainHosts, ["also.example", "open.example"]);
});

test("what is gone is gone, and a fork goes its own way", () => {
  const { policies, hosts } = all(built("a.example", policy("m1")));
  const fork = policies.fork();
  policies.note("a.example", built("a.example", null));
  assert.deepEqual(policies.mutualTls(hosts).policies, []);
  assert.equal(fork.mutualTls(hosts).policies.length, 1);
});
