// Which versions of an API a server has. Asked only of one that does not have what is read of a modern one: a server
// from before 1.19 (Ingress), 1.18 (IngressClass) or 1.21 (EndpointSlice), or one that was upgraded meanwhile.
// By groups and resources and never by the server's own version: the two need not agree.

import { VERSIONS } from "../objects/trim.ts";
import type { ApiClient, CallOptions } from "./client.ts";
import { field, toFailure } from "./failure.ts";
import { pluralOf } from "./resources.ts";

/** apiVersions; null: the server has no such kind. */
export interface ServedVersions {
  readonly Ingress: string | null;
  readonly IngressClass: string | null;
  readonly EndpointSlice: string | null;
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Asks the server. Throws ApiFailure where it gives no answer but "not found". */
export async function discover(client: ApiClient, options: CallOptions): Promise<ServedVersions> {
  const known = new Map<string, ReadonlySet<string>>();
  const first = async (kind: keyof ServedVersions): Promise<string | null> => {
    for (const apiVersion of VERSIONS[kind]) {
      const names = known.get(apiVersion) ?? (await resourcesOf(client, apiVersion, options));
      known.set(apiVersion, names);
      if (names.has(pluralOf(kind))) return apiVersion;
    }
    return null;
  };
  return {
    Ingress: await first("Ingress"),
    IngressClass: await first("IngressClass"),
    EndpointSlice: await first("EndpointSlice"),
  };
}

/** The plurals of a group and version; none where the server does not have it. */
async function resourcesOf(client: ApiClient, apiVersion: string, options: CallOptions): Promise<ReadonlySet<string>> {
  try {
    const answer = await client.getJson(`/apis/${apiVersion}`, ANSWER_BYTES_MAX, options);
    const resources: unknown = field(answer, "resources");
    const names = Array.isArray(resources) ? resources.map((one: unknown) => field(one, "name")) : [];
    return new Set(names.filter((name) => typeof name === "string"));
  } catch (error) {
    const failure = toFailure(error);
    if (failure.status === 404) return new Set();
    throw failure;
  }
}
