// Bytes of a watch to events, strictly: what is no event of the protocol throws, so that nothing is ever skipped.

import { failureFromStatus, field, garbage } from "./failure.ts";

export type WatchEvent =
  | { readonly kind: "changed"; readonly object: object; readonly resourceVersion: string }
  | { readonly kind: "deleted"; readonly object: object; readonly resourceVersion: string }
  /** `initialEnd`: the bookmark that ends the initial events of WatchList. */
  | { readonly kind: "bookmark"; readonly resourceVersion: string; readonly initialEnd: boolean };

/** Collects bytes and gives whole lines. Throws ApiFailure for a line over the limit and for bytes that are no UTF-8. */
export class LineSplitter {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether the bytes so far end in the middle of a line. */
  get inLine(): boolean {
    return this.#pendingBytes > 0;
  }

  /** Calls `take` with each line that `chunk` completes, in order, without its end. Empty lines are none. */
  push(chunk: Buffer, take: (line: string) => void): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      if (end === -1) break;
      const line = this.#join(chunk.subarray(from, end));
      from = end + 1;
      if (line !== "") take(line);
    }
    const rest = chunk.subarray(from);
    if (rest.length === 0) return;
    this.#pendingBytes += rest.length;
    if (this.#pendingBytes > this.#bytesMax) throw garbage(`a watch event of more than ${this.#bytesMax} bytes`);
    this.#pending.push(rest);
  }

  #join(last: Buffer): string {
    const bytes = this.#pending.length === 0 ? last : Buffer.concat([...this.#pending, last]);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (bytes.length > this.#bytesMax) throw garbage(`a watch event of more than ${this.#bytesMax} bytes`);
    try {
      return this.#decoder.decode(bytes).trim();
    } catch {
      throw garbage("a watch event that is no UTF-8");
    }
  }
}

/**
 * One line of a watch of `kind`. Throws ApiFailure: apiserver-refused with the code of an ERROR event,
 * apiserver-garbage for anything that is no event of this kind.
 */
export function parseWatchEvent(line: string, kind: string): WatchEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw garbage(`a watch event that is no JSON (${line.length} characters)`);
  }
  const type = field(value, "type");
  const object = field(value, "object");
  if (typeof object !== "object" || object === null) throw garbage("a watch event without an object");
  if (type === "ERROR") throw errorEvent(object);
  const objectKind = field(object, "kind");
  if (objectKind !== undefined && objectKind !== kind) throw garbage(`${String(objectKind)} in a watch of ${kind}`);
  const metadata = field(object, "metadata");
  const resourceVersion = field(metadata, "resourceVersion");
  if (typeof resourceVersion !== "string" || resourceVersion === "") {
    throw garbage("a watch event without metadata.resourceVersion");
  }
  switch (type) {
    case "BOOKMARK": {
      const initialEnd = field(field(metadata, "annotations"), "k8s.io/initial-events-end") === "true";
      return { kind: "bookmark", resourceVersion, initialEnd };
    }
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      if (typeof field(metadata, "name") !== "string") throw garbage("a watch event without metadata.name");
      return { kind: type === "DELETED" ? "deleted" : "changed", object, resourceVersion };
    default:
      throw garbage(`a watch event of the unknown type ${JSON.stringify(type)?.slice(0, 40)}`);
  }
}

function errorEvent(status: object): Error {
  const code = field(status, "code");
  return failureFromStatus(typeof code === "number" ? code : 500, JSON.stringify(status), undefined);
}
