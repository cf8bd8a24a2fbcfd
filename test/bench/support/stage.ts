// What the figures about changes share: a cluster, an edge that follows it, and backends.

import { openLan } from "../../edges/lan.ts";
import { type Backend, startBackend } from "../../e2e/support/backend.ts";
import { startClusterEdge } from "../../e2e/support/cluster-edge.ts";
import { type Edge, HTTP_PORT, HTTPS_PORT } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";
import { ingress, namespace, NAMESPACE, service, slice } from "../../e2e/support/objects.ts";
import { type Cluster, startCluster } from "../../kube/cluster.ts";
import type { KubeObject } from "../../kube/paths.ts";
import type { Target } from "./keep-alive-client.ts";
import { type QuickBackend, startQuickBackend } from "./nginx-machine.ts";

export interface Stage {
  readonly cluster: Cluster;
  readonly edge: Edge;
  readonly one: QuickBackend;
  readonly two: QuickBackend;
  /** Echoes WebSockets. */
  readonly echo: Backend;
  readonly http: Target;
  readonly https: Target;
  stop(): Promise<void>;
}

export const WEB = "web";
export const ECHO = "echo";
export const WEB_HOST = "web.example.test";

export async function startStage(): Promise<Stage> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const cluster = await startCluster({ address: openLan().gateway, controllers: false });
    undo.push(() => cluster.stop());
    const one = await startQuickBackend("one");
    undo.push(() => one.stop());
    const two = await startQuickBackend("two");
    undo.push(() => two.stop());
    const echo = await startBackend("echo");
    undo.push(() => echo.stop());
    const objects = [namespace(), service(WEB), slice(WEB, [one]), service(ECHO), slice(ECHO, [echo])];
    for (const object of objects) await cluster.apply(object);
    await cluster.apply(ingress({ name: WEB, host: WEB_HOST, paths: [{ path: "/", service: WEB }] }));
    const edge = await startClusterEdge("bench", cluster, ["--log-level", "info"]);
    undo.push(() => edge.stop());
    await eventually("the edge serves", async () => (await edge.ask({ host: WEB_HOST })).status === 200);
    const { address } = edge.machine;
    const http = { address, port: HTTP_PORT, tls: false };
    return { cluster, edge, one, two, echo, http, https: { ...http, port: HTTPS_PORT, tls: true }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Sends one request to the API server; throws when it refuses. Returns when its answer was there (performance.now()). */
export async function change(cluster: Cluster, method: "PATCH" | "POST", path: string, body: unknown): Promise<number> {
  const answer = await cluster.request(method, path, body);
  const answeredAt = performance.now();
  if (answer.status >= 300) throw new Error(`the API server refused ${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answeredAt;
}

/** Makes the endpoints of a Service exactly these. Returns as `change` does. */
export function setEndpoints(
  cluster: Cluster,
  serviceName: string,
  backends: readonly { readonly address: string; readonly port: number }[],
): Promise<number> {
  const { endpoints } = slice(serviceName, backends) as KubeObject & { endpoints: unknown }; // as `slice` makes them
  const path = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices/${serviceName}-1`;
  return change(cluster, "PATCH", path, { endpoints });
}
