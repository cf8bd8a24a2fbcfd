// What the builders read: objects and the indexes over them. The store implements it.

import type { ConfigMap, EndpointSlice, Ingress, IngressClass, Node, Secret, Service } from "../objects/objects.ts";
import type { UsersLayout } from "./edge-model.ts";

export interface ModelInput {
  /** Ingresses of our classes that name the host in a rule, in `tls` or by defaultBackend ("_"), oldest first. */
  ingressesOfHost(host: string): readonly Ingress[];
  /** Which ports of a Service the Ingresses name (number or name), sorted; `key` is "<namespace>/<service>". */
  portsInUse(key: string): readonly (number | string)[];
  service(key: string): Service | undefined;
  /** Namespaces that have a Service of this name, sorted: for a message. */
  namespacesOfService(name: string): readonly string[];
  /** Sorted by name. */
  endpointSlices(key: string): readonly EndpointSlice[];
  secret(key: string): Secret | undefined;
  /** Sorted by name; null: they were not read yet. */
  nodes(): readonly Node[] | null;
  configMap(key: string): ConfigMap | undefined;
  /** Of a DNS name in lower case, without the dot at its end; undefined: it was not resolved yet, or nobody does. */
  addressesOf(name: string): NameAddresses | undefined;
  /** Hosts whose routes use the Service, or whose `tls` names the Secret; sorted. */
  hostsOfService(key: string): readonly string[];
  hostsOfSecret(key: string): readonly string[];
  /** How the routes that ask for the users of a Secret want them read; sorted. */
  usersLayouts(secret: string): readonly UsersLayout[];
  ingressClasses(): readonly IngressClass[];
  ingressClass(name: string): IngressClass | undefined;
  /** All that the Ingresses of our classes and the settings name: what a full build goes over. In no order. */
  hostsInUse(): Iterable<string>;
  servicesInUse(): Iterable<string>;
  secretsInUse(): Iterable<string>;
}

/** What is known of the addresses of a DNS name. */
export interface NameAddresses {
  /** Sorted; empty: it has none, or none was ever heard. */
  readonly addresses: readonly string[];
  /** Why they may be out of date; null: they are of the last answer. */
  readonly trouble: NameTrouble | null;
}

/** Times are text: they are for people. */
export interface NameTrouble {
  /** "NXDOMAIN", "timeout". */
  readonly cause: string;
  /** When the addresses were last told; "" for never. */
  readonly heard: string;
  /** When they will be given up; null: not before another answer comes. */
  readonly until: string | null;
}

/**
 * Where a Service's endpoints are asked: at the addresses of its Pods, at its port on the nodes, or at its cluster IP.
 */
export type EndpointsMode = "pod" | "nodePort" | "clusterIP";

/** What the configuration decides about the model. */
export interface ModelSettings {
  /** Class names that are ours, besides IngressClasses whose controller is ours. */
  readonly ingressClasses: readonly string[];
  readonly classless: "auto" | "true" | "false";
  /** Defaults of the annotations ssl-redirect and force-ssl-redirect. */
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  /** "<namespace>/<service>" and port of the default backend; null: 404. */
  readonly defaultBackend: { readonly service: string; readonly port: number | string } | null;
  /** "<namespace>/<secret>" of the default certificate; null: a self-signed one. */
  readonly defaultCertificate: string | null;
  /** What headers of answers Ingresses may set; null: all but those that no Ingress may. */
  readonly allowedResponseHeaders: readonly string[] | null;
  /** Where endpoints are asked, where a Service says nothing itself. */
  readonly endpointsMode: EndpointsMode;
  /** Where this machine stands, for hints of endpoints; absent or null: nowhere. */
  readonly zone?: string | null;
  readonly allowLocalEndpoints: boolean;
  /** Networks (CIDR) that endpoints must not be in: virtual IPs, and what the operator forbids. */
  readonly refusedNetworks: readonly string[];
  /** Patterns of the DNS names that Services of type ExternalName may be; none: all of them are off. */
  readonly externalNames: readonly string[];
  /** nginx takes answers of backends as fast as they come: only those can be held back for a client. */
  readonly buffersAnswers: boolean;
  /** Addresses of this machine that endpoints must not have. */
  readonly hostAddresses: readonly string[];
}
