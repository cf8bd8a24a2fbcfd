// Server blocks of hosts that ask for client certificates: one for each policy, which is what OpenSSL verifies by.
// Their files are named by the policy, whose name is a hash: no text of a tenant is in it.

import type { ClientPolicy } from "../model/edge-model.ts";
import type { RenderedFile } from "./files.ts";

/** A policy and the hosts that have it. */
export interface ServerPolicy extends ClientPolicy {
  /** Sorted; "*.example.org" for a wildcard. */
  readonly hosts: readonly string[];
}
export interface MutualTls {
  /** Sorted by name. */
  readonly policies: readonly ServerPolicy[];
  /** Hosts without a policy that a wildcard with one would cover. Sorted. */
  readonly plainHosts: readonly string[];
}

export const NO_MUTUAL_TLS: MutualTls = { policies: [], plainHosts: [] };

interface PolicyContext extends Pick<ServerPolicy, "name" | "verify" | "depth" | "hosts"> {
  readonly authoritiesFile: string;
  /** null: nothing is revoked. */
  readonly revocationsFile: string | null;
}

/** Policies as templates want them. */
export function policyContexts({ policies }: MutualTls): readonly PolicyContext[] {
  return policies.map(({ name, verify, depth, hosts, revocations }) => ({
    name,
    verify,
    depth,
    hosts,
    authoritiesFile: authoritiesFile(name),
    revocationsFile: revocations === null ? null : revocationsFile(name),
  }));
}

/** The files that the blocks name. */
export function policyFiles({ policies }: MutualTls): readonly RenderedFile[] {
  return policies.flatMap(({ name, authorities, revocations }) => [
    { path: authoritiesFile(name), text: authorities },
    ...(revocations === null ? [] : [{ path: revocationsFile(name), text: revocations }]),
  ]);
}

/** Buckets for the names, so that nginx need not warn. */
export function serverNamesHashSize({ policies, plainHosts }: MutualTls): number {
  const names = policies.reduce((sum, { hosts }) => sum + hosts.length + 1, plainHosts.length);
  return Math.max(512, 2 ** Math.ceil(Math.log2(names * 2 + 1)));
}

function authoritiesFile(name: string): string {
  return `servers/${name}.pem`;
}

function revocationsFile(name: string): string {
  return `servers/${name}.crl`;
}
