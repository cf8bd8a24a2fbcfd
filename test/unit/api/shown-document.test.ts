import assert from "node:assert/strict";
import { test } from "node:test";
import { shownValue } from "../../../agent/api/shown-document.ts";
import { renderCertificate, renderUsers } from "../../../agent/render/documents.ts";

test("private keys and password hashes are not shown", () => {
  const certificate = renderCertificate({
    key: "shop/tls",
    certificate: "CERTIFICATE",
    privateKey: "PRIVATE",
    names: ["a.example"],
    notBefore: 0,
    notAfter: 1000,
    fingerprint: "ab",
  });
  assert.deepEqual(shownValue(certificate), { fingerprint: "ab", names: ["a.example"], not_after: 1 });
  const users = renderUsers({ key: "shop/users/auth-file", users: new Map([["ann", "{PLAIN}secret"]]) });
  assert.deepEqual(shownValue(users), { count: 1 });
});
