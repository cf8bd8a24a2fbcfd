// (what is wanted, what is applied) → the lines of one push, in a safe order.
// In: ids to look at, so that the cost is that of the change. Out: lines, and which documents wait for their grace.

import type { DocumentKind, RenderedDocument } from "../render/documents.ts";
import type { PushLine } from "./steps.ts";

/** "<kind>:<key>" */
export type DocumentId = string;

/** A document the data plane has confirmed. `text` null: it holds something of this generation that we do not know. */
export interface AppliedDocument {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly generation: number;
  readonly text: string | null;
}

export interface DocumentsInput {
  /** The documents to look at; any other is as it was. */
  readonly ids: Iterable<DocumentId>;
  readonly wanted: ReadonlyMap<DocumentId, RenderedDocument>;
  readonly applied: ReadonlyMap<DocumentId, AppliedDocument>;
  /** When documents that nothing names any more may go, in milliseconds since 1970. */
  readonly retiring: ReadonlyMap<DocumentId, number>;
  /** Text the data plane refused, by id: not sent again before it changes. */
  readonly refused: ReadonlyMap<DocumentId, string>;
  readonly generation: number;
  readonly now: number;
  readonly graceMs: number;
}

export interface DocumentsPlan {
  readonly lines: readonly PushLine[];
  /** What becomes of the grace of a document: due at, or null for "wanted again" and "deleted now". */
  readonly retiring: ReadonlyMap<DocumentId, number | null>;
}

/** What is named comes before what names it; deletions go the other way round. */
const PUT_ORDER = {
  backend: 0,
  certificate: 1,
  users: 2,
  route: 3,
  host: 4,
  server_name: 5,
} as const satisfies Record<DocumentKind, number>;

/**
 * Documents that name others go at once; what they named stays for `graceMs`, so that a request that has chosen
 * a route still finds its backend.
 */
const GOES_AT_ONCE: ReadonlySet<DocumentKind> = new Set(["host", "server_name"]);

export function documentId(document: { readonly kind: DocumentKind; readonly key: string }): DocumentId {
  return `${document.kind}:${document.key}`;
}

export function planDocuments(input: DocumentsInput): DocumentsPlan {
  const puts: PushLine[] = [];
  const deletions: PushLine[] = [];
  const retiring = new Map<DocumentId, number | null>();
  for (const id of input.ids) {
    const wanted = input.wanted.get(id);
    const applied = input.applied.get(id);
    if (wanted !== undefined) {
      if (input.retiring.has(id)) retiring.set(id, null);
      if (applied?.text === wanted.text || input.refused.get(id) === wanted.text) continue;
      puts.push({ kind: wanted.kind, key: wanted.key, generation: input.generation, text: wanted.text });
    } else if (applied !== undefined) {
      const due = GOES_AT_ONCE.has(applied.kind) ? input.now : input.retiring.get(id);
      if (due === undefined) {
        retiring.set(id, input.now + input.graceMs);
      } else if (due <= input.now) {
        retiring.set(id, null);
        deletions.push({ kind: applied.kind, key: applied.key, generation: input.generation, text: null });
      }
    }
  }
  puts.sort((a, b) => PUT_ORDER[a.kind] - PUT_ORDER[b.kind] || (a.key < b.key ? -1 : 1));
  deletions.sort((a, b) => PUT_ORDER[b.kind] - PUT_ORDER[a.kind] || (a.key < b.key ? -1 : 1));
  return { lines: [...puts, ...deletions], retiring };
}
