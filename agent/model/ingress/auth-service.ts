// The Service that is asked whether a request may pass, where it cannot be asked.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import { problemOf } from "../problems.ts";
import { findPort } from "../service-port.ts";
import { isUrlService } from "../url-backends.ts";
import type { Claims } from "./claims.ts";
import type { Place } from "./route-backend.ts";

/** Adds the problem of an Ingress whose auth-url names a Service that is not there, or a port that it has not. */
export function sayAuthService({ input, name, problems }: Place, { ingress, policy }: Claims): void {
  const asked = policy.externalAuth?.service ?? null;
  // Of other hosts their backends say what is wrong.
  if (asked === null || isUrlService(asked.key)) return;
  const service = input.service(asked.key);
  if (service !== undefined && findPort(service, asked.port) !== undefined) return;
  const missing = service === undefined;
  const what = missing ? `there is no Service ${asked.key}` : `Service ${asked.key} has no TCP port ${asked.port}`;
  problems.push(
    problemOf(ingress, {
      code: missing ? "service-missing" : "service-port-missing",
      severity: "error",
      field: `metadata.annotations["${NGINX_PREFIX}/auth-url"]`,
      message: `${what}, which is to be asked: its routes answer 503`,
      fix: missing ? "create the Service, or correct the URL" : "write the port of the Service into the URL",
      hosts: [name],
    }),
  );
}
