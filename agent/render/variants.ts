// Variants of profiles: what nginx takes from no variable and a route may say of its bodies. Named by what is in them,
// so equal wishes are one variant, and no text of a tenant is part of a name. They are wishes and no needs: where the
// configuration that runs has not got one, its profile serves.

import { shortHash } from "../lib/hash.ts";
import type { Filter } from "../model/edge-model.ts";

/** A profile with sizes of its own. */
export interface VariantProfile {
  readonly name: string;
  /** The profile that it is made of. */
  readonly base: string;
  /** In KB, 0 for no limit; null: as the configuration has it, as are all others. */
  readonly bodyKbMax: number | null;
  readonly buffering: boolean | null;
  readonly requestBuffering: boolean | null;
  readonly bufferKb: number | null;
  /** Errors of backends that are not passed on, sorted; null: none. */
  readonly intercept: readonly number[] | null;
}

const MB = 1024;
const GB = 1024 * MB;
/**
 * Limits that stand in the configuration: each is a reload when it comes first. What people write is there as they
 * write it, anything between is taken for the next one; Lua holds what says its length to the exact limit.
 */
const BODY_KB: readonly number[] = [
  64,
  128,
  256,
  512,
  ...[1, 2, 3, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 300, 500, 512, 600].map((mb) => mb * MB),
  ...[1, 2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 200, 500, 1000].map((gb) => gb * GB),
];

type Transfer = Omit<Extract<Filter, { kind: "transfer" }>, "kind">;
const NO_TRANSFER: Transfer = { bodyBytesMax: null, buffering: null, requestBuffering: null, bufferKb: null };

/** What a route asks of its profile. */
export interface VariantWish {
  readonly transfer: Transfer | null;
  readonly intercept: readonly number[] | null;
}

/** The variant of a profile that serves as a route says; null: the profile itself. */
export function variantOf(
  base: string,
  grpc: boolean,
  { transfer: said, intercept }: VariantWish,
): VariantProfile | null {
  const transfer = said ?? NO_TRANSFER;
  const { bodyBytesMax, bufferKb } = transfer;
  const bodyKbMax = bodyBytesMax === null || bodyBytesMax === 0 ? bodyBytesMax : bodyClass(bodyBytesMax);
  // nginx has no such directives for gRPC: nothing is buffered there.
  const buffering = grpc ? null : transfer.buffering;
  const requestBuffering = grpc ? null : transfer.requestBuffering;
  const parts = [
    ...(bodyKbMax === null ? [] : [`b${sizeText(bodyKbMax)}`]),
    ...(buffering === null ? [] : [`o${Number(buffering)}`]),
    ...(requestBuffering === null ? [] : [`r${Number(requestBuffering)}`]),
    ...(bufferKb === null ? [] : [`h${bufferKb}`]),
    ...(intercept === null ? [] : [`e${shortHash(intercept.join())}`]),
  ];
  if (parts.length === 0) return null;
  return { name: [base, ...parts].join("-"), base, bodyKbMax, buffering, requestBuffering, bufferKb, intercept };
}

function bodyClass(bytes: number): number {
  return BODY_KB.find((kb) => bytes <= kb * 1024) ?? 0;
}

/** A size as nginx writes it: "512k", "8m", "2g", "0". */
export function sizeText(kb: number): string {
  if (kb === 0) return "0";
  if (kb % GB === 0) return `${kb / GB}g`;
  return kb % MB === 0 ? `${kb / MB}m` : `${kb}k`;
}
