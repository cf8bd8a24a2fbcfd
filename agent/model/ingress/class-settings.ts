// Settings of an IngressClass: the ConfigMap that its parameters name. They are the defaults of the annotations of its
// Ingresses, under the names that ingress-nginx has in its ConfigMap.
// A ConfigMap that is not there may hold restrictions: until it is, the routes of the class are closed.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import { type ConfigMap, type Ingress, type IngressClass } from "../../objects/objects.ts";
import type { Closed, Problem } from "../edge-model.ts";
import type { ModelInput, ModelSettings } from "../input.ts";
import { problemOf } from "../problems.ts";
import { ANNOTATIONS } from "./annotations.ts";
import { classNameOf, isOurClass } from "./class.ts";
import { type AnnotationRemark, readGuards } from "./guards.ts";
import { type Policy, readPolicy } from "./policy.ts";

export interface ClassSettings {
  /** Defaults for what an Ingress does not say itself; null: there are none. */
  readonly policy: Policy | null;
  readonly closed: Closed | null;
}

const NOTHING: ClassSettings = { policy: null, closed: null };
const PREFIX = `${NGINX_PREFIX}/`;

/** Keys that a class can set; any other is of the whole edge. */
const SERVED = new Set([
  "ssl-redirect",
  "force-ssl-redirect",
  "allowlist-source-range",
  "whitelist-source-range",
  "denylist-source-range",
]);
/** Restrictions that have another name than their annotation, or none. */
const RESTRICTING = new Set(["block-cidrs", "block-user-agents", "block-referers", "enable-owasp-modsecurity-crs"]);
/** They look like restrictions and are only words about them. */
const HARMLESS = new Set(["limit-conn-zone-variable", "limit-conn-status-code", "limit-req-status-code"]);

/** What the class of an Ingress asks for. */
export function classSettingsOf(input: ModelInput, ingress: Ingress): ClassSettings {
  const name = classNameOf(ingress);
  const parameters = (name === null ? undefined : input.ingressClass(name))?.parameters ?? null;
  if (parameters?.kind !== "ConfigMap") return NOTHING;
  const configMap = input.configMap(parameters.key);
  if (configMap === undefined) {
    return { policy: null, closed: { reason: `ConfigMap ${parameters.key} of IngressClass ${name} is not there` } };
  }
  const { policy, closing } = readConfigMap(configMap);
  const [first] = closing;
  if (first === undefined) return { policy, closed: null };
  return { policy, closed: { reason: `${first.key} of ConfigMap ${parameters.key} ${first.message}` } };
}

/** What is wrong with the parameters of our classes. */
export function classProblems(input: ModelInput, settings: ModelSettings): readonly Problem[] {
  return input
    .ingressClasses()
    .filter((ingressClass) => isOurClass(ingressClass.meta.name, ingressClass, settings))
    .flatMap((ingressClass) => problemsOf(input, ingressClass));
}

function problemsOf(input: ModelInput, ingressClass: IngressClass): readonly Problem[] {
  const { parameters } = ingressClass;
  if (parameters === null) return [];
  const ofClass = (severity: Problem["severity"], message: string, fix: string): readonly Problem[] => [
    problemOf(ingressClass, { ...ABOUT, severity, field: "spec.parameters", message, fix }),
  ];
  if (parameters.kind === "other") {
    const message = `names ${parameters.text}, which is not read: its Ingresses are served without`;
    const fix =
      "name a ConfigMap: {kind: ConfigMap, scope: Namespace, namespace: …, name: …}, or remove the parameters";
    return ofClass("warning", message, fix);
  }
  const configMap = input.configMap(parameters.key);
  if (configMap === undefined) {
    const message = `there is no ConfigMap ${parameters.key}: the routes of the class answer 503`;
    return ofClass("error", message, "create it (it may be empty), or remove the parameters");
  }
  const { closing, warnings } = readConfigMap(configMap);
  const say = (severity: Problem["severity"], { key, message, fix }: AnnotationRemark): Problem =>
    problemOf(configMap, { ...ABOUT, severity, field: `data["${key}"]`, message, fix });
  return [...closing.map((remark) => say("error", remark)), ...warnings.map((remark) => say("warning", remark))];
}

const ABOUT = { code: "class-parameters", hosts: [] } as const;

interface ReadConfigMap {
  readonly policy: Policy;
  readonly closing: readonly AnnotationRemark[];
  readonly warnings: readonly AnnotationRemark[];
}

// Asked for by each host of the class; objects never change.
const remembered = new WeakMap<ConfigMap, ReadConfigMap>();

function readConfigMap(configMap: ConfigMap): ReadConfigMap {
  const known = remembered.get(configMap);
  if (known !== undefined) return known;
  const read = readData(configMap);
  remembered.set(configMap, read);
  return read;
}

function readData({ data, meta }: ConfigMap): ReadConfigMap {
  const served: Record<string, string> = {};
  const closing: AnnotationRemark[] = [];
  const warnings: AnnotationRemark[] = [];
  for (const key of Object.keys(data).sort()) {
    const value = data[key] ?? "";
    // As in ingress-nginx, where an empty value is none.
    if (value.trim() === "") continue;
    if (SERVED.has(key)) served[`${PREFIX}${key}`] = value;
    else if (RESTRICTING.has(key) || ANNOTATIONS.get(key)?.effect === "restricting") closing.push(unserved(key));
    else if (HARMLESS.has(key) || readGuards({ [`${PREFIX}${key}`]: value }).closing.length === 0)
      warnings.push(ofEdge(key));
    else closing.push(unserved(key));
  }
  const policy = readPolicy(served, meta.namespace);
  const plainKey = (remark: AnnotationRemark): AnnotationRemark => ({ ...remark, key: remark.key.replace(PREFIX, "") });
  return {
    policy,
    closing: [...policy.closing.map(plainKey), ...closing],
    warnings: [...policy.invalid.map(plainKey), ...warnings],
  };
}

function unserved(key: string): AnnotationRemark {
  const fix = "remove it, or leave the class to a controller that serves it";
  return { key, message: "restricts access and is not served yet: the routes of the class answer 503", fix };
}

function ofEdge(key: string): AnnotationRemark {
  const fix = "set it for all hosts in the configuration file (docs/settings.md has the names), and remove it here";
  return { key, message: "is no setting of a class: it is not used", fix };
}
