// ca.crt of a Secret: what certificates of backends are held against. It becomes a file of nginx, and one that OpenSSL
// cannot read would keep nginx from every new configuration.

import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { ClientTrust } from "../objects/objects.ts";

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const AUTHORITIES_MAX = 100;

/** The certificates, each written anew in PEM; null where there are none, too many, or one that cannot be read. */
export function readAuthorities(pem: string): string | null {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0 || blocks.length > AUTHORITIES_MAX) return null;
  // A beginning without an end is a certificate that somebody counts on.
  if (blocks.length !== (pem.match(/-----BEGIN /g) ?? []).length) return null;
  try {
    return blocks.map((block) => new X509Certificate(block).toString()).join("");
  } catch {
    return null;
  }
}

const LIST = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g;
const LISTS_MAX = 100;

/**
 * The lists of revoked certificates that go with authorities, each written anew in PEM, and what tells both from any
 * others. Null where there is no list in the text, or one that OpenSSL cannot read: it would keep nginx from every new
 * configuration.
 */
export function readClientTrust(authorities: string, revocations: string | null): ClientTrust | null {
  const lists = revocations === null ? null : readLists(revocations);
  if (lists === null && revocations !== null) return null;
  const digest = createHash("sha256")
    .update(authorities)
    .update("\n")
    .update(lists ?? "")
    .digest("hex");
  return { revocations: lists, digest };
}

function readLists(pem: string): string | null {
  const blocks = [...pem.matchAll(LIST)];
  if (blocks.length === 0 || blocks.length > LISTS_MAX) return null;
  if (blocks.length !== (pem.match(/-----BEGIN /g) ?? []).length) return null;
  try {
    return blocks.map(([, body = ""]) => checkedList(body)).join("");
  } catch {
    return null;
  }
}

function checkedList(body: string): string {
  const lines =
    Buffer.from(body, "base64")
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const crl = `-----BEGIN X509 CRL-----\n${lines.join("\n")}\n-----END X509 CRL-----\n`;
  createSecureContext({ ca: [], crl });
  return crl;
}
