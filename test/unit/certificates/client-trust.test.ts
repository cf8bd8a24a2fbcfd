import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readAuthorities, readClientTrust } from "../../../agent/certificates/authorities.ts";
import { Authority } from "../../lua/support/authority.ts";

describe("what goes with authorities of clients", () => {
  let authority: Authority;
  let list = "";
  before(() => {
    authority = new Authority("one");
    list = authority.revocations();
  });
  after(() => authority[Symbol.dispose]());

  test("is a digest of all that a certificate is verified by, however it is written", () => {
    const pem = readAuthorities(`text\n${authority.certificate}`) ?? "";
    const plain = readClientTrust(pem, null);
    assert.equal(plain?.revocations, null);
    assert.match(plain?.digest ?? "", /^[0-9a-f]{64}$/);
    const listed = readClientTrust(pem, `text\n${list.replaceAll("\n", "\r\n")}`);
    assert.equal(listed?.revocations, list);
    assert.notEqual(listed?.digest, plain?.digest);
    assert.notEqual(readClientTrust(`${pem}${pem}`, null)?.digest, plain?.digest);
    assert.equal(readClientTrust(pem, list)?.digest, listed?.digest);
  });

  test("is nothing where a list cannot be read: it may have revoked somebody", () => {
    const block = (text: string): string => `-----BEGIN X509 CRL-----\n${text}\n-----END X509 CRL-----\n`;
    for (const bad of [
      "",
      "no PEM",
      authority.certificate,
      block("AAAA"),
      block("A===A"),
      block(""),
      `${list}${block("AAAA")}`,
      list.replace(/-----END[^]*/, ""),
      list.replace(/\n.{20}/, "\n"),
      `${list}-----BEGIN X509 CRL-----\n`,
    ]) {
      assert.equal(readClientTrust(authority.certificate, bad), null, JSON.stringify(bad.slice(0, 60)));
    }
  });
});
