// What stands in the cluster of 1.21: an Ingress of each version, and the endpoints that they need.

import type { KubeObject } from "../kube/paths.ts";

const metadata = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });
const rules = (host: string, backend: object, pathType?: string): object[] => [
  { host, http: { paths: [{ path: "/", ...(pathType === undefined ? {} : { pathType }), backend }] } },
];
const old = { serviceName: "web", servicePort: 80 };

export const OBJECTS: readonly KubeObject[] = [
  {
    apiVersion: "networking.k8s.io/v1beta1",
    kind: "IngressClass",
    metadata: { name: "headgate" },
    spec: { controller: "headgate.dev/ingress" },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata("web"),
    spec: { clusterIP: "None", ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }] },
  },
  {
    apiVersion: "extensions/v1beta1",
    kind: "Ingress",
    metadata: { ...metadata("of-2015"), annotations: { "kubernetes.io/ingress.class": "headgate" } },
    spec: { rules: rules("extensions.example", old), backend: { serviceName: "web", servicePort: "http" } },
  },
  {
    apiVersion: "networking.k8s.io/v1beta1",
    kind: "Ingress",
    metadata: metadata("of-2019"),
    spec: { ingressClassName: "headgate", rules: rules("beta.example", old, "Prefix") },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: metadata("of-2020"),
    spec: {
      ingressClassName: "headgate",
      rules: rules("v1.example", { service: { name: "web", port: { number: 80 } } }, "Exact"),
    },
  },
  {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: metadata("web"),
    subsets: [
      {
        addresses: [{ ip: "10.244.0.1", nodeName: "n1" }],
        notReadyAddresses: [{ ip: "10.244.0.2" }],
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      },
    ],
  },
  {
    apiVersion: "discovery.k8s.io/v1beta1",
    kind: "EndpointSlice",
    metadata: { ...metadata("web-1"), labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.244.0.1"], conditions: { ready: true }, topology: { "kubernetes.io/hostname": "n1" } },
      { addresses: ["10.244.0.2"], conditions: { ready: false } },
    ],
  },
];

/** Everything that is asked of such a server: discovery, and the lists of each kind in each version. */
export const PATHS: readonly string[] = [
  "/apis/networking.k8s.io/v1",
  "/apis/networking.k8s.io/v1beta1",
  "/apis/extensions/v1beta1",
  "/apis/discovery.k8s.io/v1",
  "/apis/discovery.k8s.io/v1beta1",
  "/apis/networking.k8s.io/v1/ingresses",
  "/apis/networking.k8s.io/v1beta1/ingresses",
  "/apis/extensions/v1beta1/ingresses",
  "/apis/networking.k8s.io/v1/ingressclasses",
  "/apis/networking.k8s.io/v1beta1/ingressclasses",
  "/apis/discovery.k8s.io/v1/endpointslices",
  "/apis/discovery.k8s.io/v1beta1/endpointslices",
  "/api/v1/services",
  "/api/v1/endpoints",
];

/** The ages of servers: what each does not have, by group and version. */
export const AGES: Readonly<Record<string, readonly string[]>> = {
  "1.21": [],
  "1.18": ["networking.k8s.io/v1", "discovery.k8s.io/v1"],
  "1.13": ["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"],
};
