// A small data plane in memory, with the rules of docs/dataplane-api.md about generations, digests and tombstones.
// `test/lua/data-plane-contract.test.ts` holds it to the real one.

import { AgentError } from "../../agent/lib/errors.ts";
import { digests } from "../../agent/apply/documents-lane.ts";
import type { DataPlane, DataPlaneState, HeldDocument, PushResult } from "../../agent/nginx/data-plane.ts";
import { documentId } from "../../agent/plan/plan-documents.ts";
import type { PushLine } from "../../agent/plan/steps.ts";
import type { RenderedFile } from "../../agent/render/files.ts";

interface Held extends HeldDocument {
  readonly text: string | null;
}

export class FakeDataPlane implements DataPlane {
  readonly documents = new Map<string, Held>();
  /** Every line that came, in order. */
  readonly log: PushLine[] = [];
  readonly configured: { generation: number; files: readonly RenderedFile[] }[] = [];
  /** Nobody answers while this is true. */
  down = false;
  /** Ids answered with `invalid` or `no-memory`. */
  readonly invalid = new Set<string>();
  readonly full = new Set<string>();
  epoch = "e1";
  /** Of 1000. */
  free = 900;
  problems: readonly string[] = [];
  /** Process ids. */
  workers: readonly number[] = [2];
  /** Awaited before a push is answered. */
  gate: Promise<void> = Promise.resolve();

  async push(lines: readonly PushLine[]): Promise<readonly PushResult[]> {
    await this.gate;
    this.#answer();
    return lines.map((line) => this.#take(line));
  }

  state(): Promise<DataPlaneState> {
    return this.#async(() => ({
      schema: 1,
      version: "fake",
      epoch: this.epoch,
      generation: Math.max(0, ...[...this.documents.values()].map((held) => held.generation)),
      kinds: Object.fromEntries(digests([...this.documents.values()].filter((held) => held.text !== null))),
      memory: { documents: { capacity: 1000, free: this.free } },
      worker: this.#worker(this.workers[0] ?? 0),
      workers: this.workers.map((pid) => this.#worker(pid)),
      masterPid: 1,
      problems: this.problems,
    }));
  }

  held(): Promise<readonly HeldDocument[]> {
    return this.#async(() =>
      [...this.documents.values()]
        .filter((held) => held.text !== null)
        .map(({ kind, key, generation }) => ({ kind, key, generation })),
    );
  }

  configure(generation: number, files: readonly RenderedFile[]): Promise<void> {
    return this.#async(() => {
      this.configured.push({ generation, files });
    });
  }

  /** What a request would find: kind and key to the value's text. */
  live(): ReadonlyMap<string, string> {
    return new Map([...this.documents].flatMap(([id, { text }]) => (text === null ? [] : [[id, text] as const])));
  }

  /** As nginx restarted without a snapshot. */
  forget(epoch: string): void {
    this.documents.clear();
    this.epoch = epoch;
  }

  #worker(pid: number): { readonly pid: number; readonly configuration: number } {
    return { pid, configuration: this.configured.at(-1)?.generation ?? 0 };
  }

  async #async<T>(answer: () => T): Promise<T> {
    await Promise.resolve();
    this.#answer();
    return answer();
  }

  #answer(): void {
    if (this.down) throw new AgentError("push-failed", "cannot PUT: nobody answers");
  }

  #take(line: PushLine): PushResult {
    this.log.push(line);
    const id = documentId(line);
    const held = this.documents.get(id);
    if (held !== undefined && held.generation > line.generation) return { kind: "stale", held: held.generation };
    if (held?.generation === line.generation) return { kind: "same" };
    if (this.invalid.has(id)) return { kind: "invalid", message: "refused by the test" };
    if (this.full.has(id)) return { kind: "no-memory" };
    this.documents.set(id, { kind: line.kind, key: line.key, generation: line.generation, text: line.text });
    return { kind: "applied" };
  }
}
