// Kubernetes objects for tests, short to write; the same for a cluster and for manifests.

import type { KubeObject } from "../../kube/paths.ts";
import type { Backend } from "./backend.ts";

export const NAMESPACE = "shop";

export interface PathSpec {
  readonly path: string;
  readonly service: string;
  readonly pathType?: "Exact" | "Prefix" | "ImplementationSpecific";
  readonly port?: number | string;
}

export interface IngressSpec {
  readonly name: string;
  readonly host?: string;
  readonly paths: readonly PathSpec[];
  readonly className?: string | null;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tls?: readonly { readonly hosts: readonly string[]; readonly secretName: string }[];
}

export function namespace(name: string = NAMESPACE): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function service(name: string, port = 80): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE },
    spec: { ports: [{ name: "http", port, targetPort: 8080 }] },
  };
}

/** A slice by hand for a Service without selector. */
export function slice(serviceName: string, backends: readonly Pick<Backend, "address" | "port">[]): KubeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${serviceName}-1`,
      namespace: NAMESPACE,
      labels: { "kubernetes.io/service-name": serviceName },
    },
    addressType: "IPv4",
    ports: [{ name: "http", port: backends[0]?.port ?? 8080, protocol: "TCP" }],
    endpoints: backends.map(({ address }) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

export function ingress(spec: IngressSpec): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: spec.name, namespace: NAMESPACE, annotations: { ...spec.annotations } },
    spec: {
      ...(spec.className === null ? {} : { ingressClassName: spec.className ?? "headgate" }),
      ...(spec.tls === undefined ? {} : { tls: spec.tls }),
      rules: [
        {
          ...(spec.host === undefined ? {} : { host: spec.host }),
          http: {
            paths: spec.paths.map(({ path, service: name, pathType, port }) => ({
              path,
              pathType: pathType ?? "Prefix",
              backend: {
                service: { name, port: typeof port === "string" ? { name: port } : { number: port ?? 80 } },
              },
            })),
          },
        },
      ],
    },
  };
}

export function tlsSecret(name: string, pair: { readonly certificate: string; readonly key: string }): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NAMESPACE },
    type: "kubernetes.io/tls",
    data: {
      "tls.crt": Buffer.from(pair.certificate).toString("base64"),
      "tls.key": Buffer.from(pair.key).toString("base64"),
    },
  };
}
