// Which Ingresses are ours.

import { CLASS_ANNOTATION } from "../../objects/annotation-keys.ts";
import type { Ingress, IngressClass } from "../../objects/objects.ts";
import type { ModelSettings } from "../input.ts";

/** spec.controller of IngressClasses that are ours whatever they are called. */
const CONTROLLER = "headgate.dev/ingress";

/** What is known about the IngressClasses of the cluster. */
export interface Classes {
  readonly get: (name: string) => IngressClass | undefined;
  /** There is one, or nobody knows yet (a role that may not list them): somebody else's Ingresses stay theirs. */
  readonly any: boolean;
  /** One of the default classes is ours. */
  readonly defaultIsOurs: boolean;
}

/** The class an Ingress names: spec.ingressClassName, else the old annotation; null for none. */
export function classNameOf(ingress: Ingress): string | null {
  if (ingress.ingressClassName !== null) return ingress.ingressClassName;
  const annotation = ingress.meta.annotations[CLASS_ANNOTATION];
  return annotation === undefined || annotation === "" ? null : annotation;
}

/** Whether a class is ours: by its name in the settings, or by its controller. */
export function isOurClass(name: string, found: IngressClass | undefined, settings: ModelSettings): boolean {
  return settings.ingressClasses.includes(name) || found?.controller === CONTROLLER;
}

/**
 * Whether an Ingress is ours. One without a class is by `classless`; "auto" takes it from a manifest, from a cluster
 * without any IngressClass, and where our class is the cluster's default (it then is older than that default).
 */
export function isOurs(ingress: Ingress, classes: Classes, settings: ModelSettings): boolean {
  const name = classNameOf(ingress);
  if (name !== null) return isOurClass(name, classes.get(name), settings);
  switch (settings.classless) {
    case "true":
      return true;
    case "false":
      return false;
    case "auto":
      return ingress.meta.position !== null || !classes.any || classes.defaultIsOurs;
  }
}
