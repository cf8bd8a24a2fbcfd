// The manifest files of a directory: which there are, and what is in them. Limits stand here.

import { constants } from "node:fs";
import { lstat, open, readdir, realpath, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "../lib/errors.ts";

/** Of one file. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
const FILES_MAX = 10_000;
const DEPTH_MAX = 8;

/** What tells two states of a file apart without reading it. */
export type FileStamp = string;

export interface Listing {
  /** Paths relative to the directory, sorted; the value tells whether the file changed. */
  readonly files: ReadonlyMap<string, FileStamp>;
  /** Absolute paths of the directories that were read, with their identity. */
  readonly directories: ReadonlyMap<string, string>;
  /** Paths that could not be looked at, with the reason. */
  readonly faults: ReadonlyMap<string, string>;
}

export type FileContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "gone" }
  /** It is there, and cannot be used. */
  | { readonly kind: "unreadable"; readonly message: string; readonly fix: string };

/** Whether a name is that of a manifest. Hidden files are not: editors and ConfigMap mounts keep theirs so. */
export function manifestFormat(name: string): "yaml" | "json" | null {
  if (name.startsWith(".") || name.includes("/.")) return null;
  if (/\.ya?ml$/i.test(name)) return "yaml";
  return /\.json$/i.test(name) ? "json" : null;
}

/** Lists the manifests below `root`, through symbolic links. Throws what readdir(root) throws. */
export async function listManifests(root: string): Promise<Listing> {
  const files = new Map<string, FileStamp>();
  const directories = new Map<string, string>();
  const faults = new Map<string, string>();
  const seen = new Set<string>();

  const visit = async (absolute: string, relative: string, depth: number): Promise<void> => {
    const real = await realpath(absolute);
    if (seen.has(real)) return;
    seen.add(real);
    const names = await readdir(absolute);
    const identity = await stat(absolute);
    directories.set(absolute, `${identity.dev}:${identity.ino}`);
    for (const name of names.toSorted()) {
      if (name.startsWith(".")) continue;
      const path = relative === "" ? name : `${relative}/${name}`;
      await look(join(absolute, name), path, depth);
    }
  };
  const look = async (absolute: string, path: string, depth: number): Promise<void> => {
    const isManifest = manifestFormat(path) !== null;
    try {
      const entry = await stat(absolute, { bigint: true });
      if (entry.isDirectory()) {
        if (depth < DEPTH_MAX) await visit(absolute, path, depth + 1);
        else faults.set(path, `is more than ${DEPTH_MAX} folders deep`);
      } else if (isManifest && files.size < FILES_MAX) {
        files.set(path, `${entry.dev}:${entry.ino}:${entry.size}:${entry.mtimeNs}:${entry.ctimeNs}`);
      } else if (isManifest) faults.set(path, `is one of more than ${FILES_MAX} files`);
    } catch (thrown) {
      // A link that leads nowhere or to itself, a folder that may not be read. What is gone by now is no fault.
      if (isManifest) files.set(path, `unreadable:${errorCode(thrown)}`);
      else if (errorCode(thrown) !== "ENOENT") faults.set(path, reasonText(thrown));
    }
  };
  await visit(root, "", 0);
  return { files: new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1))), directories, faults };
}

/** Reads one file, at most FILE_BYTES_MAX of it. A pipe or device is refused without waiting for it. */
export async function readManifest(absolute: string): Promise<FileContent> {
  let bytes: Buffer;
  try {
    const file = await open(absolute, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const entry = await file.stat();
      if (entry.isDirectory()) return { kind: "gone" };
      if (!entry.isFile()) return unreadable("is no regular file", "keep only manifests in the directory");
      const { size } = entry;
      if (size > FILE_BYTES_MAX) return unreadable(`has ${size} bytes, more than ${FILE_BYTES_MAX}`, "split the file");
      bytes = await readAll(file, FILE_BYTES_MAX + 1);
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT" && !(await isLink(absolute))) return { kind: "gone" };
    return unreadable(`cannot be read: ${reasonText(thrown)}`, `check it with \`ls -l ${absolute}\``);
  }
  if (bytes.length > FILE_BYTES_MAX) return unreadable(`has more than ${FILE_BYTES_MAX} bytes`, "split the file");
  if (bytes.includes(0)) return unreadable("is a binary file", "keep only manifests in the directory");
  try {
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return unreadable("is not UTF-8 text", "save it as UTF-8");
  }
}

async function readAll(file: FileHandle, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  while (total < limit) {
    const part = Buffer.allocUnsafe(Math.min(256 * 1024, limit - total));
    const { bytesRead } = await file.read(part, 0, part.length, null);
    if (bytesRead === 0) break;
    parts.push(part.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(parts);
}

async function isLink(absolute: string): Promise<boolean> {
  try {
    return (await lstat(absolute)).isSymbolicLink();
  } catch {
    return false;
  }
}

function unreadable(message: string, fix: string): FileContent {
  return { kind: "unreadable", message, fix };
}

/** "EACCES", or "" for what is no error of the system. */
export function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  ELOOP: "symbolic links lead in a circle",
  EISDIR: "is a directory",
  EIO: "the disk gives an error",
};

export function reasonText(thrown: unknown): string {
  return REASONS[errorCode(thrown)] ?? errorText(thrown);
}
