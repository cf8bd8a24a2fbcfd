// The imports of the agent's files, read from their text.

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { REPOSITORY } from "../edges/machine.ts";

export interface Import {
  /** Path of the file under agent/ without its ending: "model/build-host". */
  readonly from: string;
  /** The same for one of ours, "../package.json" and the like for what is outside agent/, else the package. */
  readonly to: string;
  readonly kind: "ours" | "package" | "node";
  readonly typeOnly: boolean;
}

export interface Source {
  /** Path in the repository. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly text: string;
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:([\w*{][^;"]*?)\s+from\s+)?"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** Every TypeScript file under these folders. */
export function readSources(patterns: readonly string[]): readonly Source[] {
  const paths = globSync(patterns, { cwd: REPOSITORY }).toSorted();
  return paths.map((path) => {
    const text = readFileSync(join(REPOSITORY, path), "utf8");
    return { path, text, lines: text.split("\n").length - 1, imports: parseImports(path, text) };
  });
}

export function parseImports(path: string, text: string): readonly Import[] {
  const from = path.replace(/^agent\//, "").replace(/\.ts$/, "");
  const imports: Import[] = [];
  for (const [, type, names = "", target = ""] of text.matchAll(STATEMENT)) {
    imports.push(resolve(from, target, type !== undefined || onlyTypes(names)));
  }
  for (const [, target = ""] of text.matchAll(DYNAMIC)) imports.push(resolve(from, target, false));
  return imports;
}

/** `{ type A, type B }` */
function onlyTypes(names: string): boolean {
  const inside = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
  const listed = inside
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return listed !== undefined && listed.length > 0 && listed.every((name) => name.startsWith("type "));
}

function resolve(from: string, target: string, typeOnly: boolean): Import {
  if (target.startsWith("node:")) return { from, to: target, kind: "node", typeOnly };
  if (!target.startsWith(".")) return { from, to: target, kind: "package", typeOnly };
  const to = normalize(join(dirname(from), target)).replace(/\.ts$/, "");
  return { from, to, kind: "ours", typeOnly };
}
