// The headers of one route: what its annotations and the ConfigMap that they name come to.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import type { Filter, Problem } from "../edge-model.ts";
import type { ModelInput, ModelSettings } from "../input.ts";
import { problemOf } from "../problems.ts";
import type { Claims } from "./claims.ts";
import { headerFilters } from "./headers.ts";

interface Place {
  readonly input: ModelInput;
  readonly settings: ModelSettings;
  /** Of the host. */
  readonly name: string;
  readonly problems: Problem[];
}

/** The filters; what is wrong is added to `problems`. A ConfigMap that is not there costs its headers alone. */
export function resolveHeaders(
  { input, settings, name, problems }: Place,
  { ingress, policy }: Claims,
  filters: readonly Filter[],
): readonly Filter[] {
  const { headers } = policy;
  const configMap = headers.configMap === null ? undefined : input.configMap(headers.configMap);
  const say = (code: Problem["code"], annotation: string, message: string, fix: string): void => {
    const field = `metadata.annotations["${NGINX_PREFIX}/${annotation}"]`;
    const told = problems.some((known) => known.message === message && known.object?.name === ingress.meta.name);
    if (!told) problems.push(problemOf(ingress, { code, severity: "error", field, message, fix, hosts: [name] }));
  };
  if (headers.configMap !== null && configMap === undefined) {
    const message = `there is no ConfigMap ${headers.configMap}: answers go out without its headers`;
    say("config-map-missing", "custom-headers", message, "create it, or correct the name");
  }
  const rewrites = filters.some(({ kind }) => kind === "rewrite" || kind === "strip");
  const { filters: made, faults } = headerFilters(headers, { configMap, rewrites, rules: settings });
  for (const { annotation, name: header, message, fix } of faults) {
    const where = annotation === "custom-headers" ? `${header} of ConfigMap ${headers.configMap ?? ""}` : header;
    say("annotation-invalid", annotation, `${where} ${message}`, fix);
  }
  return made;
}
