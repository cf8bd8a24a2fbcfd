// ca.crt of a Secret: what certificates of backends are held against. It becomes a file of nginx, and one that OpenSSL
// cannot read would keep nginx from every new configuration.

import { X509Certificate } from "node:crypto";

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
