// EndpointSlices, and which Service each belongs to.

import { compareText, type EndpointSlice } from "../objects/objects.ts";
import { replaceIn } from "./replace-in.ts";

export class SliceIndex {
  readonly #slices = new Map<string, EndpointSlice>();
  /** "<namespace>/<service>" → names of its slices → slice. */
  readonly #ofService = new Map<string, Map<string, EndpointSlice>>();

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
    const slices = [...(this.#ofService.get(service)?.values() ?? [])];
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
