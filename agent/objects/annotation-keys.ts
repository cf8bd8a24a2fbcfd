// Which annotations could be meant for an ingress controller, also misspelt ones: a guard whose key has a typing
// error must be seen, not lost among the annotations of other tools.

import { editDistance } from "../lib/spelling.ts";

/** The key of the class annotation that is older than spec.ingressClassName. */
export const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/** The key on a Service that says where its endpoints are asked: pod, nodePort or clusterIP. */
export const ENDPOINTS_ANNOTATION = "headgate.dev/endpoints";

/** The key on a Service that says how its peers are picked, for routes whose Ingress says nothing. */
export const LOAD_BALANCE_ANNOTATION = "headgate.dev/load-balance";

/** The key on a Service that says for how long the share of a new peer grows. */
export const SLOW_START_ANNOTATION = "headgate.dev/slow-start";

/** The key on a Service that says how its peers are checked, and what stands behind it and a "-" in further ones. */
export const CHECK_ANNOTATION = "headgate.dev/health-check";
export const CHECK_DETAILS = [
  "path",
  "host",
  "port",
  "service",
  "status",
  "interval",
  "timeout",
  "passes",
  "fails",
] as const;

/** What is read of a Service. */
export const SERVICE_ANNOTATIONS: readonly string[] = [
  ENDPOINTS_ANNOTATION,
  LOAD_BALANCE_ANNOTATION,
  SLOW_START_ANNOTATION,
  CHECK_ANNOTATION,
  ...CHECK_DETAILS.map((detail) => `${CHECK_ANNOTATION}-${detail}`),
];

/** ingress-nginx's own prefix, and the one that it had before. */
export const NGINX_PREFIX = "nginx.ingress.kubernetes.io";
export const OLD_PREFIX = "ingress.kubernetes.io";
/** Prefixes under which the names of ingress-nginx are looked up; where several have one name, the first decides. */
export const PREFIXES = ["headgate.dev", NGINX_PREFIX, OLD_PREFIX] as const;
export type Prefix = (typeof PREFIXES)[number];

/** An annotation's key, taken apart. `exact`: the prefix is spelt as it should be. */
export interface AnnotationKey {
  readonly prefix: Prefix;
  readonly name: string;
  readonly exact: boolean;
}

// What people write for the first prefix and what no edit distance finds.
const OTHER_SPELLINGS = [
  "nginx.ingress.k8s.io",
  "ingress.k8s.io",
  "nginx.kubernetes.io",
  "ingress.nginx.kubernetes.io",
  "nginx.ingress.io",
  "nginx.ingress",
  "ingress-nginx.kubernetes.io",
] as const;

/**
 * Takes an annotation's key apart when its prefix is one of ours, nearly one of ours, or one of ours without the
 * slash after it; null for every other annotation. The name keeps its spelling.
 */
export function parseAnnotationKey(key: string): AnnotationKey | null {
  for (const prefix of PREFIXES) {
    if (key.startsWith(prefix) && key[prefix.length] === "/") {
      return { prefix, name: key.slice(prefix.length + 1), exact: true };
    }
  }
  const lower = key.trim().toLowerCase();
  for (const prefix of PREFIXES) {
    // "nginx.ingress.kubernetes.io.auth-url": the slash was forgotten or is something else.
    if (lower.startsWith(prefix) && lower.length > prefix.length) {
      return { prefix, name: lower.slice(prefix.length).replace(/^[^a-z0-9]+/, ""), exact: false };
    }
  }
  const slash = lower.indexOf("/");
  if (slash === -1) return null;
  const prefix = nearPrefix(lower.slice(0, slash));
  return prefix === null ? null : { prefix, name: lower.slice(slash + 1), exact: false };
}

/** Whether the key is the class annotation or nearly it. */
export function isNearClassAnnotation(key: string): boolean {
  return key === CLASS_ANNOTATION || editDistance(key.toLowerCase(), CLASS_ANNOTATION, 2) <= 2;
}

/** Keeps the annotations that could be meant for an ingress controller. */
export function trimAnnotations(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(annotations)) {
    if (parseAnnotationKey(key) !== null || isNearClassAnnotation(key)) kept[key] = value;
  }
  return kept;
}

function nearPrefix(text: string): Prefix | null {
  for (const prefix of PREFIXES) {
    // Short prefixes have neighbours that mean something else, so they get less room.
    const room = prefix.length > 24 ? 3 : prefix.length > 16 ? 2 : 1;
    if (editDistance(text, prefix, room) <= room) return prefix;
  }
  for (const spelling of OTHER_SPELLINGS) {
    if (editDistance(text, spelling, 1) <= 1) return NGINX_PREFIX;
  }
  return null;
}
