// The backend of one path, how it is spoken to, and what is wrong with it.

import { NGINX_PREFIX } from "../../objects/annotation-keys.ts";
import type { Ingress } from "../../objects/objects.ts";
import { printable } from "../../objects/readers.ts";
import type { BackendKey, Closed, Problem, Protocol, RouteBalance, UpstreamTls } from "../edge-model.ts";
import type { ModelInput } from "../input.ts";
import { problemOf } from "../problems.ts";
import { backendKey, findPort } from "../service-port.ts";
import { balanceOfService } from "./balance.ts";
import type { Claim, Claims } from "./claims.ts";

/** The host that is being built. */
export interface Place {
  readonly input: ModelInput;
  readonly name: string;
  readonly problems: Problem[];
}

export interface ResolvedBackend {
  readonly key: BackendKey | null;
  readonly closed: Closed | null;
  /** By the port's appProtocol. */
  readonly protocol: Protocol;
  /** As the Service says; null: it says nothing. */
  readonly balance: RouteBalance | null;
}

/** Finds the backend of a path; what is wrong with it is added to `problems`. */
export function resolveBackend(place: Place, ingress: Ingress, { backend, field }: Claim): ResolvedBackend {
  const { input, name, problems } = place;
  const say = (code: Problem["code"], at: string, message: string, fix: string): void => {
    const severity = code === "backend-missing" ? "warning" : "error";
    problems.push(problemOf(ingress, { code, severity, field: at, message, fix, hosts: [name] }));
  };
  if (backend.kind === "none") {
    const message = "names no Service: its requests get 503, the other paths are served";
    say("backend-missing", field, message, "write service: {name: …, port: {number: …}}, or remove the path");
    return { key: null, closed: { reason: "its rule has no backend" }, protocol: "http", balance: null };
  }
  if (backend.kind === "resource") {
    const kind = printable(backend.resourceKind, 60);
    const message = `points to ${kind}, and only Services are served: its requests get 503`;
    say("backend-unsupported", `${field}.resource`, message, "use service: {name: …, port: …} instead");
    const reason = `its backend is of kind ${kind}, not a Service`;
    return { key: null, closed: { reason }, protocol: "http", balance: null };
  }
  const serviceKey = `${ingress.meta.namespace}/${backend.service}`;
  const service = input.service(serviceKey);
  const port = service === undefined ? undefined : findPort(service, backend.port);
  if (service === undefined) {
    const elsewhere = input.namespacesOfService(backend.service);
    const where = elsewhere.length === 0 ? "" : ` (there is one in ${elsewhere.slice(0, 5).join(", ")})`;
    const message = `there is no Service ${serviceKey}${where}: its requests get 503`;
    const fix =
      elsewhere.length === 0
        ? "create the Service, or correct the name"
        : "an Ingress reaches Services of its own namespace alone: move one of the two";
    say("service-missing", `${field}.service.name`, message, fix);
  } else if (port === undefined) {
    const has = service.ports.map(({ port: number, name }) =>
      name === "" ? `${number}` : `${number} (${printable(name, 63)})`,
    );
    const message = `Service ${serviceKey} has no TCP port ${backend.port}: its requests get 503`;
    const fix =
      has.length === 0 ? "add the port to the Service" : `use one of its ports: ${has.slice(0, 10).join(", ")}`;
    say("service-port-missing", `${field}.service.port`, message, fix);
  }
  return {
    key: backendKey(serviceKey, service, backend.port),
    closed: null,
    protocol: protocolOf(port?.appProtocol ?? null),
    balance: balanceOfService(service),
  };
}

const APP_PROTOCOLS: Readonly<Record<string, Protocol>> = {
  https: "https",
  "kubernetes.io/wss": "https",
  "kubernetes.io/h2c": "h2c",
  grpc: "grpc",
  grpcs: "grpcs",
};

/** appProtocol of a Service's port (KEP-3726 names, and what is usual); anything else is http. */
export function protocolOf(appProtocol: string | null): Protocol {
  return APP_PROTOCOLS[(appProtocol ?? "").toLowerCase()] ?? "http";
}

/** What proxy-ssl-* come to for one route. Authorities that are asked for and not there close it. */
export function resolveTls(
  { input, name: host, problems }: Place,
  { ingress, policy }: Claims,
  backend: BackendKey | null,
  protocol: Protocol,
): { readonly upstreamTls: UpstreamTls | null; readonly closed: Closed | null } {
  const wish = policy.upstreamTls;
  if (wish === null || (protocol !== "https" && protocol !== "grpcs")) return { upstreamTls: null, closed: null };
  const { namespace } = ingress.meta;
  const [, service = ""] = backend?.split("/") ?? [];
  const name = wish.name ?? `${service}.${namespace}.svc`;
  if (!wish.verify) return { upstreamTls: { name, verify: null }, closed: null };
  const secret = wish.secret === null ? undefined : input.secret(`${namespace}/${wish.secret}`);
  const authorities = secret?.authorities ?? null;
  if (authorities !== null) {
    const digest = secret?.clientTrust?.digest;
    const verify = { authorities, depth: wish.depth, ...(digest !== undefined && { digest }) };
    return { upstreamTls: { name, verify }, closed: null };
  }
  const reason =
    wish.secret === null
      ? "proxy-ssl-verify needs proxy-ssl-secret, a Secret with ca.crt"
      : `Secret ${namespace}/${wish.secret} of proxy-ssl-secret has no ca.crt with PEM certificates`;
  problems.push(
    problemOf(ingress, {
      code: "secret-invalid",
      severity: "error",
      field: `metadata.annotations["${NGINX_PREFIX}/proxy-ssl-secret"]`,
      message: `${reason}: requests to ${backend ?? "its backend"} get 503`,
      fix: "create the Secret with the authority's certificate under ca.crt",
      hosts: [host],
    }),
  );
  return { upstreamTls: null, closed: { reason } };
}
