// Paths: what a rule may say, and how a request's path is read. Rules are matched against the path as nginx
// normalises it: escapes decoded once, "//" merged, dot segments resolved. A rule is read in the same way, so
// "/caf%C3%A9" and "/café" are one rule.

import type { PathType } from "../objects/objects.ts";
import { printable } from "../objects/readers.ts";
import type { MatchType } from "./edge-model.ts";

export type ParsedPath =
  | { readonly kind: "path"; readonly matchType: MatchType; readonly path: string }
  | { readonly kind: "bad"; readonly message: string; readonly fix: string };

/** Bytes of UTF-8, the data plane's limit. */
const PATH_BYTES_MAX = 4096;
/** The data plane walks a prefix by segments. */
const PREFIX_SEGMENTS_MAX = 128;
const SHOWN_MAX = 60;
const ESCAPE = /%[0-9a-f]{2}/i;

/**
 * Reads the path of a rule. ImplementationSpecific is Prefix, and only there "" means "/". The slash at the end of a
 * prefix is dropped: it does not count. Bad is what no normalised path could match.
 */
export function parseRulePath(written: string, pathType: PathType): ParsedPath {
  const matchType: MatchType = pathType === "Exact" ? "Exact" : "Prefix";
  if (written === "") {
    if (pathType === "ImplementationSpecific") return { kind: "path", matchType, path: "/" };
    return bad(`is empty, which ${pathType} does not allow`, 'write "/"');
  }
  const shown = `"${printable(written, SHOWN_MAX)}"`;
  if (!written.startsWith("/")) return bad(`${shown} does not start with a slash`, "put a slash before it");
  if (/%2f/i.test(written))
    return bad(`${shown} has an escaped slash`, "write a slash; a request's %2F is read as one");
  const path = decodePath(written);
  if (/[\u0000-\u001f\u007f]/.test(path)) return bad(`${shown} has a control character`, "remove it");
  if (!path.isWellFormed()) return bad(`${shown} is not UTF-8`, "escape the bytes of its UTF-8 form");
  if (/[?#]/.test(written)) {
    return bad(`${shown} has "?" or "#", which no path has`, "remove it and what follows: only paths are matched");
  }
  if (path.includes("//")) return bad(`${shown} has "//", which requests are read without`, "write one slash");
  if (/\/\.\.?(\/|$)/.test(path)) return bad(`${shown} has a segment "." or ".."`, "write the path it leads to");
  if (utf8Length(path) > PATH_BYTES_MAX) return bad(`is longer than ${PATH_BYTES_MAX} bytes`, "make it shorter");
  if (matchType === "Exact") return { kind: "path", matchType, path };
  if (path.split("/").length - 1 > PREFIX_SEGMENTS_MAX) {
    return bad(`has more than ${PREFIX_SEGMENTS_MAX} segments`, "make it shorter");
  }
  return { kind: "path", matchType, path: path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path };
}

export type RequestPath =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "bad"; readonly reason: string };

/** A request's path as nginx normalises it. Bad is what nginx answers 400 to. */
export function normaliseRequestPath(raw: string): RequestPath {
  const target = raw.split(/[?#]/)[0] ?? "";
  if (!target.startsWith("/")) return { kind: "bad", reason: "no slash at the start" };
  if (/%(?![0-9a-f]{2})/i.test(target)) return { kind: "bad", reason: "an escape that is none" };
  if (/%00/.test(target) || target.includes("\0")) return { kind: "bad", reason: "a zero byte" };
  const kept: string[] = [];
  const segments = decodePath(target).split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === "..") {
      if (kept.length === 0) return { kind: "bad", reason: "a path above the root" };
      kept.pop();
      if (last) kept.push("");
    } else if (segment === "." || segment === "") {
      if (last) kept.push("");
    } else {
      kept.push(segment);
    }
  }
  return { kind: "path", path: `/${kept.join("/")}` };
}

/**
 * Judges a path on a host with guarded routes: what is judged must be what a backend reads. Gives what is sent: `//`
 * and `/./` are gone, all else is as written. The same rules as the data plane's `paths.strict`.
 */
export function strictPath(raw: string): RequestPath {
  const target = raw.split("?")[0] ?? "";
  if (!target.startsWith("/")) return refused("no slash at the start");
  if (/[\u0000-\u0020\u007f\\#]/.test(target)) return refused("backslash, '#' or control byte");
  for (const [escape, hex] of target.matchAll(/%(.{0,2})/gs)) {
    if (hex === undefined || !/^[0-9a-f]{2}$/i.test(hex) || isBadEscape(Number.parseInt(hex, 16))) {
      return refused(`escape ${printable(escape, 3)}`);
    }
  }
  const kept: string[] = [];
  const segments = target.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const semicolon = segment.indexOf(";");
    if (semicolon !== -1 && index < segments.length - 1) return refused("';' before a slash");
    const name = semicolon === -1 ? segment : segment.slice(0, semicolon);
    const decoded = decodePath(name);
    if (decoded === ".." || (decoded === "." && (semicolon !== -1 || name !== "."))) return refused("dot segment");
    if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const last = segments.at(-1);
  const trailing = kept.length > 0 && (last === "" || last === ".");
  return { kind: "path", path: `/${kept.join("/")}${trailing ? "/" : ""}` };
}

/** The path without path parameters (";…"), as servlet containers read it. */
function withoutParameters(path: string): string {
  return path.replace(/;[^/]*/g, "");
}

/**
 * What else a backend could make of a path that `strictPath` took: without its parameters, decoded once more, cut off at
 * a "?" or "#" that came in an escape. null: no reading of it can be judged. As the data plane's `paths.readings`.
 */
export function otherReadings(judged: string): readonly string[] | null {
  const found = /[;?#]/.test(judged) ? withShorter(judged) : [];
  if (!ESCAPE.test(judged)) return found;
  const again = strictPath(judged.split(/[?#]/)[0] ?? "");
  if (again.kind === "bad") return null;
  const decoded = decodePath(again.path);
  return ESCAPE.test(decoded) ? null : [...found, ...withShorter(decoded)];
}

function withShorter(path: string): readonly string[] {
  const cut = path.split(/[?#]/)[0] ?? "";
  return [path, cut, withoutParameters(cut)];
}

function refused(reason: string): RequestPath {
  return { kind: "bad", reason };
}

// Escapes that some backend reads as another path: slash, backslash, ";", control bytes, and the lead bytes that only
// overlong UTF-8 has.
function isBadEscape(code: number): boolean {
  return code < 0x20 || code === 0x7f || [0x2f, 0x5c, 0x3b, 0xc0, 0xc1].includes(code);
}

/**
 * Decodes percent escapes once, as UTF-8. A byte that is no UTF-8 becomes a lone surrogate, which equals nothing in a
 * rule. Text with a "%" that begins no escape is taken as it stands.
 */
export function decodePath(text: string): string {
  if (!text.includes("%") || /%(?![0-9a-f]{2})/i.test(text)) return text;
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => {
        const code = Number.parseInt(hex, 16);
        return String.fromCharCode(code < 0x80 ? code : 0xdc00 + code);
      });
    }
  });
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function bad(message: string, fix: string): ParsedPath {
  return { kind: "bad", message, fix };
}
