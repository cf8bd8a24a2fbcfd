// auth-tls-*: which certificates the clients of a host must show. What is read here is of one Ingress; the handshake is
// of the whole host, see model/client-policy.ts.

import type { ClientPolicy } from "../edge-model.ts";
import { patternFault } from "../expressions.ts";
import { type Draft, type Entry, first, readFlag, shown } from "./annotation-values.ts";

export interface ClientCertificateWish {
  /** "<namespace>/<name>" of the Secret with ca.crt. */
  readonly secret: string;
  readonly verify: ClientPolicy["verify"];
  readonly depth: number;
  /** A PCRE that the subject must match, "" for any. */
  readonly match: string;
  /** A URL, "" for none. */
  readonly errorPage: string;
  readonly pass: boolean;
}

const NAMES = [
  "auth-tls-secret",
  "auth-tls-verify-client",
  "auth-tls-verify-depth",
  "auth-tls-match-cn",
  "auth-tls-error-page",
  "auth-tls-pass-certificate-to-upstream",
];
const VERIFY = ["on", "optional", "optional_no_ca"] as const;
/** One digit of the policy's name. */
const DEPTH_MAX = 9;
const MATCH_LENGTH_MAX = 1024;
const URL_LENGTH_MAX = 2048;

/** What an Ingress of `namespace` asks for; null: nothing; "closed": values that cannot be used. */
export function readClientCertificates(draft: Draft, namespace: string): ClientCertificateWish | "closed" | null {
  const [any] = NAMES.flatMap((name) => first(draft, name) ?? []);
  if (any === undefined) return null;
  const verify = readVerify(draft);
  if (verify === "off") return null;
  const faults = draft.closing.length;
  const wish = {
    secret: readSecret(draft, namespace, any),
    verify,
    depth: readDepth(draft),
    match: readMatch(draft),
    errorPage: readErrorPage(draft),
    pass: readFlag(draft, "auth-tls-pass-certificate-to-upstream", false) ?? false,
  };
  return draft.closing.length > faults ? "closed" : wish;
}

function readVerify(draft: Draft): ClientPolicy["verify"] | "off" {
  const entry = first(draft, "auth-tls-verify-client");
  const value = entry?.value.trim() ?? "on";
  const known = VERIFY.find((word) => word === value);
  if (known !== undefined || entry === null) return known ?? "on";
  if (value === "off") return "off";
  const message = `${shown(entry.value)} is none of its words: it counts as on`;
  draft.invalid.push({ key: entry.key, message, fix: `write "off" or one of ${VERIFY.join(", ")}` });
  return "on";
}

function readSecret(draft: Draft, namespace: string, any: Entry): string {
  const entry = first(draft, "auth-tls-secret");
  const [, space = namespace, name] =
    /^(?:([-a-z0-9]{1,63})\/)?([-a-z0-9.]{1,253})$/.exec(entry?.value.trim() ?? "") ?? [];
  if (name !== undefined && space === namespace) return `${space}/${name}`;
  const fault =
    entry === null
      ? "needs auth-tls-secret, which is missing"
      : `${shown(entry.value)} is no Secret of namespace ${namespace}`;
  close(draft, entry ?? any, fault, "name a Secret with ca.crt beside the Ingress in auth-tls-secret");
  return "";
}

function readDepth(draft: Draft): number {
  const entry = first(draft, "auth-tls-verify-depth");
  const depth = Number(entry?.value.trim() ?? "1");
  if (entry === null || (Number.isInteger(depth) && depth >= 1 && depth <= DEPTH_MAX)) return depth;
  close(
    draft,
    entry,
    `${shown(entry.value)} is no number from 1 to ${DEPTH_MAX}`,
    "write how many authorities may stand in a row",
  );
  return 1;
}

function readMatch(draft: Draft): string {
  const entry = first(draft, "auth-tls-match-cn");
  const pattern = entry?.value.trim() ?? "";
  if (entry === null) return "";
  const fix = 'write a regular expression for the subject, like "CN=(alice|bob)(,|$)"';
  if (pattern === "") close(draft, entry, "is empty", fix);
  else if (pattern.length > MATCH_LENGTH_MAX) close(draft, entry, `is longer than ${MATCH_LENGTH_MAX} characters`, fix);
  else if (/[^ -~]/.test(pattern)) close(draft, entry, `${shown(pattern)} has a character that is not ASCII`, fix);
  else {
    const fault = patternFault(pattern);
    if (fault !== null) close(draft, entry, `${shown(pattern)} cannot be used: ${fault.what}`, fault.fix);
  }
  return pattern;
}

function readErrorPage(draft: Draft): string {
  const entry = first(draft, "auth-tls-error-page");
  const url = entry?.value.trim() ?? "";
  if (entry === null) return "";
  if (/^https?:\/\/[a-z0-9[]/i.test(url) && !/[^!-~]|["<>\\^`{|}$]/.test(url) && url.length <= URL_LENGTH_MAX)
    return url;
  close(draft, entry, `${shown(url)} is no http or https URL`, 'write one like "https://www.example.org/certificates"');
  return "";
}

function close(draft: Draft, { key }: Entry, fault: string, fix: string): void {
  draft.closing.push({ key, message: `${fault}: its routes answer 503`, fix });
}
