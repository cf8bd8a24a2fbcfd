// The last good state on disk: documents for nginx, objects for the agent, both of one generation.
// `documents-<G>.ndjson` is read by Lua (docs/dataplane-api.md, "Snapshot"); `objects-<G>.ndjson` by us.
// `manifest.json` names the current and the previous generation; it is written last, so a crash leaves the old pair.

import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import * as z from "zod/mini";
import { AgentError, errorText } from "../lib/errors.ts";
import { fillFileAtomic, readFileIfThere, writeFileAtomic } from "../lib/files.ts";
import type { KubernetesObject } from "../objects/objects.ts";
import { type DocumentKind, SCHEMA } from "../render/documents.ts";

export interface SnapshotDocument {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly generation: number;
  readonly text: string;
}

export interface Snapshot {
  readonly generation: number;
  /** When it was written, in milliseconds since 1970. */
  readonly savedAt: number;
  readonly documents: readonly SnapshotDocument[];
  readonly objects: readonly KubernetesObject[];
}

export interface LoadedSnapshot {
  readonly snapshot: Snapshot | null;
  /** The generation in which a policy last got stricter, as the manifest has it; 0 where there is none. */
  readonly policyFloor: number;
  /** What was skipped, and why. */
  readonly damaged: readonly string[];
}

/** Written in pieces of this many values, so that a large snapshot delays no push and is nowhere whole in memory. */
const PIECE_ITEMS = 200;
/** Room for the header, which is written last: it has the checksum of all that follows. */
const HEADER_BYTES = 128;

const manifestSchema = z.object({
  current: z.number(),
  previous: z.nullable(z.number()),
  policy_floor: z.number(),
});
type Manifest = z.infer<typeof manifestSchema>;

const headerSchema = z.object({
  schema: z.number(),
  generation: z.number(),
  lines: z.number(),
  crc32: z.string(),
  saved_at: z.number(),
});

const documentSchema = z.object({
  kind: z.enum(["backend", "certificate", "users", "route", "host", "server_name"]),
  key: z.string(),
  generation: z.number(),
  value: z.unknown(),
});

/** Reads the newest snapshot that may be used; never throws for what is damaged. */
export async function loadSnapshot(folder: string): Promise<LoadedSnapshot> {
  const damaged: string[] = [];
  const manifest = await readManifest(folder).catch((error: unknown) => {
    damaged.push(errorText(error));
    return null;
  });
  if (manifest === null) return { snapshot: null, policyFloor: 0, damaged };
  const policyFloor = manifest.policy_floor;
  const candidates = [manifest.current];
  // The one before is used only where no policy in it is weaker than one that was known later.
  if (manifest.previous !== null && manifest.previous >= policyFloor) candidates.push(manifest.previous);
  for (const generation of candidates) {
    try {
      return { snapshot: await readSnapshot(folder, generation), policyFloor, damaged };
    } catch (error) {
      damaged.push(errorText(error));
    }
  }
  return { snapshot: null, policyFloor, damaged };
}

/**
 * Writes a snapshot and makes it current. `policyFloor` is the generation in which a policy last got stricter.
 * Throws `state-unwritable`; what was current before then still is.
 */
export async function saveSnapshot(folder: string, snapshot: Snapshot, policyFloor: number): Promise<void> {
  try {
    const before = await readManifest(folder).catch(() => null);
    const { generation } = snapshot;
    await writeLines(documentsPath(folder, generation), snapshot, snapshot.documents, encodeDocument);
    await writeLines(objectsPath(folder, generation), snapshot, snapshot.objects, (object) => JSON.stringify(object));
    const previous = before === null || before.current === generation ? null : before.current;
    const manifest: Manifest = { current: generation, previous, policy_floor: policyFloor };
    await writeFileAtomic(join(folder, "manifest.json"), `${JSON.stringify(manifest)}\n`);
    await dropOthers(folder, new Set([generation, previous]));
  } catch (error) {
    throw new AgentError("state-unwritable", `cannot write the snapshot: ${folder}: ${errorText(error)}`, {
      cause: error,
      hint: "Free space or mend the rights of the state directory.",
    });
  }
}

function documentsPath(folder: string, generation: number): string {
  return join(folder, `documents-${generation}.ndjson`);
}

function objectsPath(folder: string, generation: number): string {
  return join(folder, `objects-${generation}.ndjson`);
}

async function readManifest(folder: string): Promise<Manifest | null> {
  const path = join(folder, "manifest.json");
  const text = await readFileIfThere(path);
  if (text === null) return null;
  return parseJson(manifestSchema, text, path);
}

async function readSnapshot(folder: string, generation: number): Promise<Snapshot> {
  const documents = await readLines(documentsPath(folder, generation), generation);
  const objects = await readLines(objectsPath(folder, generation), generation);
  return {
    generation,
    savedAt: documents.savedAt,
    documents: documents.lines.map((line) => {
      const { value, ...names } = parseJson(documentSchema, line, documentsPath(folder, generation));
      return { ...names, text: JSON.stringify(value) };
    }),
    // The checksum vouches for them: they are what this agent wrote.
    objects: objects.lines.map((line) => JSON.parse(line) as KubernetesObject), // see above
  };
}

async function readLines(path: string, generation: number): Promise<{ savedAt: number; lines: readonly string[] }> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new AgentError("snapshot-damaged", `snapshot is damaged: ${path}: ${errorText(cause)}`, { cause });
  });
  const end = bytes.indexOf(0x0a);
  const header = parseJson(headerSchema, bytes.subarray(0, Math.max(end, 0)).toString("utf8"), path);
  const body = bytes.subarray(end + 1);
  if (header.schema > SCHEMA) {
    throw new AgentError("snapshot-damaged", `snapshot is of a newer version: ${path}: schema ${header.schema}`);
  }
  if (header.generation !== generation || hex(crc32(body)) !== header.crc32) {
    throw new AgentError("snapshot-damaged", `snapshot is damaged: ${path}: its checksum does not match`);
  }
  const lines = body.toString("utf8").split("\n");
  lines.pop();
  return { savedAt: header.saved_at, lines };
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}

function encodeDocument(document: SnapshotDocument): string {
  const kind = JSON.stringify(document.kind);
  const key = JSON.stringify(document.key);
  return `{"kind":${kind},"key":${key},"generation":${document.generation},"schema":${SCHEMA},"value":${document.text}}`;
}

async function writeLines<T>(
  path: string,
  { generation, savedAt }: Snapshot,
  items: readonly T[],
  encode: (item: T) => string,
): Promise<void> {
  await fillFileAtomic(path, async (file) => {
    await file.writeFile(headerLine({}));
    let sum = 0;
    for (let start = 0; start < items.length; start += PIECE_ITEMS) {
      const piece = items.slice(start, start + PIECE_ITEMS);
      const text = piece.map((item) => `${encode(item)}\n`).join("");
      sum = crc32(text, sum);
      await file.writeFile(text);
    }
    const lines = items.length;
    await file.write(headerLine({ schema: SCHEMA, generation, lines, crc32: hex(sum), saved_at: savedAt }), 0);
  });
}

function headerLine(facts: Partial<z.infer<typeof headerSchema>>): string {
  return `${JSON.stringify(facts).padEnd(HEADER_BYTES - 1)}\n`;
}

async function dropOthers(folder: string, kept: ReadonlySet<number | null>): Promise<void> {
  for (const name of await readdir(folder)) {
    const generation = /^(?:documents|objects)-(\d+)\.ndjson$/.exec(name)?.[1];
    if (generation !== undefined && !kept.has(Number(generation))) await rm(join(folder, name), { force: true });
  }
}

function parseJson<T>(schema: z.ZodMiniType<T>, text: string, path: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new AgentError("snapshot-damaged", `snapshot is damaged: ${path}: not JSON`, { cause });
  }
  const parsed = z.safeParse(schema, json);
  if (!parsed.success) throw new AgentError("snapshot-damaged", `snapshot is damaged: ${path}: not in its format`);
  return parsed.data;
}
