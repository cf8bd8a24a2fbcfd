// Thousands of objects on the API server, and small changes to them at a steady pace.

import { setTimeout as delay } from "node:timers/promises";
import { ingress, NAMESPACE, service, slice } from "../../e2e/support/objects.ts";
import type { Cluster } from "../../kube/cluster.ts";
import { collectionPath, type KubeObject } from "../../kube/paths.ts";
import { change } from "./stage.ts";

export interface ClusterSize {
  readonly services: number;
  readonly slices: number;
  readonly ingresses: number;
}

export const NOTHING: ClusterSize = { services: 0, slices: 0, ingresses: 0 };
const AT_ONCE = 8;
const ENDPOINTS = 10_000;
const SLICES = 3000;
const PAUSE_MS = 50;
const PORT = 8080;

/** Makes ten endpoints of the two that a stage has. */
export const FILLER = { service: service("filler"), slice: slice("filler", addresses(100_000, 8)) };

/** Creates what `to` has more than `from`. */
export async function grow(cluster: Cluster, from: ClusterSize, to: ClusterSize): Promise<void> {
  const objects: KubeObject[] = [];
  for (let index = from.services; index < to.services; index++) objects.push(headless(serviceName(index)));
  for (let index = from.slices; index < to.slices; index++) objects.push(sliceOf(index));
  for (let index = from.ingresses; index < to.ingresses; index++) {
    const paths = [{ path: "/", service: serviceName(index % to.services) }];
    objects.push(ingress({ name: `large-${index}`, host: `large-${index}.example.test`, paths }));
  }
  const next = objects.values();
  const work = async (): Promise<void> => {
    for (const object of next) await create(cluster, object);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Creates an object; one that is there already stays. */
export async function create(cluster: Cluster, object: KubeObject): Promise<void> {
  const { status, body } = await cluster.request("POST", collectionPath(object), object);
  if (status !== 409 && status >= 300) throw new Error(`the API server refused: ${JSON.stringify(body)}`);
}

/** Changes EndpointSlices that nobody measures, one after the other: each loses its last endpoint or gets it back. */
export class Changes {
  readonly #cluster: Cluster;
  #slices = 0;
  #made = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** From here on the slices of a cluster of this size change. */
  seen(size: ClusterSize): void {
    this.#slices = size.slices;
  }

  /** Makes 20 changes a second while `work` runs. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    let running = true;
    const pace = async (): Promise<void> => {
      while (running) await Promise.all([this.make(1), delay(PAUSE_MS)]);
    };
    const paced = pace();
    try {
      return await work();
    } finally {
      running = false;
      await paced;
    }
  }

  async make(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      this.#made += 1;
      const at = (this.#made * 7) % Math.max(1, this.#slices);
      const object = this.#slices === 0 ? FILLER.slice : sliceOf(at);
      const { endpoints, metadata } = object as KubeObject & { endpoints: readonly unknown[] }; // as `slice` makes them
      const round = Math.floor(this.#made / Math.max(1, this.#slices));
      const path = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices/${metadata.name}`;
      await change(this.#cluster, "PATCH", path, { endpoints: endpoints.slice(0, endpoints.length - 1 + (round % 2)) });
    }
  }
}

/** The API server has 254 cluster addresses only. */
function headless(name: string): KubeObject {
  const object = service(name) as KubeObject & { spec: object }; // as `service` makes it
  return { ...object, spec: { ...object.spec, clusterIP: "None" } };
}

function serviceName(index: number): string {
  return `large-${index}`;
}

/** Three slices for each two Services. All together have 10,000 endpoints. */
function sliceOf(index: number): KubeObject {
  const count = Math.floor(ENDPOINTS / SLICES) + (index < ENDPOINTS % SLICES ? 1 : 0);
  const object = slice(serviceName(Math.floor((index * 2) / 3)), addresses(index * 4, count));
  return { ...object, metadata: { ...object.metadata, name: `large-slice-${index}` } };
}

function addresses(from: number, count: number): readonly { address: string; port: number }[] {
  return Array.from({ length: count }, (_, at) => {
    const n = from + at;
    return { address: `10.${100 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`, port: PORT };
  });
}
