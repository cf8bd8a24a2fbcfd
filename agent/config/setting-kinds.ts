// What the tables of settings are written with.

import type { Counterpart, SettingKind } from "./setting.ts";

export const flag = { kind: "boolean" } as const;
export const count = (min: number, max: number): SettingKind => ({ kind: "integer", min, max });
export const seconds = (min: number, max = 86_400): SettingKind => count(min, max);
export const kilobytes = count(1, 1024);
export const words = (pattern: RegExp, example: string, max = 100): SettingKind => ({
  kind: "list",
  of: "word",
  pattern,
  example,
  min: 0,
  max,
});

/** `same`: the default is that of ingress-nginx. */
export function same(name: string, value: string): readonly Counterpart[] {
  return [{ name, default: value, reason: null }];
}
/** The default differs, for `reason`. */
export function other(name: string, value: string, reason: string): readonly Counterpart[] {
  return [{ name, default: value, reason }];
}
