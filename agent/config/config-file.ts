// The configuration file as a flat list of values with their lines. What the values may be is decided elsewhere.

import { LineCounter, isMap, isNode, isScalar, parseDocument, visit } from "yaml";
import { didYouMean } from "../lib/spelling.ts";
import { SETTINGS } from "./settings.ts";

export interface FileValue {
  readonly key: string;
  readonly value: unknown;
  readonly line: number;
}
export interface FileFault {
  readonly key: string;
  readonly line: number;
  readonly message: string;
  readonly fix: string;
}
export interface ParsedFile {
  readonly values: readonly FileValue[];
  readonly faults: readonly FileFault[];
}

/** Reads the text of a configuration file. Every key that is no setting is a fault with the line it stands on. */
export function parseConfigFile(text: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const faults: FileFault[] = document.errors.map((error) => ({
    key: "",
    line: lines.linePos(error.pos[0]).line,
    message: error.message,
    fix: "mend the YAML",
  }));
  visit(document, {
    Alias: (_key, node) => {
      const fix = "write the value out";
      faults.push({ key: "", line: lineOf(node, lines), message: "an alias is not read here", fix });
    },
  });
  if (faults.length > 0) return { values: [], faults };
  const values: FileValue[] = [];

  const walk = (node: unknown, prefix: string): void => {
    if (node === null || (isScalar(node) && node.value === null)) return;
    if (!isMap(node)) {
      const line = lineOf(node, lines);
      const fix = prefix === "" ? "write keys and values, like `stateDir: /var/lib/headgate`" : "write keys below it";
      faults.push({ key: prefix, line, message: "is no section of keys and values", fix });
      return;
    }
    for (const pair of node.items) {
      const word = isScalar(pair.key) ? String(pair.key.value) : "";
      const key = prefix === "" ? word : `${prefix}.${word}`;
      const line = lineOf(pair.key, lines);
      if (SETTINGS.some((setting) => setting.key === key)) values.push({ key, value: plain(pair.value), line });
      else if (SETTINGS.some((setting) => setting.key.startsWith(`${key}.`))) {
        if (SECTIONS_THAT_CHOOSE.has(key)) values.push({ key, value: true, line });
        walk(pair.value, key);
      } else faults.push(unknownKey(key, prefix, word, line));
    }
  };
  walk(document.contents, "");
  return { values, faults };

  function plain(node: unknown): unknown {
    if (isScalar(node)) return node.value;
    return isNode(node) ? node.toJS(document) : node;
  }
}

/** Sections that mean something even when they are empty. */
const SECTIONS_THAT_CHOOSE: ReadonlySet<string> = new Set(["source.kubernetes"]);

function unknownKey(key: string, prefix: string, word: string, line: number): FileFault {
  const start = prefix === "" ? "" : `${prefix}.`;
  const siblings = new Set(
    SETTINGS.filter((setting) => setting.key.startsWith(start)).map(
      (setting) => setting.key.slice(start.length).split(".")[0] ?? "",
    ),
  );
  const meant = didYouMean(word, [...siblings]);
  const elsewhere =
    SETTINGS.find(({ counterparts }) => counterparts.some(({ name }) => name === word)) ??
    SETTINGS.find((setting) => setting.key.endsWith(`.${word}`));
  const fix =
    meant !== null && !elsewhere?.counterparts.some(({ name }) => name === word)
      ? `did you mean \`${start}${meant}\`?`
      : elsewhere !== undefined
        ? `did you mean \`${elsewhere.key}\`?`
        : `remove it; keys here are ${[...siblings].join(", ")}`;
  return { key, line, message: "is no key of the configuration", fix };
}

function lineOf(node: unknown, lines: LineCounter): number {
  if (typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range)) {
    const start: unknown = node.range[0];
    if (typeof start === "number") return lines.linePos(start).line;
  }
  return 1;
}
