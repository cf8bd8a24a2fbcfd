// Which policies of client certificates get a server block, where there are more than there may be.

import type { MutualTls } from "../render/mutual-tls.ts";

/** Each is a server block with all profiles, and a reload when it comes: a tenant cannot buy more. */
export const CLIENT_POLICIES_MAX = 32;

/** Those that nginx has come first: nobody's new policy takes the place of another's. The others are closed. */
export function choosePolicies(running: MutualTls, wanted: MutualTls): MutualTls {
  if (wanted.policies.length <= CLIENT_POLICIES_MAX) return wanted;
  const known = new Set(running.policies.map(({ name }) => name));
  const inTurn = [
    ...wanted.policies.filter(({ name }) => known.has(name)),
    ...wanted.policies.filter(({ name }) => !known.has(name)),
  ];
  const chosen = new Set(inTurn.slice(0, CLIENT_POLICIES_MAX));
  return { ...wanted, policies: wanted.policies.filter((policy) => chosen.has(policy)) };
}

/** Whether nginx would do the same by both. A policy's name stands for all that it verifies by. */
export function isSameMutualTls(a: MutualTls, b: MutualTls): boolean {
  return (
    a.policies.length === b.policies.length &&
    isSameList(a.plainHosts, b.plainHosts) &&
    a.policies.every(({ name, hosts }, at) => name === b.policies[at]?.name && isSameList(hosts, b.policies[at].hosts))
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((entry, at) => entry === b[at]);
}
