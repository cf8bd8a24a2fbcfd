// Writing files so that a reader, or a crash, never sees half of one.

import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

export interface WriteOptions {
  /** Default 0o640. */
  readonly mode?: number;
  /** Wait until the disk has it; default true. */
  readonly sync?: boolean;
}

/** Writes beside the target, then renames over it. Creates the folder. Throws what the file system throws. */
export function writeFileAtomic(path: string, content: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  return fillFileAtomic(path, (file) => file.writeFile(content), options);
}

/** The same, where `fill` writes the content: one that need not be in memory as a whole. */
export async function fillFileAtomic(
  path: string,
  fill: (file: FileHandle) => Promise<void>,
  options: WriteOptions = {},
): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  try {
    const handle = await open(temporary, "w", options.mode ?? 0o640);
    try {
      await fill(handle);
      if (options.sync ?? true) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The text of a file, or null where there is none. */
export async function readFileIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    throw error;
  }
}

export function isErrno(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}
