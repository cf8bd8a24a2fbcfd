// Key pairs of each type, made with openssl. An RSA key is made once: it takes a second.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface KeyPairText {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

let rsaKey: string | null = null;

/** A self-signed certificate for one name, with a key of its own (EC) or one that all share (RSA). */
export function keyPair(name: string, type: "ec" | "rsa"): KeyPairText {
  const folder = mkdtempSync(join(tmpdir(), "headgate-pair-"));
  try {
    const key = join(folder, "key");
    const certificate = join(folder, "crt");
    writeFileSync(key, type === "ec" ? newEcKey() : (rsaKey ??= newRsaKey()));
    const args = ["req", "-x509", "-new", "-key", key, "-days", "30", "-subj", `/CN=${name}`, "-out", certificate];
    execFileSync("openssl", [...args, "-addext", `subjectAltName=DNS:${name}`], { stdio: "pipe" });
    return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function newEcKey(): string {
  const args = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
}

function newRsaKey(): string {
  const args = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
  return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
}
