// The certificate a handshake gets when nobody gave one for its name: self-signed, made once per edge.

import { join } from "node:path";
import { readFileIfThere, writeFileAtomic } from "../lib/files.ts";

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

const DAYS = 3650;

/** Paths of the PEM files in `folder`; makes them where they are missing. Throws what the file system throws. */
export async function ensureSelfSigned(folder: string): Promise<CertificateFiles> {
  const files = { certificate: join(folder, "default.crt"), key: join(folder, "default.key") };
  const [certificate, key] = await Promise.all([readFileIfThere(files.certificate), readFileIfThere(files.key)]);
  if (certificate !== null && key !== null) return files;
  // Loaded here and not at the top: needed once in an edge's life, and it costs a tenth of a second.
  const { generate } = await import("selfsigned");
  const notAfterDate = new Date();
  notAfterDate.setDate(notAfterDate.getDate() + DAYS);
  const made = await generate([{ name: "commonName", value: "Headgate default certificate" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notAfterDate,
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "headgate.invalid" }] }],
  });
  await writeFileAtomic(files.key, made.private, { mode: 0o640 });
  await writeFileAtomic(files.certificate, made.cert);
  return files;
}
