// The guards of an Ingress's routes, and what its answers are held to, as filters.

import type { Filter } from "../edge-model.ts";
import { basicAuthFilter } from "./basic-auth.ts";
import type { Claims } from "./claims.ts";
import type { Policy } from "./policy.ts";

/** In the order in which the data plane judges them. */
export function guardFilters({ ingress, policy }: Pick<Claims, "ingress" | "policy">): readonly Filter[] {
  const filters: Filter[] = [];
  if (policy.access !== null) filters.push(policy.access);
  if (policy.limit !== null) {
    filters.push({ ...policy.limit, key: `${ingress.meta.namespace}/${ingress.meta.name}` });
  }
  if (policy.basicAuth !== null) filters.push(basicAuthFilter(policy.basicAuth));
  if (policy.bandwidth !== null) filters.push(policy.bandwidth);
  return filters;
}

/** Kinds of filters that keep somebody out: paths of a host that has one are judged strictly. */
const KEEPS_OUT: ReadonlySet<Filter["kind"]> = new Set<Filter["kind"]>(["access", "basic_auth", "external_auth"]);

/** Kinds that ask a client who it is: never in the clear, where the host has a certificate. */
const ASKS: ReadonlySet<Filter["kind"]> = new Set<Filter["kind"]>(["basic_auth", "external_auth"]);

export function asksForCredentials({ kind }: Filter): boolean {
  return ASKS.has(kind);
}

export function keepsOut({ kind }: Filter): boolean {
  return KEEPS_OUT.has(kind);
}

/**
 * A list of the Ingress takes the place of that of its class, each by itself: who denies somebody more has not let
 * everybody else in (ingress-nginx reads the two annotations apart).
 */
export function withDefaultAccess(filters: readonly Filter[], ofClass: Policy | null): readonly Filter[] {
  const defaults = ofClass?.access ?? null;
  if (defaults === null) return filters;
  const own = filters.find((filter) => filter.kind === "access");
  if (own === undefined) return [defaults, ...filters];
  const allow = own.allow.length > 0 ? own.allow : defaults.allow;
  const deny = own.deny.length > 0 ? own.deny : defaults.deny;
  return filters.map((filter) => (filter === own ? { kind: "access", allow, deny } : filter));
}

/** The first of all: nobody else learns whether another guard would let him in. */
export function withGuard(guard: Filter | null, filters: readonly Filter[]): readonly Filter[] {
  return guard === null ? filters : [guard, ...filters];
}
