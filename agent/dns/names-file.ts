// The addresses of names on disk: an agent that starts while DNS is silent serves with them.

import { isIP } from "node:net";
import * as z from "zod/mini";
import { readFileIfThere, writeFileAtomic } from "../lib/files.ts";
import type { NameRecord } from "./answers.ts";

const fileSchema = z.array(
  z.object({
    name: z.string(),
    addresses: z.array(z.string().check(z.refine((text) => isIP(text) !== 0))),
    heardAt: z.nullable(z.number()),
    goneSince: z.nullable(z.number()),
  }),
);

/** Nothing where there is no file, or one that cannot be read: then the names are asked for anew. */
export async function loadNames(path: string): Promise<readonly NameRecord[]> {
  try {
    const text = await readFileIfThere(path);
    return text === null ? [] : z.parse(fileSchema, JSON.parse(text));
  } catch {
    return [];
  }
}

/** Throws what the file system throws; the file before stays then. */
export async function saveNames(path: string, records: readonly NameRecord[]): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(records)}\n`);
}
