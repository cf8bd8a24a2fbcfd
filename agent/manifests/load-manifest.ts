// One manifest file → the objects in it and what is wrong with the rest, in the words of the store.

import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorText } from "../lib/errors.ts";
import { shortHash } from "../lib/hash.ts";
import { trimObject } from "../objects/trim.ts";
import type { SecretReaders, Trimmed } from "../objects/trim.ts";
import type { Fault, KubernetesObject, ObjectRef, Position } from "../objects/objects.ts";
import type { Refusal } from "../store/source.ts";
import { manifestFormat } from "./read-manifests.ts";
import type { FileContent } from "./read-manifests.ts";
import { parseChunk, splitManifest } from "./parse-manifest.ts";
import type { ParsedDocument, Place } from "./parse-manifest.ts";

export interface LoadedObject {
  readonly object: KubernetesObject;
  readonly where: string;
  readonly position: Position;
}

export interface LoadedFile {
  readonly objects: readonly LoadedObject[];
  readonly refusals: readonly Refusal[];
  /** For the next load of the same file. */
  readonly cache: ManifestCache;
}

/**
 * What the documents of a file gave, by the hash of their text: parsing YAML takes milliseconds for each, so a change
 * of one document must not parse the others again.
 */
export type ManifestCache = ReadonlyMap<string, readonly LoadedDocument[] | null>;

interface LoadedDocument {
  readonly place: Place;
  readonly faultLine: number | null;
  readonly result: Trimmed;
}

export interface LoadContext extends SecretReaders {
  readonly cache: ManifestCache | undefined;
}

/** After so long others get their turn, between two documents. */
const SLICE_MS = 15;

/** The namespace of manifests that name none, as kubectl has it. */
const DEFAULT_NAMESPACE = "default";

/** `file` is the path below the directory. A file that cannot be read gives one refusal for all of it. */
export async function loadManifest(
  file: string,
  content: Exclude<FileContent, { kind: "gone" }>,
  context: LoadContext,
): Promise<LoadedFile> {
  if (content.kind === "unreadable") {
    const faults = [{ field: "", message: content.message, fix: content.fix }];
    const refusal = { ref: null, where: file, position: { file, index: 0, line: 1 }, faults };
    return { objects: [], refusals: [refusal], cache: context.cache ?? new Map() };
  }
  const format = manifestFormat(file) ?? "yaml";
  const cache = new Map<string, readonly LoadedDocument[] | null>();
  const objects: LoadedObject[] = [];
  const refusals: Refusal[] = [];
  let documents = 0;
  let index = 0;
  let sliceEnds = performance.now() + SLICE_MS;
  for (const chunk of splitManifest(content.text, format)) {
    const key = createHash("sha256").update(chunk.text).digest("base64");
    let loaded = cache.get(key) ?? context.cache?.get(key);
    if (loaded === undefined) {
      if (performance.now() > sliceEnds) {
        await nextTurn();
        sliceEnds = performance.now() + SLICE_MS;
      }
      loaded = loadChunk(chunk.text, format, context);
    }
    cache.set(key, loaded);
    if (loaded === null) continue;
    documents++;
    for (const document of loaded) {
      const line = chunk.firstLine + document.place.line;
      const position: Position = { file, index: index++, line };
      const where = whereText(position, documents, document.place.item);
      if (document.result.kind === "object")
        objects.push({ object: placed(document.result.object, position), where, position });
      if (document.result.kind === "refused") {
        const faults = document.result.faults.map((fault) => withLine(fault, document.faultLine, chunk.firstLine));
        refusals.push({ ref: document.result.ref, where, position, faults });
      }
    }
  }
  return { objects, refusals, cache };
}

function loadChunk(text: string, format: "yaml" | "json", secrets: SecretReaders): readonly LoadedDocument[] | null {
  const documents = parseChunk(text, format);
  if (documents === null) return null;
  return documents.map((document) => ({
    place: document.place,
    faultLine: document.kind === "broken" ? document.faultLine : null,
    result: loadDocument(document, secrets),
  }));
}

/** The position comes later: it changes when a document above grows. */
function loadDocument(document: ParsedDocument, secrets: SecretReaders): Trimmed {
  if (document.kind === "broken") {
    return { kind: "refused", ref: null, faults: [{ field: "", message: document.message, fix: document.fix }] };
  }
  try {
    return trimObject(withIdentity(document.value), { ...secrets, strict: true, position: null });
  } catch (thrown) {
    // Anchors can build a value that contains itself; whatever a document holds, it costs only that document.
    const [reason = ""] = errorText(thrown).split("\n");
    const fault = { field: "", message: `cannot be read: ${reason}`, fix: "write it without anchors" };
    return { kind: "refused", ref: null, faults: [fault] };
  }
}

function placed<T extends KubernetesObject>(object: T, position: Position): T {
  return { ...object, meta: { ...object.meta, position } };
}

function withLine(fault: Fault, line: number | null, firstLine: number): Fault {
  return line === null ? fault : { ...fault, message: `${fault.message} (line ${firstLine + line})` };
}

/**
 * Gives what only an API server gives otherwise. The resource version follows the content, whatever a copy from a
 * cluster says: the same text is the same version, a changed text is another.
 */
function withIdentity(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const metadata: unknown = value["metadata"];
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return { ...value };
  const given: Readonly<Record<string, unknown>> = { ...metadata };
  const namespace = given["namespace"] ?? DEFAULT_NAMESPACE;
  const kind = String(value["kind"]);
  const version = shortHash(JSON.stringify(value));
  return {
    ...value,
    metadata: {
      ...given,
      ...(kind === "IngressClass" ? {} : { namespace }),
      uid: `manifest-${shortHash(`${kind}/${String(namespace)}/${String(given["name"])}`)}`,
      resourceVersion: version,
    },
  };
}

/** "shop.yaml:12 (document 2)", and which item where the document is a List. */
function whereText({ file, line }: Position, document: number, item: number | null): string {
  return `${file}:${line} (document ${document}${item === null ? "" : `, item ${item}`})`;
}

/** Of which objects the refused documents are, and whether one does not say. */
export function refusedRefs(loaded: Pick<LoadedFile, "refusals">): {
  readonly refs: readonly ObjectRef[];
  readonly nameless: boolean;
} {
  const refs = loaded.refusals.map((refusal) => refusal.ref).filter((ref) => ref !== null);
  return { refs, nameless: refs.length < loaded.refusals.length };
}
