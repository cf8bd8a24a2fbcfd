// Paths of the Kubernetes API for the kinds that tests use.

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

const NAMESPACED: Readonly<Record<string, string>> = {
  ConfigMap: "configmaps",
  Deployment: "deployments",
  EndpointSlice: "endpointslices",
  Endpoints: "endpoints",
  Event: "events",
  Ingress: "ingresses",
  Lease: "leases",
  Pod: "pods",
  Role: "roles",
  RoleBinding: "rolebindings",
  Secret: "secrets",
  Service: "services",
  ServiceAccount: "serviceaccounts",
};

const CLUSTER_WIDE: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  CustomResourceDefinition: "customresourcedefinitions",
  IngressClass: "ingressclasses",
  Namespace: "namespaces",
  Node: "nodes",
};

/** Where objects of this kind and namespace are listed; without a namespace, "default". */
export function collectionPath(object: KubeObject): string {
  const { apiVersion, kind } = object;
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const wide = CLUSTER_WIDE[kind];
  if (wide) return `${base}/${wide}`;
  const plural = NAMESPACED[kind];
  if (!plural) throw new Error(`no path known for kind ${kind}. Add it to test/kube/paths.ts`);
  return `${base}/namespaces/${object.metadata.namespace ?? "default"}/${plural}`;
}

/** Where this object is. */
export function objectPath(object: KubeObject): string {
  return `${collectionPath(object)}/${object.metadata.name}`;
}
