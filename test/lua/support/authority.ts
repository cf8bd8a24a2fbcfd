// An authority for certificates of clients, made with openssl: good ones, expired ones, revoked ones.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { KeyPairText } from "./certificates.ts";

const CONFIGURATION = `
[ca]
default_ca = this
[this]
new_certs_dir = .
database = index.txt
serial = serial
crlnumber = serial
private_key = ca.key
certificate = ca.crt
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
`;

export class Authority implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "headgate-ca-"));
  /** PEM. */
  readonly certificate: string;

  constructor(name: string) {
    writeFileSync(join(this.#folder, "ca.cnf"), CONFIGURATION);
    writeFileSync(join(this.#folder, "index.txt"), "");
    writeFileSync(join(this.#folder, "serial"), "1000\n");
    this.#openssl("req", "-x509", "-new", ...newKey("ca.key"), "-days", "30", "-subj", `/CN=${name}`, "-out", "ca.crt");
    this.certificate = this.#read("ca.crt");
  }

  /** A certificate for a client: `subject` like "/O=Shop/CN=alice". */
  issue(subject: string, { expired = false, revoked = false } = {}): KeyPairText {
    this.#openssl("req", "-new", ...newKey("client.key"), "-subj", subject, "-out", "client.csr");
    const dates = expired ? ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"] : ["-days", "10"];
    this.#ca(...dates, "-in", "client.csr", "-out", "client.crt", "-notext");
    if (revoked) this.#ca("-revoke", "client.crt");
    return { certificate: this.#read("client.crt"), key: this.#read("client.key") };
  }

  /** The list of what is revoked now. PEM. */
  revocations(): string {
    this.#ca("-gencrl", "-out", "crl.pem");
    return this.#read("crl.pem");
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #ca(...args: readonly string[]): void {
    this.#openssl("ca", "-config", "ca.cnf", "-batch", ...args);
  }

  #openssl(...args: readonly string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: "pipe" });
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), "utf8");
  }
}

function newKey(file: string): readonly string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file];
}
