// What a Service says of its new peers: headgate.dev/slow-start.

import { SLOW_START_ANNOTATION } from "../objects/annotation-keys.ts";
import type { Service } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import type { Problem } from "./edge-model.ts";
import { problemOf } from "./problems.ts";

const SECONDS_MAX = 3600;

/** For how many seconds a new peer's share grows; 0: it has it at once. null: the Service says nothing that can be used. */
export function slowStartOf(service: Service): number | null {
  const match = /^(\d{1,4})(s|m)?$/.exec(service.meta.annotations[SLOW_START_ANNOTATION]?.trim() ?? "");
  const seconds = Number(match?.[1] ?? Number.NaN) * (match?.[2] === "m" ? 60 : 1);
  return seconds <= SECONDS_MAX ? seconds : null;
}

/** The problem of a Service whose annotation is no time; null: there is none. */
export function badSlowStart(service: Service, hosts: readonly string[]): Problem | null {
  const said = service.meta.annotations[SLOW_START_ANNOTATION];
  if (said === undefined || slowStartOf(service) !== null) return null;
  return problemOf(service, {
    code: "annotation-invalid",
    severity: "error",
    field: `metadata.annotations["${SLOW_START_ANNOTATION}"]`,
    message: `"${printable(said, 60)}" is no time up to an hour: the configuration's holds`,
    fix: 'write seconds or minutes, like "30s"; "0s" for none',
    hosts,
  });
}
