// Paths that are regular expressions (use-regex, rewrite-target), as ingress-nginx reads them: `location ~* "^<path>"`,
// without regard to case, not anchored at the end, tried longest first.
//
// The data plane runs them with PCRE, `headgate explain` with JavaScript. So what is taken is what both read alike;
// anything else is refused by name. An expression that is refused is not guessed at.

import { printable } from "../objects/readers.ts";
import { decodePath } from "./paths.ts";

export interface ParsedExpression {
  readonly kind: "expression";
  /** See Expression of edge-model.ts. */
  readonly prefix: string;
  readonly pattern: string;
  /** The whole as a PCRE with its "^": for captures. */
  readonly source: string;
}
export type ExpressionResult =
  | ParsedExpression
  | { readonly kind: "bad"; readonly message: string; readonly fix: string };

/** Bytes; the data plane's limit. */
const PATTERN_LENGTH_MAX = 4096;
const SHOWN_MAX = 60;
/** PCRE's own limit of a repetition is 65,535; a large one makes a large program. */
const REPEAT_MAX = 1000;
const META = /[\\^$.|?*+()[\]{}]/;

/** Reads the path of a rule as a regular expression. */
export function parseExpression(path: string): ExpressionResult {
  const shown = `"${printable(path, SHOWN_MAX)}"`;
  if (!path.startsWith("/")) return bad(`${shown} does not start with a slash`, "put a slash before it");
  if (path.length > PATTERN_LENGTH_MAX / 3) {
    return bad(`is longer than ${Math.floor(PATTERN_LENGTH_MAX / 3)} characters`, "make it shorter");
  }
  if (/[\u0000-\u001f\u007f]/.test(path)) return bad(`${shown} has a control character`, "remove it");
  if (!path.isWellFormed()) return bad(`${shown} is not UTF-8`, "write it in UTF-8");
  // Requests are matched decoded; an escape in a rule can only mean what it stands for.
  const source = path.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => literal(decodePath(escapes)));
  if (!source.isWellFormed() || /[\u0000-\u001f\u007f]/.test(source)) {
    return bad(`${shown} has an escape of bytes that are no UTF-8 or control characters`, "remove it");
  }
  const fault = patternFault(source);
  if (fault !== null) return bad(`${shown} is a regular expression that cannot be used: ${fault.what}`, fault.fix);
  const { prefix, whole } = literalStart(source);
  return { kind: "expression", prefix: lowerAscii(prefix), pattern: whole ? "" : `^${source}`, source: `^${source}` };
}

/**
 * Reads a pattern that the value of a header is held to, by case and anywhere in it. Gives what is wrong with it, or
 * null: then PCRE and JavaScript read it alike.
 */
export function headerPatternFault(source: string): { readonly message: string; readonly fix: string } | null {
  const shown = `"${printable(source, SHOWN_MAX)}"`;
  if (source.length > PATTERN_LENGTH_MAX / 3) {
    return { message: `is longer than ${Math.floor(PATTERN_LENGTH_MAX / 3)} characters`, fix: "make it shorter" };
  }
  if (/[^ -~]/.test(source)) return { message: `${shown} has a character that is not ASCII`, fix: "remove it" };
  const fault = patternFault(source);
  return fault === null ? null : { message: `${shown} cannot be used: ${fault.what}`, fix: fault.fix };
}

/** A plain path on a host that has regular expressions: the literal, without regard to case. */
export function literalExpression(path: string): ParsedExpression {
  return { kind: "expression", prefix: lowerAscii(path), pattern: "", source: `^${literal(path)}` };
}

/** Whether a path (decoded, normalised) is matched, as the data plane has it. */
export function expressionMatches({ prefix, pattern }: { prefix: string; pattern: string }, path: string): boolean {
  if (!lowerAscii(path).startsWith(prefix)) return false;
  return pattern === "" || new RegExp(pattern, "i").test(path);
}

/** ASCII letters in lower case; others stay, as in PCRE's tables. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Text as an expression that matches it alone. */
function literal(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, (meta) => `\\${meta}`);
}

export interface ExpressionFault {
  readonly what: string;
  readonly fix: string;
}

const SIMPLIFY = "write it with groups, classes like [0-9a-z], . * + ? {n,m} and |";

/** Why an expression cannot be used: PCRE and JavaScript read it differently, or only one reads it at all. */
export function patternFault(source: string): ExpressionFault | null {
  let at = 0;
  let inClass = false;
  while (at < source.length) {
    const rest = source.slice(at, at + 8);
    const [character = ""] = rest;
    if (character === "\\") {
      const escaped = rest[1] ?? "";
      if (/[A-Za-z0-9]/.test(escaped) && !/[dDwWsSbB]/.test(escaped))
        return { what: `escape \\${escaped}`, fix: SIMPLIFY };
      if (inClass && /[bB]/.test(escaped)) return { what: `\\${escaped} in a class`, fix: SIMPLIFY };
      if (escaped > "\u007f") return { what: "an escape of a letter that is not ASCII", fix: "write it plainly" };
      at += 2;
      continue;
    }
    if (inClass) {
      if (character === "[") return { what: '"[" in a class', fix: 'write "\\[" there' };
      if (character > "\u007f") return { what: "a letter that is not ASCII in a class", fix: "write (a|b) instead" };
      if (character === "]") inClass = false;
    } else if (character === "[") {
      // "[]a]" and "[^]a]" end at once in JavaScript and not in PCRE.
      if (/^\[\^?\]/.test(rest)) return { what: "an empty class", fix: 'write "\\]" for the bracket' };
      inClass = true;
      if (rest[1] === "^") at += 1;
    } else if (character === "(" && rest[1] === "?" && !/^\(\?(:|=|!)/.test(rest)) {
      return { what: `group ${rest.slice(0, 4)}`, fix: "use plain groups; case never counts" };
    } else if (character > "\u007f" && /^.[?*+{]/u.test(rest)) {
      return { what: "a repetition of a letter that is not ASCII", fix: "put it into a group" };
    } else if (character === "{") {
      const repeat = /^\{(\d{1,5})(?:,(\d{0,5}))?\}/.exec(source.slice(at, at + 16));
      if (repeat === null) return { what: '"{" that begins no repetition', fix: 'write "\\{"' };
      if (Number(repeat[1]) > REPEAT_MAX || Number(repeat[2] ?? 0) > REPEAT_MAX) {
        return { what: `a repetition of more than ${REPEAT_MAX}`, fix: "use a smaller one" };
      }
    } else if (character === "}" && !/\{\d{1,5}(,\d{0,5})?$/.test(source.slice(Math.max(0, at - 14), at))) {
      return { what: '"}" that ends no repetition', fix: 'write "\\}"' };
    } else if (/^[?*+}]\+/.test(rest)) {
      return { what: "a possessive repetition", fix: SIMPLIFY };
    }
    at += 1;
  }
  if (inClass) return { what: "a class that does not end", fix: 'add "]", or write "\\["' };
  try {
    new RegExp(`^${source}`, "i");
    return null;
  } catch (error) {
    const text = error instanceof Error ? error.message : "";
    return { what: printable(text.split(": ").at(-1) ?? "", 80), fix: SIMPLIFY };
  }
}

/** The literal that every match starts with, and whether it is the whole expression. */
function literalStart(source: string): { readonly prefix: string; readonly whole: boolean } {
  if (hasTopLevelChoice(source)) return { prefix: "/", whole: false };
  let prefix = "";
  let at = 0;
  while (at < source.length) {
    const character = source[at] ?? "";
    let length = 1;
    let text = character;
    if (character === "\\" && !/[A-Za-z0-9]/.test(source[at + 1] ?? "A")) {
      text = source[at + 1] ?? "";
      length = 2;
    } else if (META.test(character)) {
      break;
    }
    // "/ab?": the b may be missing.
    if (/[?*{]/.test(source[at + length] ?? "")) break;
    prefix += text;
    at += length;
    if (source[at] === "+") break;
  }
  // "/" is always there, whatever the expression: paths start with it.
  return { prefix: prefix === "" ? "/" : prefix, whole: at === source.length };
}

function hasTopLevelChoice(source: string): boolean {
  let depth = 0;
  let inClass = false;
  for (let at = 0; at < source.length; at++) {
    const character = source[at];
    if (character === "\\") at += 1;
    else if (inClass) inClass = character !== "]";
    else if (character === "[") inClass = true;
    else if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === "|" && depth === 0) return true;
  }
  return false;
}

function bad(message: string, fix: string): ExpressionResult {
  return { kind: "bad", message, fix };
}
