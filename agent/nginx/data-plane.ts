// The port to nginx: what apply and loop need of it. `agent/nginx` implements it; tests have a small real one.

import type { PushLine } from "../plan/steps.ts";
import type { DocumentKind } from "../render/documents.ts";
import type { RenderedFile } from "../render/files.ts";

export type PushResult =
  | { readonly kind: "applied" }
  | { readonly kind: "same" }
  | { readonly kind: "stale"; readonly held: number }
  | { readonly kind: "invalid"; readonly message: string }
  | { readonly kind: "no-memory" };

/** GET /v1/state of the data plane. */
export interface DataPlaneState {
  readonly schema: number;
  readonly version: string;
  /** Made with the shared dict: another epoch means the documents are gone or were reloaded from the snapshot. */
  readonly epoch: string;
  /** Highest generation it holds. */
  readonly generation: number;
  readonly kinds: Readonly<Record<string, { readonly count: number; readonly digest: string }>>;
  readonly memory: Readonly<Record<string, { readonly capacity: number; readonly free: number }>>;
  /** The worker that answered. */
  readonly worker: { readonly pid: number; readonly configuration: number };
  readonly workers: readonly { readonly pid: number; readonly configuration: number }[];
  readonly masterPid: number;
  readonly problems: readonly string[];
}

/** A document the data plane holds, without its value. */
export interface HeldDocument {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly generation: number;
}

export interface DataPlane {
  /** Results in the order of `lines`. Throws AgentError push-failed when the socket does not answer. */
  push(lines: readonly PushLine[], signal: AbortSignal): Promise<readonly PushResult[]>;
  state(signal: AbortSignal): Promise<DataPlaneState>;
  held(signal: AbortSignal): Promise<readonly HeldDocument[]>;
  /** Test, swap, reload, verify; throws AgentError nginx-candidate or nginx-reload after putting the old files back. */
  configure(generation: number, files: readonly RenderedFile[], signal: AbortSignal): Promise<void>;
}
