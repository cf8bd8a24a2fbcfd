// EndpointSlices, and which Service each belongs to. Endpoints, their forerunner, are turned into slices; they count
// where a Service has no slices of its own.

import { parseAddress } from "../model/addresses.ts";
import {
  compareText,
  type Endpoint,
  type Endpoints,
  type EndpointSlice,
  type ObjectKind,
  type ObjectRef,
} from "../objects/objects.ts";
import { replaceIn } from "./replace-in.ts";

export class SliceIndex {
  readonly #slices = new Map<string, EndpointSlice>();
  /** "<namespace>/<service>" → names of its slices → slice. */
  readonly #ofService = new Map<string, Map<string, EndpointSlice>>();

  readonly #endpoints = new Map<string, Endpoints>();
  /** "<namespace>/<service>" → slices made of its Endpoints. */
  readonly #made = new Map<string, readonly EndpointSlice[]>();

  /** Puts or (null) removes Endpoints. Whether that may change what the Service's slices are. */
  setEndpoints(key: string, endpoints: Endpoints | null): boolean {
    if (!replaceIn(this.#endpoints, key, endpoints)) return false;
    if (endpoints === null) this.#made.delete(key);
    else this.#made.set(key, slicesOf(endpoints));
    return !this.#ofService.has(key);
  }

  /**
   * Of objects that a list lacks, those that are `covered`: slices of a Service that has Endpoints and Endpoints of one
   * that has slices. The other kind speaks for the Service then, so that nobody need be asked whether to believe it.
   */
  split(
    kind: ObjectKind,
    missing: readonly ObjectRef[],
  ): { readonly covered: ObjectRef[]; readonly bare: ObjectRef[] } {
    const { covered = [], bare = [] } = Object.groupBy(missing, (ref) => {
      const key = `${ref.namespace}/${ref.name}`;
      if (kind === "Endpoints") return this.#ofService.has(key) ? "covered" : "bare";
      const slice = kind === "EndpointSlice" ? this.#slices.get(key) : undefined;
      return slice !== undefined && this.#made.has(serviceOf(slice)) ? "covered" : "bare";
    });
    return { covered, bare };
  }

  allEndpoints(): readonly Endpoints[] {
    return [...this.#endpoints.values()];
  }

  /** Puts or (null) removes the slice "<namespace>/<name>". Gives the Services whose endpoints changed. */
  set(key: string, slice: EndpointSlice | null): readonly string[] {
    const before = this.#slices.get(key);
    if (!replaceIn(this.#slices, key, slice)) return [];
    const touched = new Set<string>();
    if (before !== undefined) touched.add(this.#unlink(before));
    if (slice !== null) {
      const service = serviceOf(slice);
      const slices = this.#ofService.get(service) ?? new Map<string, EndpointSlice>();
      this.#ofService.set(service, slices.set(slice.meta.name, slice));
      touched.add(service);
    }
    return [...touched];
  }

  /** The slices of a Service, sorted by name. */
  of(service: string): readonly EndpointSlice[] {
    const own = this.#ofService.get(service);
    if (own === undefined) return this.#made.get(service) ?? [];
    const slices = [...own.values()];
    return slices.sort((a, b) => compareText(a.meta.name, b.meta.name));
  }

  all(): readonly EndpointSlice[] {
    return [...this.#slices.values()];
  }

  #unlink(slice: EndpointSlice): string {
    const service = serviceOf(slice);
    const slices = this.#ofService.get(service);
    slices?.delete(slice.meta.name);
    if (slices?.size === 0) this.#ofService.delete(service);
    return service;
  }
}

function serviceOf(slice: EndpointSlice): string {
  return `${slice.meta.namespace}/${slice.service}`;
}

/** A slice for each subset and address family, as the mirroring controller of Kubernetes makes them. */
function slicesOf({ meta, subsets }: Endpoints): readonly EndpointSlice[] {
  return subsets.flatMap(({ ready, notReady, ports }) => {
    const all: readonly Endpoint[] = [
      ...ready.map(({ address, nodeName }) => ({ ...READY, address, nodeName })),
      ...notReady.map(({ address, nodeName }) => ({ ...READY, address, nodeName, ready: false, serving: false })),
    ];
    return (["IPv4", "IPv6"] as const).flatMap((addressType) => {
      const endpoints = all.filter(({ address }) => (parseAddress(address)?.kind ?? "IPv4") === addressType);
      if (endpoints.length === 0) return [];
      return [{ kind: "EndpointSlice", meta, service: meta.name, addressType, ports, endpoints } as const];
    });
  });
}

const READY = { ready: true, serving: true, terminating: false, zone: null } as const;
