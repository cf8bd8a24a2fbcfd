// One untrusted value against the kind its setting has.

import { isIP } from "node:net";
import { resolve } from "node:path";
import type { Setting, SettingKind } from "./setting.ts";

export type SettingValue = string | number | boolean | readonly string[] | null;

/** `message` says what is wrong and `fix` what to write instead. */
export type Checked =
  | { readonly ok: true; readonly value: SettingValue }
  | { readonly ok: false; readonly message: string; readonly fix: string };

export interface ValueOrigin {
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** Flags and variables are text: "8080" is a number there, and a mistake in the file. */
  readonly textual: boolean;
}

const TEXT_LENGTH_MAX = 4096;

/** Checks and converts `raw` for `setting`; lists from a variable are separated by commas. */
export function checkValue(setting: Setting, raw: unknown, origin: ValueOrigin): Checked {
  if (raw === null || raw === undefined) {
    return setting.nullable
      ? { ok: true, value: null }
      : fault("is empty", `give a value or remove \`${setting.key}\``);
  }
  if (typeof raw === "string" && raw.length > TEXT_LENGTH_MAX) return fault("is too long", "shorten it");
  const { type } = setting;
  switch (type.kind) {
    case "text":
      return checkText(raw, type.pattern, type.example);
    case "path":
      return checkPath(raw, origin);
    case "integer":
      return checkInteger(setting, type, raw, origin);
    case "boolean":
      return checkBoolean(raw, origin);
    case "choice":
      return checkChoice(raw, type.values);
    case "list":
      return checkList(raw, type, origin);
  }
}

function fault(message: string, fix: string): Checked {
  return { ok: false, message, fix };
}

function shown(raw: unknown): string {
  const text = JSON.stringify(raw) ?? String(raw);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function checkText(raw: unknown, pattern: RegExp, example: string): Checked {
  // A port or a name of digits alone is a number to YAML.
  const text = typeof raw === "number" ? String(raw) : raw;
  if (typeof text !== "string" || !pattern.test(text)) {
    return fault(`${shown(raw)} cannot be used`, `write it like ${example}`);
  }
  return { ok: true, value: text };
}

function checkPath(raw: unknown, origin: ValueOrigin): Checked {
  if (typeof raw !== "string" || raw === "") return fault(`${shown(raw)} is no path`, "write a path");
  if (/\p{Cc}/u.test(raw)) return fault("holds a control character", "write a path without it");
  return { ok: true, value: resolve(origin.folder, raw) };
}

function checkInteger(
  setting: Setting,
  { min, max }: Extract<Setting["type"], { kind: "integer" }>,
  raw: unknown,
  origin: ValueOrigin,
): Checked {
  const value = origin.textual && typeof raw === "string" && /^-?\d{1,15}$/.test(raw) ? Number(raw) : raw;
  // 0 means "none" on the command line, where null cannot be written.
  if (value === 0 && setting.nullable && origin.textual) return { ok: true, value: null };
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    return fault(`${shown(raw)} is no number from ${min} to ${max}`, `write a whole number from ${min} to ${max}`);
  }
  return { ok: true, value };
}

function checkBoolean(raw: unknown, origin: ValueOrigin): Checked {
  if (typeof raw === "boolean") return { ok: true, value: raw };
  if (origin.textual && (raw === "true" || raw === "false")) return { ok: true, value: raw === "true" };
  return fault(`${shown(raw)} is neither true nor false`, "write true or false");
}

function checkChoice(raw: unknown, values: readonly string[]): Checked {
  // `classless: true` is a boolean to YAML, `redirectCode: 301` a number.
  const text = typeof raw === "boolean" || typeof raw === "number" ? String(raw) : raw;
  if (typeof text === "string" && values.includes(text)) return { ok: true, value: text };
  return fault(`${shown(raw)} is none of ${values.join(", ")}`, `write one of ${values.join(", ")}`);
}

type ListKind = Extract<SettingKind, { kind: "list" }>;

function checkList(raw: unknown, type: ListKind, origin: ValueOrigin): Checked {
  const items: unknown = origin.textual && typeof raw === "string" ? raw.split(",").map((item) => item.trim()) : raw;
  if (!Array.isArray(items)) return fault(`${shown(raw)} is no list`, "write a list: [first, second]");
  if (items.length < type.min || items.length > type.max) {
    return fault(`has ${items.length} entries`, `write ${type.min} to ${type.max} entries`);
  }
  const values: string[] = [];
  for (const item of items as readonly unknown[]) {
    // Array.isArray gives any[]
    const checked = checkItem(item, type, origin);
    if (!checked.ok) return checked;
    if (typeof checked.value === "string") values.push(checked.value);
  }
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) return fault(`has ${shown(twice)} twice`, "write it once");
  return { ok: true, value: values };
}

function checkItem(item: unknown, type: ListKind, origin: ValueOrigin): Checked {
  switch (type.of) {
    case "name":
      return checkText(item, /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, "nginx");
    case "path":
      return checkPath(item, origin);
    case "address":
      return typeof item === "string" && isIP(item) !== 0
        ? { ok: true, value: item }
        : fault(`${shown(item)} is no IP address`, "write an address like 192.0.2.10, or 0.0.0.0 for all");
    case "network":
      return isNetwork(item)
        ? { ok: true, value: item }
        : fault(`${shown(item)} is no network`, "write one like 192.0.2.0/24, or a single address");
    case "word":
      return checkText(item, type.pattern ?? /^/, type.example ?? "");
  }
}

function isNetwork(item: unknown): item is string {
  if (typeof item !== "string") return false;
  const [address = "", length, ...more] = item.split("/");
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128));
}
