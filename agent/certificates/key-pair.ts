// What tls.crt and tls.key of a Secret hold. The API server lets everything through here, so this is the only look.

import { createPrivateKey, KeyObject, X509Certificate } from "node:crypto";
import type { KeyPair } from "../objects/objects.ts";
import { errorText } from "../lib/errors.ts";

const CERTIFICATE_FIELD = 'data["tls.crt"]';
const KEY_FIELD = 'data["tls.key"]';
const CERTIFICATE_BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
// Not past the next beginning: thousands of them without an end would cost each other.
const KEY_BLOCK = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(?:(?!-----BEGIN)[\s\S])+?-----END \1-----/;

/** A chain has the leaf and a few intermediates; more than this is a bundle of something else. */
const CHAIN_LENGTH_MAX = 16;
/** The data plane's limits, with room for JSON's escapes. */
const CERTIFICATE_LENGTH_MAX = 200_000;
const NAMES_MAX = 1_000;
/** What a host can be equal to; other names would only travel along. */
const DNS_NAME = /^[a-z0-9*_.-]{1,253}$/;
/** OpenSSL refuses shorter ones at the security level of Debian, and would fail each handshake instead. */
const RSA_BITS_MIN = 2048;

/**
 * Looks into a key pair: PEM chain, leaf first, and its private key. Every failure is a bad key pair with field,
 * message and fix; nothing throws. Validity in time is not judged here (it changes), nor which hosts are covered.
 */
export function inspectKeyPair(certificate: string, key: string): KeyPair {
  if (certificate.length > CERTIFICATE_LENGTH_MAX || key.length > CERTIFICATE_LENGTH_MAX) {
    const field = certificate.length > CERTIFICATE_LENGTH_MAX ? CERTIFICATE_FIELD : KEY_FIELD;
    return bad(field, `is longer than ${CERTIFICATE_LENGTH_MAX} characters`, "keep the key pair and its chain only");
  }
  const blocks = certificate.match(CERTIFICATE_BLOCK) ?? [];
  if (blocks.length === 0) {
    return bad(CERTIFICATE_FIELD, "holds no PEM certificate", "put the certificate and its chain there, as PEM");
  }
  if (blocks.length > CHAIN_LENGTH_MAX) {
    const message = `holds ${blocks.length} certificates, more than ${CHAIN_LENGTH_MAX}`;
    return bad(CERTIFICATE_FIELD, message, "keep the leaf and its intermediates only");
  }
  const chain = parseChain(blocks);
  if (!Array.isArray(chain)) return chain;
  const [leaf, ...rest] = chain;
  if (leaf === undefined) return bad(CERTIFICATE_FIELD, "holds no PEM certificate", "put the certificate there");
  const keyBlock = KEY_BLOCK.exec(key);
  if (keyBlock === null) return bad(KEY_FIELD, "holds no PEM private key", "put the private key there, as PEM");
  const privateKey = parseKey(keyBlock[0]);
  if (!(privateKey instanceof KeyObject)) return privateKey;
  const mismatch = checkKey(leaf, rest, privateKey);
  if (mismatch !== null) return mismatch;
  return {
    kind: "good",
    // Only the blocks: text around them is of no use and may not be UTF-8.
    certificate: `${blocks.join("\n")}\n`,
    key: `${keyBlock[0]}\n`,
    names: namesOf(leaf),
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    fingerprint: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
    ...(privateKey.asymmetricKeyType === undefined ? {} : { keyType: privateKey.asymmetricKeyType }),
  };
}

function parseChain(blocks: readonly string[]): X509Certificate[] | KeyPair {
  const chain: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(block));
    } catch (thrown) {
      const which = `certificate ${index + 1} of ${blocks.length}`;
      return bad(CERTIFICATE_FIELD, `${which} cannot be read (${errorText(thrown)})`, "replace it by a whole one");
    }
  }
  return chain;
}

function parseKey(block: string): KeyObject | KeyPair {
  if (block.includes("ENCRYPTED")) {
    const fix = "store it without passphrase: `openssl pkey -in tls.key -out plain.key`";
    return bad(KEY_FIELD, "is encrypted with a passphrase", fix);
  }
  try {
    return createPrivateKey(block);
  } catch (thrown) {
    return bad(KEY_FIELD, `cannot be read (${errorText(thrown)})`, "replace it by a whole PEM private key");
  }
}

function checkKey(leaf: X509Certificate, rest: readonly X509Certificate[], key: KeyObject): KeyPair | null {
  if (!leaf.checkPrivateKey(key)) {
    if (rest.some((certificate) => certificate.checkPrivateKey(key))) {
      const fix = "put the certificate of the key first, then its issuers";
      return bad(CERTIFICATE_FIELD, "does not start with the certificate that belongs to the key", fix);
    }
    return bad(
      KEY_FIELD,
      "does not belong to the certificate in tls.crt",
      "store the key the certificate was made for",
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (key.asymmetricKeyType === "rsa" && bits !== undefined && bits < RSA_BITS_MIN) {
    const fix = `make a new key with at least ${RSA_BITS_MIN} bits and a certificate for it`;
    return bad(KEY_FIELD, `is an RSA key of ${bits} bits, which OpenSSL refuses`, fix);
  }
  return null;
}

// Common names count only where there is no subjectAltName at all (RFC 6125 6.4.4).
function namesOf(leaf: X509Certificate): readonly string[] {
  const names = new Set<string>();
  const alternative = leaf.subjectAltName;
  if (alternative !== undefined) {
    for (const match of alternative.matchAll(/(?:^|, )DNS:("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
      names.add((match[1] ?? "").replaceAll('"', "").toLowerCase());
    }
  } else {
    const common = /(?:^|\n)CN=([^\n]+)/.exec(leaf.subject ?? "");
    if (common?.[1] !== undefined) names.add(common[1].toLowerCase());
  }
  return [...names]
    .filter((name) => DNS_NAME.test(name))
    .sort()
    .slice(0, NAMES_MAX);
}

function bad(field: string, message: string, fix: string): KeyPair {
  return { kind: "bad", field, message, fix };
}
