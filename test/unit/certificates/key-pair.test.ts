import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { before, describe, test } from "node:test";
import { generate } from "selfsigned";
import { inspectKeyPair } from "../../../agent/certificates/key-pair.ts";
import type { KeyPair } from "../../../agent/objects/objects.ts";

interface Made {
  readonly cert: string;
  readonly private: string;
}
const ec = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
const names = (...values: string[]): { name: "subjectAltName"; altNames: { type: 2; value: string }[] } => ({
  name: "subjectAltName",
  altNames: values.map((value) => ({ type: 2, value })),
});

function bad(found: KeyPair): string {
  assert.equal(found.kind, "bad", JSON.stringify(found));
  return found.kind === "bad" ? `${found.field} ${found.message} -> ${found.fix}` : "";
}

describe("inspecting a key pair", () => {
  let leaf: Made;
  let other: Made;
  let short: Made;
  let common: Made;
  before(async () => {
    const notBeforeDate = new Date("2026-01-01T00:00:00Z");
    const notAfterDate = new Date("2027-01-01T00:00:00Z");
    const subject = [{ name: "commonName", value: "Not.Used" }];
    const extensions = [names("b.example", "*.A.example", "a.example")];
    leaf = await generate(subject, { ...ec, notBeforeDate, notAfterDate, extensions });
    other = await generate([{ name: "commonName", value: "other" }], { ...ec, extensions: [names("other.example")] });
    short = await generate(subject, { keySize: 1024, algorithm: "sha256", extensions });
    common = await generate([{ name: "commonName", value: "Common.Example" }], {
      ...ec,
      extensions: [{ name: "basicConstraints", cA: false }],
    });
  });

  test("a good one gives names, dates, fingerprint, and the PEM blocks without the text around them", () => {
    const found = inspectKeyPair(`Bag Attributes: x\n${leaf.cert}\nmore text\n${other.cert}`, `text\n${leaf.private}`);
    assert.ok(found.kind === "good", JSON.stringify(found));
    assert.deepEqual(found.names, ["*.a.example", "a.example", "b.example"]);
    assert.equal(found.notBefore, Date.parse("2026-01-01T00:00:00Z"));
    assert.equal(found.notAfter, Date.parse("2027-01-01T00:00:00Z"));
    assert.match(found.fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(found.keyType, "ec");
    assert.doesNotMatch(found.certificate, /text|Bag/);
    assert.equal(
      new X509Certificate(found.certificate).fingerprint256.replaceAll(":", "").toLowerCase(),
      found.fingerprint,
    );
    assert.equal(found.certificate.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(createPrivateKey(found.key).asymmetricKeyType, "ec");
  });

  test("the common name counts only without subjectAltName", () => {
    const found = inspectKeyPair(common.cert, common.private);
    const text = new X509Certificate(common.cert).subjectAltName;
    assert.deepEqual(found.kind === "good" && found.names, text === undefined ? ["common.example"] : []);
  });

  test("a key of another certificate is named as such, and a chain in the wrong order too", () => {
    assert.match(
      bad(inspectKeyPair(leaf.cert, other.private)),
      /^data\["tls\.key"\] does not belong to the certificate/,
    );
    const wrongOrder = `${other.cert}\n${leaf.cert}`;
    assert.match(
      bad(inspectKeyPair(wrongOrder, leaf.private)),
      /^data\["tls\.crt"\] does not start with .* -> put the/,
    );
  });

  test("what is no PEM, cut off, encrypted, too short or too long is refused by field", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const passphrase = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
    const encrypted = privateKey.export(passphrase).toString();
    const traditional = privateKey.export({ ...passphrase, type: "sec1" }).toString();
    const cut = leaf.cert.replace(/[A-Za-z0-9+/]{60}/, "");
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ["", leaf.private, /tls\.crt"\] holds no PEM certificate/],
      ["hello", leaf.private, /tls\.crt"\] holds no PEM certificate/],
      [leaf.private, leaf.cert, /tls\.crt"\] holds no PEM certificate/],
      [cut, leaf.private, /tls\.crt"\] certificate 1 of 1 cannot be read/],
      [`${leaf.cert}\n${cut}`, leaf.private, /tls\.crt"\] certificate 2 of 2 cannot be read/],
      [leaf.cert.repeat(17), leaf.private, /tls\.crt"\] holds 17 certificates/],
      [leaf.cert, "", /tls\.key"\] holds no PEM private key/],
      [leaf.cert, leaf.cert, /tls\.key"\] holds no PEM private key/],
      [leaf.cert, leaf.private.replace(/[A-Za-z0-9+/]{40}/, ""), /tls\.key"\] cannot be read/],
      [leaf.cert, encrypted, /tls\.key"\] is encrypted/],
      [leaf.cert, traditional, /tls\.key"\] is encrypted/],
      [short.cert, short.private, /tls\.key"\] is an RSA key of 1024 bits/],
      ["x".repeat(300_000), leaf.private, /tls\.crt"\] is longer/],
    ];
    for (const [certificate, key, message] of cases) assert.match(bad(inspectKeyPair(certificate, key)), message);
  });
});
