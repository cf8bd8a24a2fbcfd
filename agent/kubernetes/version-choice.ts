// Brings the resources that are read in line with what a server has: after a 404 (it has not that version) or a 403
// (a Role for an old version says nothing about a newer one) it is asked, and what differs is read in its version.
// A server without EndpointSlices is read by its Endpoints.

import type { ApiClient } from "./client.ts";
import type { Limits } from "./limits.ts";
import type { Reflector, SourceLog } from "./reflector.ts";
import { kindOfVersion, type Resource } from "./resources.ts";
import { discover, type ServedVersions } from "./served-versions.ts";
import { sleep } from "./sleep.ts";

export interface VersionChoiceOptions {
  readonly client: ApiClient;
  readonly limits: Limits;
  readonly namespace: string | null;
  readonly log: SourceLog;
  /** Reflectors of whole kinds. */
  readonly kinds: () => readonly Reflector[];
  /** Reads `resource` from now on; where there is one, in the place of `old`. */
  readonly read: (resource: Resource, old: Reflector | null) => void;
  /** Told after each answer: whether this is a server from before IngressClasses. */
  readonly onClasses: (absent: boolean) => void;
}

const KINDS = ["Ingress", "IngressClass", "EndpointSlice"] as const;

export class VersionChoice {
  readonly #options: VersionChoiceOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: VersionChoiceOptions) {
    this.#options = options;
  }

  /** Troubles may have changed: asks the server where one of them may be of a version that it has not. */
  look(): void {
    if (this.#running !== null || this.#stopping.signal.aborted || !this.#isDoubtful()) return;
    this.#running = this.#choose().finally(() => {
      this.#running = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #isDoubtful(): boolean {
    const kinds = this.#options.kinds();
    // Endpoints stand in for slices: nothing fails when the server gets them, so each change of state is a reason.
    if (!kinds.some(({ resource }) => resource.kind === "EndpointSlice")) return true;
    return kinds.some(({ resource, trouble }) => {
      const status = trouble?.failure.status ?? null;
      return KINDS.some((kind) => kind === resource.kind) && (status === 404 || status === 403);
    });
  }

  async #choose(): Promise<void> {
    const { client, limits, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      this.#apply(await discover(client, { signal, msMax: limits.answerMsMax }));
    } catch (error) {
      log.debug("API versions cannot be asked for", { error: String(error) });
    }
    // What is refused stays refused for a while: the next look is not at once.
    await sleep(limits.rediscoverMs, signal);
  }

  #apply(served: ServedVersions): void {
    const { namespace, log, read } = this.#options;
    // A server without any Ingress is none that answers discovery: nothing follows from what it says.
    if (served.Ingress === null) return;
    for (const kind of KINDS) {
      const old = this.#options.kinds().find(({ resource }) => resource.kind === kind) ?? null;
      const apiVersion = served[kind];
      if (apiVersion === null || old === null || old.resource.apiVersion === apiVersion) continue;
      log.info("API server has another version", { kind, apiVersion, before: old.resource.apiVersion });
      read(kindOfVersion(kind, apiVersion, namespace), old);
    }
    this.#readEndpoints(served);
    this.#options.onClasses(served.IngressClass === null);
  }

  #readEndpoints(served: ServedVersions): void {
    const { kinds, namespace, log, read } = this.#options;
    const slices = kinds().find(({ resource }) => resource.kind === "EndpointSlice") ?? null;
    const endpoints = kinds().find(({ resource }) => resource.kind === "Endpoints") ?? null;
    if (served.EndpointSlice === null && slices !== null) {
      log.info("API server has no EndpointSlices, reading Endpoints");
      read(kindOfVersion("Endpoints", null, namespace), slices);
    } else if (served.EndpointSlice !== null && slices === null && endpoints !== null) {
      log.info("API server has EndpointSlices now, reading them beside Endpoints");
      // Its controller takes a while to write the slices: Endpoints are read on, for the Services that have none yet.
      read(kindOfVersion("EndpointSlice", served.EndpointSlice, namespace), null);
    }
  }
}
