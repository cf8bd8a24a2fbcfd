// Key pairs for tests.

import { generate } from "selfsigned";

export interface TestPair {
  readonly certificate: string;
  readonly key: string;
}

/** PEM; made once and used again where making it would take long. */
export interface KeyText {
  readonly publicKey: string;
  readonly privateKey: string;
}

/**
 * A self-signed pair; `commonName` tells it apart in answers, `names` are what it is for. Its key is a new one on P-256
 * unless an RSA key is told.
 */
export async function makePair(commonName: string, names: readonly string[], rsaKey?: KeyText): Promise<TestPair> {
  const made = await generate([{ name: "commonName", value: commonName }], {
    ...(rsaKey === undefined ? { keyType: "ec", curve: "P-256" } : { keyType: "rsa", keyPair: rsaKey }),
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: names.map((value) => ({ type: 2 as const, value })) }],
  });
  return { certificate: made.cert, key: made.private };
}
