// A paginated list of one resource.

import type { ApiClient } from "./client.ts";
import { ApiFailure, field, garbage, toFailure } from "./failure.ts";
import type { Limits } from "./limits.ts";
import { resourceUrl } from "./resources.ts";
import type { Resource } from "./resources.ts";

export interface ListCall {
  readonly client: ApiClient;
  readonly resource: Resource;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Called before the first page, and again when the list has to begin anew. */
  readonly onBegin: () => void;
  readonly onItem: (raw: object) => void;
}

interface Page {
  readonly items: readonly object[];
  readonly resourceVersion: string;
  /** "" on the last page. */
  readonly next: string;
}

/**
 * Reads all pages and returns the resourceVersion to watch from. A continue token that expired (410) begins anew; in
 * the end everything is asked for at once, which cannot expire. A page that is too large is asked for in smaller
 * parts. Throws ApiFailure.
 */
export async function listAll(call: ListCall): Promise<string> {
  let pageItems = call.limits.pageItems;
  for (let restarts = 0; ;) {
    try {
      return await listPages(call, restarts > call.limits.listRestartsMax ? 0 : pageItems);
    } catch (error) {
      const failure = toFailure(error);
      if (failure.status === 410 && restarts <= call.limits.listRestartsMax) restarts++;
      else if (failure.status === 413 && pageItems > 1) pageItems = Math.ceil(pageItems / 5);
      else throw failure;
    }
  }
}

/** The server's version of a resource as it is now, by a list of at most one item. Throws ApiFailure. */
export async function readVersion(call: Omit<ListCall, "onBegin" | "onItem">): Promise<string> {
  const { client, resource, limits, signal } = call;
  // Without a resourceVersion: nothing older than what etcd has now.
  const path = resourceUrl(resource, { limit: "1" });
  const answer = await client.getJson(path, limits.pageBytesMax, { signal, msMax: limits.answerMsMax });
  return parsePage(answer, resource.kind).resourceVersion;
}

/** `pageItems` 0: all in one page. */
async function listPages(call: ListCall, pageItems: number): Promise<string> {
  const { client, resource, limits, signal } = call;
  call.onBegin();
  for (let next = ""; ;) {
    const parameters = {
      ...(pageItems === 0 ? {} : { limit: String(pageItems) }),
      ...(next === "" ? {} : { continue: next }),
    };
    const answer = await client.getJson(resourceUrl(resource, parameters), limits.pageBytesMax, {
      signal,
      msMax: limits.listMsMax,
    });
    const page = parsePage(answer, resource.kind);
    for (const item of page.items) call.onItem(item);
    if (page.next === "") return page.resourceVersion;
    if (page.next === next) throw garbage("a list that continues with the same token");
    next = page.next;
  }
}

function parsePage(answer: unknown, kind: string): Page {
  if (field(answer, "kind") !== `${kind}List`) throw garbage(`${String(field(answer, "kind"))} instead of ${kind}List`);
  const metadata = field(answer, "metadata");
  const resourceVersion = field(metadata, "resourceVersion");
  if (typeof resourceVersion !== "string" || resourceVersion === "")
    throw garbage("a list without metadata.resourceVersion");
  const next = field(metadata, "continue") ?? "";
  if (typeof next !== "string") throw garbage("a list whose metadata.continue is no text");
  // Go's JSON writes an empty list as null when nobody made one.
  const items: unknown = field(answer, "items") ?? [];
  if (!Array.isArray(items)) throw garbage("a list whose items are no list");
  return { items: items.map((item) => checkItem(item)), resourceVersion, next };
}

function checkItem(item: unknown): object {
  if (typeof item === "object" && item !== null && typeof field(field(item, "metadata"), "name") === "string")
    return item;
  throw new ApiFailure(
    "apiserver-garbage",
    "API server answered with something else than the protocol: a list item without a name",
  );
}
