// Which hosts ask for client certificates, as they are built: what nginx must have server blocks for.

import type { BuiltHost, ClientPolicy } from "../model/edge-model.ts";
import { wildcardOf } from "../model/hosts.ts";
import { compareText } from "../objects/objects.ts";
import { type MutualTls, NO_MUTUAL_TLS, type ServerPolicy } from "../render/mutual-tls.ts";

export class HostPolicies {
  readonly #policies = new Map<string, ClientPolicy>();
  /** Name → the host whose table decides for it. */
  readonly #aliases = new Map<string, string>();

  /** Takes what a host is now. */
  note(name: string, { host, clientPolicy }: BuiltHost): void {
    if (clientPolicy === undefined || host === null) this.#policies.delete(name);
    else this.#policies.set(name, clientPolicy);
    const target = host?.aliasOf ?? null;
    if (target === null) this.#aliases.delete(name);
    else this.#aliases.set(name, target);
  }

  /** Another one that goes on from here. */
  fork(): HostPolicies {
    const fork = new HostPolicies();
    for (const [name, policy] of this.#policies) fork.#policies.set(name, policy);
    for (const [name, target] of this.#aliases) fork.#aliases.set(name, target);
    return fork;
  }

  /** The server blocks, among all hosts that there are. Costs next to nothing while no host asks. */
  mutualTls(hosts: ReadonlyMap<string, BuiltHost>): MutualTls {
    if (this.#policies.size === 0) return NO_MUTUAL_TLS;
    const policyOf = new Map(this.#policies);
    for (const [alias, target] of this.#aliases) {
      const policy = this.#policies.get(target);
      if (policy !== undefined) policyOf.set(alias, policy);
    }
    const byName = new Map<string, { readonly policy: ClientPolicy; readonly names: string[] }>();
    for (const [name, policy] of policyOf) {
      const entry = byName.get(policy.name) ?? { policy, names: [] };
      byName.set(policy.name, entry);
      entry.names.push(name);
    }
    const policies = [...byName.values()].map(({ policy, names }): ServerPolicy => ({
      ...policy,
      hosts: names.sort(compareText),
    }));
    return { policies: policies.sort((a, b) => compareText(a.name, b.name)), plainHosts: plainHosts(hosts, policyOf) };
  }
}

function plainHosts(
  hosts: ReadonlyMap<string, BuiltHost>,
  policyOf: ReadonlyMap<string, ClientPolicy>,
): readonly string[] {
  if (![...policyOf.keys()].some((name) => name.startsWith("*."))) return [];
  const covered = (name: string): boolean => policyOf.has(wildcardOf(name) ?? "");
  return [...hosts]
    .filter(([name, { host }]) => host !== null && !policyOf.has(name) && covered(name))
    .map(([name]) => name)
    .sort(compareText);
}
