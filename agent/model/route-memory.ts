// Routes that were made before, so that a host of thousands of paths is built anew at the cost of what changed.
// A route is remembered with all that it was made from, beside its claim, and goes with it. One that had a problem,
// is closed, or depends on a Secret is made anew each time: those are few.

import type { ConfigMap, Service } from "../objects/objects.ts";
import type { Expression, Route } from "./edge-model.ts";
import type { Claim } from "./ingress/claims.ts";
import type { Policy } from "./ingress/policy.ts";
import type { ModelSettings } from "./input.ts";

export interface WrittenExpression extends Expression {
  /** The path of the rule: it decides the order. */
  readonly written: string;
}

/** What a claim became. */
export interface MadeRoute {
  readonly route: Route;
  /** Null on a host without regular expressions. */
  readonly expression: WrittenExpression | null;
}

/** What a route is made from, beside its Ingress. */
export interface RouteOrigin {
  readonly settings: ModelSettings;
  readonly service: Service | undefined;
  /** That answers its errors. */
  readonly errorsService: Service | undefined;
  /** With headers of its answers. */
  readonly configMap: ConfigMap | undefined;
  /** Of the class of its Ingress. */
  readonly classPolicy: Policy | null;
  /** Whether its host has regular expressions. */
  readonly regex: boolean;
}

const remembered = new WeakMap<Claim, { readonly made: MadeRoute; readonly origin: RouteOrigin }>();

/** The route that was made of this claim, or undefined where it would be another one now. */
export function recallRoute(claim: Claim, now: RouteOrigin): MadeRoute | undefined {
  const known = remembered.get(claim);
  if (known === undefined) return undefined;
  const { origin, made } = known;
  const same =
    origin.service === now.service &&
    origin.configMap === now.configMap &&
    origin.errorsService === now.errorsService &&
    origin.regex === now.regex &&
    origin.classPolicy === now.classPolicy &&
    origin.settings === now.settings;
  return same ? made : undefined;
}

/** To be called for a route that is open, had no problem and needs no Secret. */
export function rememberRoute(claim: Claim, origin: RouteOrigin, made: MadeRoute): void {
  remembered.set(claim, { made, origin });
}
