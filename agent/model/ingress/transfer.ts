// proxy-body-size, proxy-buffering, proxy-request-buffering and proxy-buffer-size: how bodies go through the edge.

import type { Filter } from "../edge-model.ts";
import { type Draft, first, shown } from "./annotation-values.ts";

type Transfer = Extract<Filter, { kind: "transfer" }>;

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const BODY_BYTES_MAX = 1024 ** 5;
const BUFFER_KB_MAX = 128;

/** null: all is as the configuration has it. */
export function readTransfer(draft: Draft): Transfer | null {
  const transfer: Transfer = {
    kind: "transfer",
    bodyBytesMax: readSize(draft, "proxy-body-size", BODY_BYTES_MAX, "the limit is that of the configuration"),
    buffering: readSwitch(draft, "proxy-buffering"),
    requestBuffering: readSwitch(draft, "proxy-request-buffering"),
    bufferKb: readBufferKb(draft),
  };
  const { kind: _, ...values } = transfer;
  return Object.values(values).every((value) => value === null) ? null : transfer;
}

function readSize(draft: Draft, name: string, max: number, instead: string): number | null {
  const entry = first(draft, name);
  if (entry === null || entry.value.trim() === "") return null;
  const [, digits = "", unit = ""] = /^(\d{1,15})([bkmg]?)$/.exec(entry.value.trim().toLowerCase()) ?? [];
  const bytes = digits === "" ? Number.NaN : Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (bytes <= max) return bytes;
  const message = `${shown(entry.value)} is no size: ${instead}`;
  draft.invalid.push({ key: entry.key, message, fix: 'write bytes, or a number with k, m or g, like "8m"' });
  return null;
}

function readSwitch(draft: Draft, name: string): boolean | null {
  const entry = first(draft, name);
  const value = entry?.value.trim().toLowerCase() ?? "";
  if (entry === null || value === "") return null;
  if (value === "on" || value === "off") return value === "on";
  const message = `${shown(entry.value)} is neither on nor off: it is as the configuration has it`;
  draft.invalid.push({ key: entry.key, message, fix: 'write "on" or "off"' });
  return null;
}

/** The next power of two, so that few sizes stand in the configuration of nginx. */
function readBufferKb(draft: Draft): number | null {
  const name = "proxy-buffer-size";
  const bytes = readSize(draft, name, BODY_BYTES_MAX, "it is that of the configuration");
  if (bytes === null) return null;
  let kb = 4;
  while (kb < BUFFER_KB_MAX && kb * 1024 < bytes) kb *= 2;
  if (kb * 1024 < bytes) {
    const entry = first(draft, name);
    const message = `${shown(entry?.value ?? "")} is more than ${BUFFER_KB_MAX}k: that is used`;
    draft.invalid.push({ key: entry?.key ?? name, message, fix: `write "${BUFFER_KB_MAX}k" or less` });
  }
  return kb;
}
