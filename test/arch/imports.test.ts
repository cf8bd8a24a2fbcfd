import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY } from "../edges/machine.ts";
import { PACKAGES, PURE_ROOMS, ROOMS, type Room } from "./rooms.ts";
import { parseImports, readSources, type Import } from "./sources.ts";

const SOURCES_MIN = 60; // a rule that saw no files says nothing
const IMPORTS_MIN = 150;
const LINES_MAX = 400;

const agent = readSources(["agent/**/*.ts"]);
const imports = agent.flatMap((source) => source.imports);
const rooms: Readonly<Record<string, Room>> = ROOMS;

function roomOf(path: string): string {
  return path.split("/")[0] ?? path;
}

function covers(rule: string, target: string, typeOnly: boolean): boolean {
  if (rule === "*") return true;
  const types = rule.startsWith("type ");
  const name = types ? rule.slice("type ".length) : rule;
  if (types && !typeOnly) return false;
  return target === name || target.startsWith(`${name}/`);
}

function breaks(found: Import): string | null {
  if (found.kind !== "ours" || found.to === "../package.json") return null;
  const room = roomOf(found.from);
  if (roomOf(found.to) === room) return null;
  const rule = rooms[room];
  if (!rule) return `agent/${found.from}: the room ${room} has no row in test/arch/rooms.ts`;
  if (rule.may.some((entry) => covers(entry, found.to, found.typeOnly))) return null;
  const what = found.typeOnly ? "types of" : "from";
  return `agent/${found.from} imports ${what} ${found.to}. ${room} may import ${rule.may.join(", ")}: ${rule.because}`;
}

function breaksPackage(found: Import): string | null {
  if (found.kind !== "package") return null;
  const name = Object.keys(PACKAGES).find((known) => found.to === known || found.to.startsWith(`${known}/`));
  const rule = name === undefined ? undefined : PACKAGES[name];
  if (!rule) return `agent/${found.from} imports ${found.to}, which has no row in test/arch/rooms.ts`;
  if (rule.only.some((entry) => covers(entry, found.from, false))) return null;
  return `agent/${found.from} imports ${found.to}: only ${rule.only.join(", ")} may, ${rule.because}`;
}

function none(broken: readonly (string | null)[]): void {
  assert.deepEqual(
    broken.filter((line) => line !== null),
    [],
  );
}

test("the architecture test sees the agent", () => {
  assert.ok(agent.length >= SOURCES_MIN, `only ${agent.length} files`);
  const ours = imports.filter((found) => found.kind === "ours");
  assert.ok(ours.length >= IMPORTS_MIN, `only ${ours.length} imports`);
  for (const source of agent) {
    // Every line that looks like an import was understood: a spelling the parser misses would pass unseen.
    const spelled = source.text.match(/^import\b|^export\b[^;\n]*\bfrom\b|^\} from "/gm) ?? [];
    const statements = spelled.filter((line) => line.startsWith("import")).length;
    assert.ok(
      source.imports.length >= statements,
      `${source.path}: ${statements} imports, understood ${source.imports.length}`,
    );
  }
});

test("imports are understood in every spelling", () => {
  const text = [
    'import { a } from "../model/a.ts";',
    'import type { B } from "../store/b.ts";',
    'import { type C, type D } from "../plan/c.ts";',
    'import {\n  type E,\n  f,\n} from "../apply/e.ts";',
    'import g from "winston";',
    'import "../nginx/h.ts";',
    'export { i } from "../loop/i.ts";',
    'const j = await import("../api/j.ts");',
  ].join("\n");
  const seen = parseImports("agent/render/x.ts", text).map(({ to, typeOnly }) => `${typeOnly ? "type " : ""}${to}`);
  const expected = ["model/a", "type store/b", "type plan/c", "apply/e", "winston", "nginx/h", "loop/i", "api/j"];
  assert.deepEqual(seen, expected);
});

test("a wrong import would be found", () => {
  const [wrong] = parseImports("agent/model/x.ts", 'import { startNginx } from "../nginx/nginx-process.ts";');
  assert.ok(wrong && breaks(wrong)?.includes("model may import"));
  const [value] = parseImports("agent/model/x.ts", 'import { something } from "../store/source.ts";');
  assert.ok(value && breaks(value));
  const [packaged] = parseImports("agent/model/x.ts", 'import { parse } from "yaml";');
  assert.ok(packaged && breaksPackage(packaged));
});

test("every room imports only what its row allows", () => {
  none(imports.map(breaks));
});

test("every package has its one door", () => {
  none(imports.map(breaksPackage));
});

test("nobody imports the composition root", () => {
  none(imports.map((found) => (found.to === "main" ? `agent/${found.from} imports main.ts` : null)));
  const outside = imports.filter(
    (found) => roomOf(found.to) === "edge" && !["main", "edge"].includes(roomOf(found.from)),
  );
  none(outside.map((found) => `agent/${found.from} imports ${found.to}`));
});

test("pure rooms import nothing of Node, and compile without its types", () => {
  const nodes = imports.filter((found) => found.kind === "node" && PURE_ROOMS.includes(roomOf(found.from)));
  none(nodes.map((found) => `agent/${found.from} imports ${found.to}`));
  const pure: unknown = JSON.parse(readFileSync(join(REPOSITORY, "tsconfig.pure.json"), "utf8"));
  const included = PURE_ROOMS.map((room) => `agent/${room}`);
  assert.deepEqual((pure as { include: string[] }).include.toSorted(), included.toSorted()); // our own file
});

test("files stay short enough to read", () => {
  const all = [...agent, ...readSources(["test/**/*.ts", "build.ts"])];
  none(all.map(({ path, lines }) => (lines > LINES_MAX ? `${path} has ${lines} lines, ${LINES_MAX} at most` : null)));
  const lua = readSources(["lua/**/*.lua"]);
  none(lua.map(({ path, lines }) => (lines > LINES_MAX ? `${path} has ${lines} lines, ${LINES_MAX} at most` : null)));
});
