import assert from "node:assert/strict";
import { test } from "node:test";
import { configurationReason, documentsDictMb } from "../../../agent/plan/plan-configuration.ts";
import { wish } from "../../support/nginx-wish.ts";

test("an equal wish needs no reload", () => {
  assert.equal(configurationReason(wish, structuredClone(wish)), null);
});

test("a reload has the names of what changed as its reason", () => {
  const listeners = [{ address: "0.0.0.0", port: 81, tls: false }];
  assert.equal(
    configurationReason(wish, { ...wish, listeners, clientMaxBodyMb: 2 }),
    "clientMaxBodyMb, listeners changed",
  );
  assert.equal(configurationReason(null, wish), "first configuration");
});

test("the dict grows in powers of two and never shrinks", () => {
  assert.equal(documentsDictMb(0, 0), 32);
  assert.equal(documentsDictMb(8 * 1024 * 1024, 32), 32);
  assert.equal(documentsDictMb(8 * 1024 * 1024 + 1, 32), 64);
  assert.equal(documentsDictMb(100 * 1024 * 1024, 32), 512);
  assert.equal(documentsDictMb(0, 128), 128);
});
