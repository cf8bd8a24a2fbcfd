// Key pairs for tests.

import { generate } from "selfsigned";

export interface TestPair {
  readonly certificate: string;
  readonly key: string;
}

/** A self-signed pair; `commonName` tells it apart in answers, `names` are what it is for. */
export async function makePair(commonName: string, names: readonly string[]): Promise<TestPair> {
  const made = await generate([{ name: "commonName", value: commonName }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: names.map((value) => ({ type: 2 as const, value })) }],
  });
  return { certificate: made.cert, key: made.private };
}
