// The steps of a plan. The plan leaves no choice to whoever carries them out; `headgate plan` shows these very steps.

import type { DocumentKind } from "../render/documents.ts";
import type { RenderedFile } from "../render/files.ts";

/** One line of a push: a document, or its deletion where `text` is null. */
export interface PushLine {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly generation: number;
  /** JSON of the value, or null to delete. */
  readonly text: string | null;
}

export type Step =
  /** Documents in the order in which they must arrive: what is named comes before what names it. */
  | { readonly kind: "push"; readonly lines: readonly PushLine[]; readonly reason: string }
  /** Test, swap, reload, verify. */
  | {
      readonly kind: "configure";
      readonly generation: number;
      readonly files: readonly RenderedFile[];
      readonly reason: string;
    };
