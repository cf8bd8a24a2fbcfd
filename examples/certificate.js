// Writes a TLS Secret with a new self-signed certificate to standard output. Usage: certificate.js NAMESPACE/NAME HOST...

import { generate } from "selfsigned";

const [target = "", ...hosts] = process.argv.slice(2);
const [namespace, name] = target.split("/");
const pair = await generate([{ name: "commonName", value: hosts[0] }], {
  keySize: 2048,
  algorithm: "sha256",
  notAfterDate: new Date(Date.now() + 30 * 24 * 3600 * 1000),
  extensions: [{ name: "subjectAltName", altNames: hosts.map((value) => ({ type: 2, value })) }],
});
const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { namespace, name },
  type: "kubernetes.io/tls",
  stringData: { "tls.crt": pair.cert, "tls.key": pair.private },
};
process.stdout.write(`${JSON.stringify(secret, null, 2)}\n`);
