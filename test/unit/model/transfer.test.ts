import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Policy, readPolicy } from "../../../agent/model/ingress/policy.ts";

function policy(annotations: Readonly<Record<string, string>>): Policy {
  const named = Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]);
  return readPolicy(Object.fromEntries(named) as Record<string, string>, "shop"); // pairs of strings
}

const NOTHING = { kind: "transfer", bodyBytesMax: null, buffering: null, requestBuffering: null, bufferKb: null };

describe("how bodies go through", () => {
  test("is as the configuration has it where nothing is said", () => {
    assert.equal(policy({}).transfer, null);
    assert.equal(policy({ "proxy-body-size": " ", "proxy-buffering": "" }).transfer, null);
  });

  test("sizes are written as for nginx", () => {
    const bytes = (value: string): unknown => {
      const { transfer, invalid } = policy({ "proxy-body-size": value });
      assert.deepEqual(invalid, [], value);
      return transfer?.bodyBytesMax;
    };
    assert.deepEqual(["0", "1", "8M", "64k", "2g", " 5b "].map(bytes), [0, 1, 8_388_608, 65_536, 2_147_483_648, 5]);
  });

  test("a value that cannot be used is told, and the configuration's holds", () => {
    for (const value of ["8 m", "-1", "1.5m", "8mb", "all", "9999999g", "0x10"]) {
      const { transfer, invalid } = policy({ "proxy-body-size": value, "proxy-buffering": "on" });
      assert.deepEqual(transfer, { ...NOTHING, buffering: true }, value);
      assert.match(invalid[0]?.message ?? "", /is no size: the limit is that of the configuration$/);
    }
    const { transfer, invalid } = policy({ "proxy-buffering": "yes", "proxy-request-buffering": "Off" });
    assert.deepEqual(transfer, { ...NOTHING, requestBuffering: false });
    assert.match(invalid[0]?.message ?? "", /"yes" is neither on nor off/);
  });

  test("buffers are the next power of two, up to 128k", () => {
    const kb = (value: string): unknown => policy({ "proxy-buffer-size": value }).transfer?.bufferKb;
    assert.deepEqual(["1k", "4k", "5k", "16384", "17k", "128k", "1m"].map(kb), [4, 4, 8, 16, 32, 128, 128]);
    assert.match(policy({ "proxy-buffer-size": "1m" }).invalid[0]?.message ?? "", /more than 128k: that is used/);
  });
});
