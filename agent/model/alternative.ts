// A Service beside that of a route.

import type { ObjectRef } from "../objects/objects.ts";
import type { BackendKey, Protocol, RouteBalance, UpstreamTls } from "./edge-model.ts";

/**
 * Another Service for the requests of a route (canary). A request goes to the first that its header or cookie asks
 * for; of those that say nothing `weight` of `total` do.
 */
export interface Alternative {
  /** The Ingress that says so. */
  readonly ingress: ObjectRef;
  readonly backend: BackendKey;
  readonly protocol: Protocol;
  readonly upstreamTls: UpstreamTls | null;
  /** null: as the configuration has it. */
  readonly balance: RouteBalance | null;
  readonly rule: AlternativeRule;
}

/** Which requests go to an alternative. */
export interface AlternativeRule {
  /** A header with `value`, or that matches `pattern`; without both "always" or "never" decides. null: none. */
  readonly header: string | null;
  /** "" for none. */
  readonly value: string;
  /** "" for none; by case, and anywhere in the value. */
  readonly pattern: string;
  /** A cookie with "always" or "never"; null: none. */
  readonly cookie: string | null;
  /** Together the alternatives of a route have no more than all requests. */
  readonly weight: number;
  readonly total: number;
}
