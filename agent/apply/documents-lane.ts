// The lane of pushes: carries out push steps and keeps what the data plane has confirmed.
// Never waits for a test or a reload; one push is in flight at a time (the caller awaits it).

import { crc32 } from "node:zlib";
import type { DataPlane, DataPlaneState, HeldDocument } from "../nginx/data-plane.ts";
import { type AppliedDocument, type DocumentId, type DocumentsPlan, documentId } from "../plan/plan-documents.ts";
import type { PushLine } from "../plan/steps.ts";

/** What a push came to, beside what is now in `applied`. */
export interface PushOutcome {
  /** Lines that the data plane confirmed. */
  readonly confirmed: number;
  /** What it refused, without what it had refused in the same words before. */
  readonly refused: readonly { readonly id: DocumentId; readonly message: string }[];
  /** To be tried again: the data plane holds something newer, or has no room. */
  readonly again: readonly DocumentId[];
  /** The highest generation that was found to be held already; 0 for none. */
  readonly heldGeneration: number;
  readonly outOfMemory: boolean;
}

/** How often other readers are asked for what was refused before. */
const ASKS = 2;

/** A text that was refused, and why. */
interface Refusal {
  readonly text: string;
  readonly message: string;
  /** Whoever refused it may be gone: it is sent once more. */
  readonly again: boolean;
}

export class DocumentsLane {
  readonly #dataPlane: DataPlane;
  readonly #applied = new Map<DocumentId, AppliedDocument>();
  readonly #refused = new Map<DocumentId, Refusal>();
  readonly #retiring = new Map<DocumentId, number>();
  /** Who read the documents when they were last looked at; "" before. */
  #readers = "";
  /** How often they are still to be asked. */
  #asks = 0;
  #bytes = 0;

  constructor(dataPlane: DataPlane) {
    this.#dataPlane = dataPlane;
  }

  get applied(): ReadonlyMap<DocumentId, AppliedDocument> {
    return this.#applied;
  }

  /** How much the confirmed documents are, in characters of their values. */
  get bytes(): number {
    return this.#bytes;
  }

  get retiring(): ReadonlyMap<DocumentId, number> {
    return this.#retiring;
  }

  /** Refused texts by id, for the planner, without those that are to be sent once more. */
  refusedTexts(): ReadonlyMap<DocumentId, string> {
    return new Map([...this.#refused].flatMap(([id, { text, again }]) => (again ? [] : [[id, text] as const])));
  }

  /** Refused documents and the data plane's words, for `status`. */
  refusals(): readonly { readonly id: DocumentId; readonly message: string }[] {
    return [...this.#refused].map(([id, { message }]) => ({ id, message }));
  }

  /**
   * What was refused is to be sent again where others read it than before: workers with other Lua, other profiles or
   * other limits may take it. Gives these documents. Any change of workers counts, and each counts twice: while nginx
   * reloads, a worker of before may answer a push after one of now has answered `state`.
   */
  askAgain(state: DataPlaneState): readonly DocumentId[] {
    const pids = state.workers.map(({ pid, configuration }) => `${pid}@${configuration}`).toSorted();
    const readers = [state.epoch, state.version, ...pids].join(" ");
    if (readers !== this.#readers) this.#asks = ASKS;
    this.#readers = readers;
    if (this.#asks === 0) return [];
    this.#asks -= 1;
    for (const [id, refusal] of this.#refused) this.#refused.set(id, { ...refusal, again: true });
    return [...this.#refused.keys()];
  }

  /** A document that is not wanted any more, or not as it was refused, is no fault any more. */
  forgive(wanted: (id: DocumentId) => string | undefined): void {
    for (const [id, { text }] of this.#refused) if (wanted(id) !== text) this.#refused.delete(id);
  }

  /** Takes over what a snapshot says was applied; `audit` then holds it against the truth. */
  assume(documents: readonly AppliedDocument[]): void {
    for (const document of documents) this.#keep(documentId(document), document);
  }

  keepRetiring(plan: DocumentsPlan): void {
    for (const [id, due] of plan.retiring) {
      if (due === null) this.#retiring.delete(id);
      else this.#retiring.set(id, due);
    }
  }

  /** Pushes; throws AgentError push-failed when nobody answers: then nothing is known about these lines. */
  async push(lines: readonly PushLine[], signal: AbortSignal): Promise<PushOutcome> {
    const results = await this.#dataPlane.push(lines, signal);
    const refused: { id: DocumentId; message: string }[] = [];
    const again: DocumentId[] = [];
    let confirmed = 0;
    let heldGeneration = 0;
    let outOfMemory = false;
    for (const [index, line] of lines.entries()) {
      const id = documentId(line);
      const result = results[index];
      switch (result?.kind) {
        case "applied":
        case "same":
          this.#confirm(id, line);
          confirmed += 1;
          break;
        case "invalid":
          if (this.#refuse(id, line.text, result.message)) refused.push({ id, message: result.message });
          break;
        case "stale":
          heldGeneration = Math.max(heldGeneration, result.held);
          again.push(id);
          break;
        case "no-memory":
          outOfMemory = true;
          again.push(id);
          break;
        case undefined:
          again.push(id);
          break;
        default:
          result satisfies never;
      }
    }
    return { confirmed, refused, again, heldGeneration, outOfMemory };
  }

  /** Does the data plane hold exactly what was confirmed? Compares counts and digests. */
  agrees(state: DataPlaneState): boolean {
    const mine = digests(this.#applied.values());
    const kinds = new Set([...Object.keys(state.kinds), ...mine.keys()]);
    return [...kinds].every((kind) => {
      const held = state.kinds[kind] ?? { count: 0, digest: "00000000" };
      const own = mine.get(kind) ?? { count: 0, digest: "00000000" };
      return held.count === own.count && held.digest === own.digest;
    });
  }

  /** Asks for all that is held and corrects `applied`; gives the documents that differ. */
  async audit(signal: AbortSignal): Promise<readonly DocumentId[]> {
    const held = new Map((await this.#dataPlane.held(signal)).map((document) => [documentId(document), document]));
    const differing: DocumentId[] = [];
    for (const id of this.#applied.keys()) {
      if (held.has(id)) continue;
      this.#keep(id, null);
      differing.push(id);
    }
    for (const [id, document] of held) {
      if (this.#applied.get(id)?.generation === document.generation) continue;
      this.#keep(id, unknownText(document));
      differing.push(id);
    }
    return differing;
  }

  /** False where the same was refused in the same words before. */
  #refuse(id: DocumentId, text: string | null, message: string): boolean {
    const before = this.#refused.get(id);
    if (text !== null) this.#refused.set(id, { text, message, again: false });
    return before?.text !== text || before?.message !== message;
  }

  #confirm(id: DocumentId, line: PushLine): void {
    this.#refused.delete(id);
    const { kind, key, generation, text } = line;
    this.#keep(id, text === null ? null : { kind, key, generation, text });
  }

  #keep(id: DocumentId, document: AppliedDocument | null): void {
    this.#bytes += (document?.text?.length ?? 0) - (this.#applied.get(id)?.text?.length ?? 0);
    if (document === null) this.#applied.delete(id);
    else this.#applied.set(id, document);
  }
}

/** Count and digest per kind, as GET /v1/state has them: the sum of crc32("<key>@<generation>") modulo 2^32. */
export function digests(
  documents: Iterable<HeldDocument>,
): ReadonlyMap<string, { readonly count: number; readonly digest: string }> {
  const sums = new Map<string, { count: number; sum: number }>();
  for (const { kind, key, generation } of documents) {
    const entry = sums.get(kind) ?? { count: 0, sum: 0 };
    entry.count += 1;
    entry.sum = (entry.sum + crc32(`${key}@${generation}`)) >>> 0;
    sums.set(kind, entry);
  }
  return new Map(
    [...sums].map(([kind, { count, sum }]) => [kind, { count, digest: sum.toString(16).padStart(8, "0") }]),
  );
}

function unknownText(document: HeldDocument): AppliedDocument {
  return { kind: document.kind, key: document.key, generation: document.generation, text: null };
}
