// The text of one manifest file → its documents. Each document is parsed by itself, so a broken one costs only itself.

import { LineCounter, isMap, isScalar, isSeq, parseDocument, visit } from "yaml";
import type { Document, Node, Scalar } from "yaml";
import { errorText } from "../lib/errors.ts";

/** One Kubernetes object as it stands in a chunk, or the reason why there is none. */
export type ParsedDocument =
  | { readonly kind: "value"; readonly place: Place; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly kind: "broken";
      readonly place: Place;
      /** The line that the parser stumbled over; null where the message speaks of the whole. */
      readonly faultLine: number | null;
      readonly message: string;
      readonly fix: string;
    };

/** Lines count from 0, from the first line of the chunk. */
export interface Place {
  readonly line: number;
  /** Counts the items of a List from 1; null for a document that is an object itself. */
  readonly item: number | null;
}

/** One document of a file, as text: what is parsed by itself. */
export interface Chunk {
  readonly text: string;
  /** Line of its first character in the file, from 1. */
  readonly firstLine: number;
}

/** Above what etcd lets any object have (1.5 MB). */
const YAML_LENGTH_MAX = 2 * 1024 * 1024;
/**
 * Lines, entries and brackets of a YAML document: what its parse costs goes by them (8 µs each), and nothing else is
 * done meanwhile. An Ingress of 5,000 rules has 110,000.
 */
const YAML_MARKS_MAX = 300_000;
/** A document may repeat anchored parts this often; more is an attack on memory. */
const ALIASES_MAX = 100;

/** Cuts a file into its documents; `format` follows the file's extension. */
export function splitManifest(text: string, format: "yaml" | "json"): readonly Chunk[] {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return format === "json" ? [{ text: body, firstLine: 1 }] : splitDocuments(body);
}

/** The objects of one chunk; items of `kind: List` come one by one. null: the document is empty. Never throws. */
export function parseChunk(text: string, format: "yaml" | "json"): readonly ParsedDocument[] | null {
  return format === "json" ? parseJson(text) : parseYaml(text);
}

function parseJson(text: string): readonly ParsedDocument[] | null {
  if (text.trim() === "") return null;
  const place = { line: 0, item: null };
  try {
    const value: unknown = JSON.parse(text);
    return unroll(value, place, () => 0);
  } catch (thrown) {
    const message = `is no JSON: ${errorText(thrown)}`;
    return [{ kind: "broken", place, faultLine: null, message, fix: "mend the JSON" }];
  }
}

/**
 * Cuts at the document markers. A line that starts with "---" or "..." ends a document wherever it stands, inside
 * quotes and block scalars too (YAML 1.2.2, 9.1.2), so this is exact; a parser that is lost would run past it.
 */
function splitDocuments(text: string): readonly Chunk[] {
  const chunks: Chunk[] = [];
  const lines = text.split("\n");
  let first = 0;
  let prologue = true;
  lines.forEach((line, index) => {
    const marker = /^(---|\.\.\.)(\s|$)/.exec(line)?.[1];
    // Directives and comments before a marker belong to the document that it opens.
    if (marker === "---" && !prologue) {
      chunks.push({ text: lines.slice(first, index).join("\n"), firstLine: first + 1 });
      first = index;
    }
    if (marker === "...") {
      chunks.push({ text: lines.slice(first, index).join("\n"), firstLine: first + 1 });
      first = index + 1;
      prologue = true;
    } else if (marker === "---" || !/^(\s*(#.*)?|%.*)\r?$/.test(line)) prologue = false;
  });
  chunks.push({ text: lines.slice(first).join("\n"), firstLine: first + 1 });
  return chunks;
}

function parseYaml(text: string): readonly ParsedDocument[] | null {
  const excess = excessOf(text);
  if (excess !== null) {
    const fix = "split it, or write it as JSON in a file of its own";
    return [{ kind: "broken", place: { line: 0, item: null }, faultLine: null, message: excess, fix }];
  }
  const lines = new LineCounter();
  const lineAt = (offset: number): number => lines.linePos(offset).line - 1;
  try {
    const parsed = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false, merge: true });
    const start = lineAt(parsed.contents?.range?.[0] ?? 0);
    const error = parsed.errors[0] ?? repeatedKey(parsed);
    if (error !== null) {
      const faultLine = lineAt(error.pos[0]);
      const place = { line: start, item: null };
      return [{ kind: "broken", place, faultLine, message: `is no YAML: ${error.message}`, fix: "mend the YAML" }];
    }
    if (parsed.contents === null || (isScalar(parsed.contents) && parsed.contents.value === null)) return null;
    const value: unknown = parsed.toJS({ maxAliasCount: ALIASES_MAX });
    return unroll(value, { line: start, item: null }, (item) => itemLine(parsed, item, lineAt) ?? start);
  } catch (thrown) {
    // Excessive aliases, and a nesting too deep for the stack.
    const message = `is no YAML: ${errorText(thrown)}`;
    return [
      {
        kind: "broken",
        place: { line: 0, item: null },
        faultLine: null,
        message,
        fix: "write fewer aliases and levels",
      },
    ];
  }
}

function excessOf(text: string): string | null {
  if (text.length > YAML_LENGTH_MAX) return `has ${text.length} characters, more than ${YAML_LENGTH_MAX} of YAML`;
  let marks = 0;
  for (const _mark of text.matchAll(/[[\]{},\n]|[-?:] /g)) {
    marks += 1;
    if (marks > YAML_MARKS_MAX) return `has more than ${YAML_MARKS_MAX} lines, entries and brackets of YAML`;
  }
  return null;
}

/**
 * The first key that stands twice in one map. By hand: the parser's own check compares each key with all before it,
 * and a document of 20,000 keys would keep the agent from everything else for most of a minute.
 */
function repeatedKey(document: Document.Parsed): { readonly pos: readonly [number]; readonly message: string } | null {
  let repeated: Scalar | null = null;
  visit(document, {
    Map(_key, map) {
      const keys = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) {
          repeated = key;
          return visit.BREAK;
        }
        keys.add(key.value);
      }
      return undefined;
    },
  });
  const found = repeated as Scalar | null; // the compiler does not see that the visitor sets it
  return found === null ? null : { pos: [found.range?.[0] ?? 0], message: "Map keys must be unique" };
}

function unroll(value: unknown, place: Place, lineOfItem: (item: number) => number): readonly ParsedDocument[] {
  if (!isRecord(value)) {
    const fix = "start it with `apiVersion:` and `kind:`";
    return [{ kind: "broken", place, faultLine: null, message: "is no Kubernetes object", fix }];
  }
  const items = value["items"];
  if (value["apiVersion"] !== "v1" || value["kind"] !== "List" || !Array.isArray(items)) {
    return [{ kind: "value", place, value }];
  }
  return items.map((item: unknown, index): ParsedDocument => {
    const where = { line: lineOfItem(index), item: index + 1 };
    return isRecord(item)
      ? { kind: "value", place: where, value: item }
      : { kind: "broken", place: where, faultLine: null, message: "is no Kubernetes object", fix: "remove the item" };
  });
}

function itemLine(document: Document.Parsed, item: number, lineAt: (offset: number) => number): number | null {
  if (!isMap(document.contents)) return null;
  const items: unknown = document.contents.get("items", true);
  const node = isSeq(items) ? (items.items[item] as Node | undefined) : undefined; // items of a parsed sequence are nodes
  const start = node?.range?.[0];
  return start === undefined ? null : lineAt(start);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
