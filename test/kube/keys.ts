// Keys of a test cluster, by openssl: an authority, the API server's certificate, the key that signs service accounts.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const CURVE = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const DAYS = "30";

/** Writes ca.crt, ca.key, server.crt, server.key (for `address`, loopback and localhost) and service-account.key, .pub. */
export async function makeClusterKeys(dir: string, address: string): Promise<void> {
  const openssl = (...argv: string[]) => run("openssl", argv, { cwd: dir });
  await Promise.all(
    ["ca.key", "server.key", "service-account.key"].map((out) => openssl("genpkey", ...CURVE, "-out", out)),
  );
  const names = `subjectAltName=IP:${address},IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc`;
  writeFileSync(join(dir, "server.ext"), `${names}\nextendedKeyUsage=serverAuth\n`);
  await Promise.all([
    openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test authority", "-days", DAYS, "-out", "ca.crt"),
    openssl("pkey", "-in", "service-account.key", "-pubout", "-out", "service-account.pub"),
    openssl("req", "-new", "-key", "server.key", "-subj", "/CN=kube-apiserver", "-out", "server.csr"),
  ]);
  const signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS, "-extfile", "server.ext"];
  await openssl("x509", "-req", "-in", "server.csr", ...signer, "-out", "server.crt");
}
