// A document as people may see it: the same for `render`, `plan` and `diff`.

import type { RenderedDocument, UsersValue } from "../render/documents.ts";

/** Fields that are written only: private keys, and what is shown by its fingerprint. */
const SECRET_FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  certificate: new Set(["key", "certificate"]),
};

/** The value without what is secret. */
export function shownValue({ kind, text }: Pick<RenderedDocument, "kind" | "text">): unknown {
  const value: unknown = JSON.parse(text);
  if (kind === "users") return { count: Object.keys((value as UsersValue).users).length }; // our own text
  const secret = SECRET_FIELDS[kind];
  if (secret === undefined || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !secret.has(name)));
}
