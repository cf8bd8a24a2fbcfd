// A Secret → the users in it, as ingress-nginx's auth-secret has them: an htpasswd file, or a hash for each name.
// What is wrong with one user costs that user alone: nobody is let in by a line that cannot be read.

import { compareText, type Secret } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import type { Problem, UsersLayout } from "./edge-model.ts";
import { hashFault } from "./password-hash.ts";
import { problemOf } from "./problems.ts";

const USERS_MAX = 50_000;
/** A push takes 1,048,576 bytes, and a line of it is never cut. */
const BYTES_MAX = 900_000;
const NAME_BYTES_MAX = 255;
const SHOWN_MAX = 10;
/** The key of an htpasswd file. */
const FILE_KEY = "auth";

export interface ReadUsers {
  /** Sorted by name. */
  readonly users: ReadonlyMap<string, string>;
  /** Lines and keys that let nobody in, with where they stand. */
  readonly broken: readonly { readonly where: string; readonly message: string }[];
  /** Why there are no users at all; null where there are. Follows the Secret's name. */
  readonly fault: string | null;
}

const remembered = new WeakMap<Secret, Map<UsersLayout, ReadUsers>>();

/** The users of a Secret, of which the routes of several hosts ask: objects never change, so it is read once. */
export function usersOf(secret: Secret, layout: UsersLayout): ReadUsers {
  const known = remembered.get(secret) ?? new Map<UsersLayout, ReadUsers>();
  remembered.set(secret, known);
  const read = known.get(layout) ?? readUsers(secret, layout);
  known.set(layout, read);
  return read;
}

/** What is wrong with single users, for the owner of the Secret. */
export function usersProblems(secret: Secret, layout: UsersLayout, hosts: readonly string[]): readonly Problem[] {
  const { broken, fault } = usersOf(secret, layout);
  if (fault !== null || broken.length === 0) return [];
  const shown = broken.slice(0, SHOWN_MAX).map(({ where, message }) => `${where} ${message}`);
  const more = broken.length > SHOWN_MAX ? `; and ${broken.length - SHOWN_MAX} more` : "";
  return [
    problemOf(secret, {
      code: "secret-invalid",
      severity: "warning",
      field: layout === "auth-file" ? `data["${FILE_KEY}"]` : "data",
      message: `${shown.join("; ")}${more}: nobody is let in by it, the other users are`,
      fix: "write the user anew with `htpasswd -B -C 10`",
      hosts,
    }),
  ];
}

interface Written {
  readonly where: string;
  readonly name: string;
  /** null: there is no colon. */
  readonly hash: string | null;
}

function readUsers({ values }: Secret, layout: UsersLayout): ReadUsers {
  const none = { users: new Map<string, string>(), broken: [] };
  const file = values?.[FILE_KEY];
  if (layout === "auth-file" && file === undefined) return { ...none, fault: `has no key "${FILE_KEY}"` };
  const written = layout === "auth-file" ? linesOf(file ?? "") : keysOf(values ?? {});
  const users = new Map<string, string>();
  const broken: { where: string; message: string }[] = [];
  let bytes = 0;
  for (const { where, name, hash } of written) {
    const message = hash === null ? "has no colon" : (nameFault(name, users) ?? hashFault(hash));
    if (message === null && hash !== null) {
      users.set(name, hash);
      bytes += byteLength(name) + hash.length + 6;
    } else broken.push({ where, message: message ?? "" });
  }
  if (users.size > USERS_MAX) return { ...none, fault: `has ${users.size} users, more than ${USERS_MAX}` };
  if (bytes > BYTES_MAX) return { ...none, fault: `has more than ${BYTES_MAX} bytes of users` };
  const [first] = broken;
  if (users.size === 0) {
    return { ...none, fault: first === undefined ? "has no user" : `has no user: ${first.where} ${first.message}` };
  }
  return { users: new Map([...users].sort(([a], [b]) => compareText(a, b))), broken, fault: null };
}

// As nginx reads it: what stands behind a second colon is a comment.
function linesOf(file: string): readonly Written[] {
  return file.split(/\r\n|\n|\r/).flatMap((line, index) => {
    if (line.trim() === "" || line.startsWith("#")) return [];
    const where = `key "${FILE_KEY}", line ${index + 1}`;
    const [name = "", hash] = line.split(":");
    return [{ where, name, hash: hash?.trimEnd() ?? null }];
  });
}

function keysOf(values: Readonly<Record<string, string>>): readonly Written[] {
  return Object.entries(values).map(([name, hash]) => ({
    where: `key "${printable(name, 60)}"`,
    name,
    hash: hash.trim(),
  }));
}

function nameFault(name: string, users: ReadonlyMap<string, string>): string | null {
  if (name === "") return "has no name";
  if (byteLength(name) > NAME_BYTES_MAX) return `has a name of more than ${NAME_BYTES_MAX} bytes`;
  // U+FFFD stands for what was no UTF-8.
  if (/[\p{Cc}\ufffd]/u.test(name)) return "has a name with a character that cannot be sent";
  return users.has(name) ? `is a second one of user ${printable(name, 60)}` : null;
}

/** In UTF-8. */
function byteLength(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
