// Which port of a Service an Ingress means.

import type { Service, ServicePort } from "../objects/objects.ts";
import type { BackendKey } from "./edge-model.ts";

/** Stands for the first TCP port of a Service, where nobody names one; no port has this number. */
export const FIRST_PORT = 0;

/** The TCP port of a Service by number or by name. One that is only another name and lists none has every number. */
export function findPort(service: Service, port: number | string): ServicePort | undefined {
  if (port === FIRST_PORT) return service.ports.find(({ protocol }) => protocol === "TCP");
  if (service.type === "ExternalName" && service.ports.length === 0 && typeof port === "number") {
    return { name: "", port, targetPort: port, protocol: "TCP", appProtocol: null, nodePort: null };
  }
  return service.ports.find(
    (candidate) =>
      candidate.protocol === "TCP" && (typeof port === "number" ? candidate.port === port : candidate.name === port),
  );
}

/** The key of a backend: the port by number where the Service has it, else as the Ingress wrote it. */
export function backendKey(serviceKey: string, service: Service | undefined, port: number | string): BackendKey {
  const found = service === undefined ? undefined : findPort(service, port);
  return `${serviceKey}/${found?.port ?? port}`;
}
