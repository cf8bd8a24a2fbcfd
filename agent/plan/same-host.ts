// Does a host say what it said? Its document is a text as long as its table: it is not written again to find out.

import type { RenderedDocument } from "../render/documents.ts";
import type { Host } from "../model/edge-model.ts";

/** True where both give the same document, entries in the same order. */
export function isSameHost(a: Host, b: Host): boolean {
  return (
    a.name === b.name &&
    a.aliasOf === b.aliasOf &&
    a.fallback === b.fallback &&
    a.strictPaths === b.strictPaths &&
    isSameList(a.expressions, b.expressions) &&
    isSameTable(a.exact, b.exact) &&
    isSameTable(a.prefixes, b.prefixes)
  );
}

/** True where both are the same document with the same text. */
export function isSameDocument(a: RenderedDocument | undefined, b: RenderedDocument | undefined): boolean {
  return a === b || (a?.kind === b?.kind && a?.key === b?.key && a?.text === b?.text);
}

function isSameList(a: Host["expressions"], b: Host["expressions"]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every(({ prefix, pattern, route }, at) => {
      const other = b[at];
      return route === other?.route && prefix === other.prefix && pattern === other.pattern;
    })
  );
}

function isSameTable(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [path, route] of a) {
    const other = others.next().value;
    if (other?.[0] !== path || other[1] !== route) return false;
  }
  return true;
}
