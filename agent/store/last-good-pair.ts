// What a Secret keeps when it becomes unusable.

import type { Secret } from "../objects/objects.ts";

/** A Secret that was a key pair and is none any more keeps the pair: its hosts go on with the certificate they had. */
export function withLastGoodPair(secret: Secret, before: Secret | undefined): Secret {
  if (secret.keyPair.kind === "good" || before?.keyPair.kind !== "good") return secret;
  return { ...secret, keyPair: before.keyPair, refused: secret.keyPair };
}
