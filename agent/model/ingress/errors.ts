// custom-http-errors, default-backend and disable-proxy-intercept-errors: which errors another Service answers.

import { type Draft, first, readFlag, shown } from "./annotation-values.ts";

export interface ErrorsWish {
  /** Sorted. */
  readonly codes: readonly number[];
  /** Also those that the backend answers, not nginx. */
  readonly intercept: boolean;
  /** A Service beside the Ingress; null: the default backend of the edge. */
  readonly service: string | null;
}

const CODES_MAX = 100;
/** nginx's own words for a connection that it ends, and for requests that it does not understand. */
const INTERNAL: ReadonlySet<number> = new Set([444, 494, 495, 496, 497, 498, 499]);

/** null: nothing is asked for. */
export function readErrors(draft: Draft): ErrorsWish | null {
  const codes = readCodes(draft);
  const service = readService(draft);
  const disabled = readFlag(draft, "disable-proxy-intercept-errors", null) ?? false;
  return codes.length === 0 && service === null ? null : { codes, intercept: !disabled, service };
}

function readCodes(draft: Draft): readonly number[] {
  const entry = first(draft, "custom-http-errors");
  if (entry === null) return [];
  const codes = new Set<number>();
  const tell = (message: string): void => {
    draft.invalid.push({ key: entry.key, message, fix: 'write codes from 400 to 599, like "404,503"' });
  };
  const words = entry.value.split(/[\s,]+/).filter((word) => word !== "");
  for (const word of words.slice(0, CODES_MAX)) {
    const code = /^[45]\d\d$/.test(word) ? Number(word) : 0;
    if (code !== 0 && !INTERNAL.has(code)) codes.add(code);
    else tell(`${shown(word)} is no error that an answer can be: it is left out`);
  }
  if (words.length > CODES_MAX) tell(`has more than ${CODES_MAX} codes: the others are left out`);
  return [...codes].sort((a, b) => a - b);
}

function readService(draft: Draft): string | null {
  const entry = first(draft, "default-backend");
  const written = entry?.value.trim() ?? "";
  if (entry === null || written === "") return null;
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(written)) return written;
  const message = `${shown(entry.value)} is no name of a Service: it is not asked`;
  draft.invalid.push({ key: entry.key, message, fix: "name a Service beside the Ingress" });
  return null;
}
