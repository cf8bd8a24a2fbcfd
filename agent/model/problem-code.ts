// What is wrong with an object, as a word that never changes its meaning.

export type ProblemCode =
  | "object-refused" // the object cannot be read; its last good state stays
  | "host-invalid" // a host that is no host name
  | "path-invalid" // a path that no request could have
  | "path-conflict" // an older Ingress has this host and path
  | "alias-invalid" // a server-alias that is no host name, or a regular expression
  | "alias-conflict" // the name is a host of its own, or an older Ingress has it
  | "annotation-closes-route" // a restricting annotation that is not served: 503 instead of open
  | "annotation-invalid" // a value that cannot be used
  | "annotation-unsupported" // any other annotation of ingress-nginx that is not served
  | "class-parameters" // settings of an IngressClass that are missing or cannot be used
  | "canary-unused" // an alternative that gets no traffic, or not its share
  | "backend-unsupported" // a backend that is no Service
  | "backend-missing" // a path without a backend
  | "service-missing"
  | "service-port-missing"
  | "no-endpoints" // the Service has no endpoint that serves
  | "external-name-invalid" // what a Service of type ExternalName names is no DNS name
  | "external-name-unresolved" // DNS does not answer for it, or has no address
  | "nodes-unknown" // Services are to be asked at nodes, and Nodes were not read
  | "endpoint-refused" // an address that must not get traffic (loopback, link-local, this host)
  | "config-map-missing" // headers that a ConfigMap has are not set
  | "secret-missing"
  | "secret-invalid"
  | "certificate-name" // the certificate does not cover the host
  | "certificate-conflict" // an older Ingress names another certificate for this host
  | "client-certificates-conflict" // the host asks for other client certificates than this Ingress
  | "certificate-expired"
  | "certificate-expiring"
  | "document-refused"; // the data plane refused it; the one before stays
