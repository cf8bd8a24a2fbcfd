// Host names: what a rule may name, and how a request's host is read.

import { shortHash } from "../lib/hash.ts";
import { printable } from "../objects/readers.ts";

/** The host of rules without one. */
export const ANY_HOST = "_";

export type ParsedHost =
  | { readonly kind: "host"; readonly name: string }
  | { readonly kind: "bad"; readonly message: string; readonly fix: string };

const NAME_LENGTH_MAX = 253;
const SHOWN_MAX = 60;
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Reads the host of a rule or of `tls`: lower case, "*.example.org" for a wildcard, "_" for "". */
export function parseHost(written: string): ParsedHost {
  if (written === "") return { kind: "host", name: ANY_HOST };
  const shown = `"${printable(written, SHOWN_MAX)}"`;
  if (written.length > NAME_LENGTH_MAX) {
    return bad(`has ${written.length} characters, more than ${NAME_LENGTH_MAX}`, "use a shorter host name");
  }
  // By code units: the first thing to tell is that no byte of it can come from a request.
  if (/[^\u0021-\u007e]/.test(written)) {
    const international = /[^\u0000-\u007f]/.test(written);
    const fix = international ? "write it in punycode (xn--…)" : "remove spaces and control characters";
    return bad(`${shown} has characters that no host name has`, fix);
  }
  const name = written.toLowerCase();
  if (/^[0-9.]+$/.test(name) || name.includes("[") || /:.*:/.test(name)) {
    return bad(`${shown} is an address`, "use a host name, or remove the host to match all");
  }
  if (name.includes(":")) return bad(`${shown} has a port`, "remove the port: all listeners serve all hosts");
  if (name.endsWith(".")) return bad(`${shown} ends with a dot`, "remove the dot at the end");
  const wildcard = name.startsWith("*.");
  const labels = (wildcard ? name.slice(2) : name).split(".");
  if (labels.some((label) => label.includes("*"))) {
    return bad(`${shown} has a wildcard elsewhere than as its whole first label`, 'write it as "*.example.org"');
  }
  if (!labels.every((label) => LABEL.test(label))) {
    return bad(`${shown} is no host name`, "use labels of letters, digits and '-', at most 63 characters each");
  }
  return { kind: "host", name };
}

/** The key a host is built under: its name, or for what is no host name a key that no request can have. */
export function hostKey(written: string): string {
  const parsed = parseHost(written);
  return parsed.kind === "host" ? parsed.name : `!${shortHash(written)}`;
}

/** Whether the key is of something that is no host name: there are only problems to build. */
export function isBadHostKey(key: string): boolean {
  return key.startsWith("!");
}

/** "*.example.org" for "www.example.org"; null where there is no label left. */
export function wildcardOf(name: string): string | null {
  const dot = name.indexOf(".");
  return dot <= 0 || name.startsWith("*") ? null : `*${name.slice(dot)}`;
}

/** Whether a certificate's name (exact, or wildcard of one label) covers a host. */
export function covers(certificateNames: readonly string[], host: string): boolean {
  const wildcard = wildcardOf(host);
  return certificateNames.includes(host) || (wildcard !== null && certificateNames.includes(wildcard));
}

/** A Host header as the data plane reads it: lower case, without port and trailing dot; whole where the port is none. */
export function requestHost(header: string): string {
  const bracketed = /^\[[^\]]*\]/.exec(header);
  const name = bracketed === null ? (header.split(":")[0] ?? "") : bracketed[0];
  if (!/^(:[0-9]*)?$/.test(header.slice(name.length))) return header.toLowerCase();
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}

function bad(message: string, fix: string): ParsedHost {
  return { kind: "bad", message, fix };
}
