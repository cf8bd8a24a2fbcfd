// The PATHs of `plan`, `diff` and `lint` → the manifests below them, by the reader of the manifests source.

import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import { AgentError } from "../lib/errors.ts";
import {
  FILE_BYTES_MAX,
  type FileContent,
  listManifests,
  readManifest,
  reasonText,
} from "../manifests/read-manifests.ts";

export interface ManifestFile {
  /** Below a folder that is the only PATH, the path in it, as `headgate run --manifests` has it; else as it was written. */
  readonly name: string;
  readonly content: Exclude<FileContent, { kind: "gone" }>;
}

const STDIN_NAME = "stdin";

/** "-" reads standard input as YAML. Throws AgentError `usage` for a PATH that is not there or holds no manifest. */
export async function readPaths(paths: readonly string[]): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const path of paths) files.push(...(await readPath(path, paths.length === 1)));
  return files;
}

async function readPath(path: string, only: boolean): Promise<readonly ManifestFile[]> {
  if (path === "-") return [{ name: STDIN_NAME, content: await readStdin() }];
  if (await isFolder(path)) {
    const { files, faults } = await listManifests(path);
    const named = (name: string): string => (only ? name : join(path, name));
    const all: ManifestFile[] = [...faults].map(([name, message]) => {
      return { name: named(name), content: { kind: "unreadable", message, fix: "mend it, or take it away" } };
    });
    for (const name of files.keys()) {
      const content = await readManifest(join(path, name));
      if (content.kind !== "gone") all.push({ name: named(name), content });
    }
    if (all.length > 0) return all;
    throw new AgentError("usage", `cannot read ${path}: no file in it ends in .yaml, .yml or .json`, {
      hint: "Name the folder that holds the manifests.",
    });
  }
  const content = await readManifest(path);
  if (content.kind === "gone") throw missing(path, "no such file or directory");
  return [{ name: only ? basename(path) : path, content }];
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (thrown) {
    throw missing(path, reasonText(thrown));
  }
}

function missing(path: string, reason: string): AgentError {
  return new AgentError("usage", `cannot read ${path}: ${reason}`, { hint: "Name files, folders, or - for stdin." });
}

async function readStdin(): Promise<ManifestFile["content"]> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    // no encoding is set: these are buffers
    bytes += part.length;
    if (bytes > FILE_BYTES_MAX) return { kind: "unreadable", message: "is too long", fix: "give it in files" };
    parts.push(part);
  }
  return { kind: "text", text: Buffer.concat(parts).toString("utf8") };
}
