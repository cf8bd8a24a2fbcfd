// The default backend of one route's errors: which Service it is.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import type { Service } from "../../objects/objects.ts";
import type { BackendKey, Filter, Problem } from "../edge-model.ts";
import type { ModelInput, ModelSettings } from "../input.ts";
import { problemOf } from "../problems.ts";
import { backendKey, findPort, FIRST_PORT } from "../service-port.ts";
import type { Claims } from "./claims.ts";

interface Place {
  readonly input: ModelInput;
  readonly settings: ModelSettings;
  /** Of the host. */
  readonly name: string;
  readonly problems: Problem[];
}

/** The Service that answers errors, for a route to depend on: the one that default-backend names, else the edge's. */
export function errorsService(
  input: ModelInput,
  settings: ModelSettings,
  { ingress, policy }: Claims,
): Service | undefined {
  if (policy.errors === null) return undefined;
  const { service } = policy.errors;
  const key = service === null ? settings.defaultBackend?.service : `${ingress.meta.namespace}/${service}`;
  return key === undefined ? undefined : input.service(key);
}

/** The filter; what is wrong is added to `problems`: then errors go out as they come. */
export function resolveErrors(place: Place, claims: Claims, backend: BackendKey | null): readonly Filter[] {
  const { errors } = claims.policy;
  if (errors === null || backend === null) return [];
  const { codes, intercept, service } = errors;
  const key = service === null ? edgeDefault(place, claims) : ownDefault(place, claims, service);
  if (key === null) return [];
  return [{ kind: "errors", codes, intercept, backend: key, port: backend.split("/")[2] ?? "" }];
}

function ownDefault(place: Place, claims: Claims, name: string): BackendKey | null {
  const key = `${claims.ingress.meta.namespace}/${name}`;
  const service = errorsService(place.input, place.settings, claims);
  if (service !== undefined && findPort(service, FIRST_PORT) !== undefined) {
    return backendKey(key, service, FIRST_PORT);
  }
  const what = service === undefined ? `there is no Service ${key}` : `Service ${key} has no TCP port`;
  say(place, claims, { annotation: "default-backend", what, fix: "create the Service, or correct the name" });
  return null;
}

function edgeDefault(place: Place, claims: Claims): BackendKey | null {
  const { defaultBackend } = place.settings;
  if (defaultBackend !== null) {
    const { service, port } = defaultBackend;
    return backendKey(service, errorsService(place.input, place.settings, claims), port);
  }
  const fix = "name a Service in the annotation default-backend";
  say(place, claims, { annotation: "custom-http-errors", what: "there is no default backend", fix });
  return null;
}

function say(
  { name, problems }: Place,
  { ingress }: Claims,
  { annotation, what, fix }: { annotation: string; what: string; fix: string },
): void {
  const message = `${what}: errors go out as they come`;
  const told = problems.some((known) => known.message === message && known.object?.name === ingress.meta.name);
  if (told) return;
  const code = annotation === "default-backend" ? "service-missing" : "annotation-invalid";
  const field = `metadata.annotations["${NGINX_PREFIX}/${annotation}"]`;
  problems.push(problemOf(ingress, { code, severity: "error", field, message, fix, hosts: [name] }));
}
