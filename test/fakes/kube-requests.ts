// What a request to the fake API server asks for.

import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { FakeRequest } from "./kube-faults.ts";
import { FAKE_RESOURCES } from "./kube-objects.ts";
import type { FakeResource, Selection } from "./kube-objects.ts";

export interface Target {
  readonly resource: FakeResource;
  readonly namespace: string | null;
  readonly name: string | null;
}

export function route(pathname: string): Target | null {
  const match =
    /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/([^/]+)(?:\/([^/]+))?$/.exec(pathname);
  if (match === null) return null;
  const [, core, grouped, namespace, plural, name] = match;
  const resource = FAKE_RESOURCES.find((one) => one.plural === plural && one.apiVersion === (core ?? grouped));
  if (resource === undefined) return null;
  return { resource, namespace: namespace ?? null, name: name ?? null };
}

export function requestOf(message: IncomingMessage, url: URL, target: Target | null): FakeRequest {
  const method = message.method ?? "GET";
  const reading = url.searchParams.has("watch") ? "watch" : target?.name ? "get" : "list";
  const writing = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" } as const;
  const subject =
    "encrypted" in message.socket ? (message.socket as TLSSocket).getPeerCertificate().subject : undefined; // only TLS sockets have "encrypted"
  return {
    method,
    verb: Object.hasOwn(writing, method) ? writing[method as keyof typeof writing] : reading, // hasOwn says it is a key
    plural: target?.resource.plural ?? "",
    namespace: target?.namespace ?? null,
    name: target?.name ?? null,
    query: url.searchParams,
    authorization: message.headers.authorization ?? null,
    userAgent: message.headers["user-agent"] ?? null,
    clientName: typeof subject?.CN === "string" ? subject.CN : null,
  };
}

export function selectionOf(request: FakeRequest): Selection {
  const fieldSelector = /^metadata\.name=(.*)$/.exec(request.query.get("fieldSelector") ?? "");
  return { namespace: request.namespace, label: request.query.get("labelSelector"), name: fieldSelector?.[1] ?? null };
}

export function bearerOf(request: FakeRequest): string {
  return (request.authorization ?? "").replace(/^Bearer /, "");
}
