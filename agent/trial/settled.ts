// An object of a manifest as it comes back from an API server.

import type { KubernetesObject, Service, ServicePort } from "../objects/objects.ts";

/**
 * With its age, which decides who wins a path, and with what the server once allocated for it: `before` is the object
 * as it is there, undefined where there is none yet.
 */
export function settled(given: KubernetesObject, before: KubernetesObject | undefined, now: number): KubernetesObject {
  const uid = before?.meta.uid ?? given.meta.uid;
  const meta = { ...given.meta, uid, createdAt: before === undefined ? now : before.meta.createdAt };
  if (given.kind !== "Service" || before?.kind !== "Service") return { ...given, meta };
  return { ...given, meta, ...allocated(given, before) };
}

/** Addresses stay for the life of a Service; a port of the nodes stays with the port of the Service that it leads to. */
function allocated(given: Service, before: Service): Pick<Service, "clusterIP" | "clusterIPs" | "ports"> {
  const { clusterIP, clusterIPs } = given.clusterIP === "" ? before : given;
  const hasNodePorts = given.type === "NodePort" || given.type === "LoadBalancer";
  const ports = given.ports.map((port): ServicePort => {
    if (port.nodePort !== null || !hasNodePorts) return port;
    const same = before.ports.find((old) => old.port === port.port && old.protocol === port.protocol);
    return { ...port, nodePort: same?.nodePort ?? null };
  });
  return { clusterIP, clusterIPs, ports };
}
