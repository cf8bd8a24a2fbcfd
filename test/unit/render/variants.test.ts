import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { variantOf } from "../../../agent/render/variants.ts";

const NOTHING = {
  bodyBytesMax: null,
  buffering: null,
  requestBuffering: null,
  bufferKb: null,
} as const;
const name = (base: string, change: object, grpc = false): string | undefined =>
  variantOf(base, grpc, { transfer: { ...NOTHING, ...change }, intercept: null })?.name;

describe("variants of profiles", () => {
  test("are named by what is in them", () => {
    const all = { bodyBytesMax: 8_388_608, buffering: true, requestBuffering: false, bufferKb: 16 };
    assert.equal(name("http", all), "http-b8m-o1-r0-h16");
    assert.equal(name("grpcs", all, true), "grpcs-b8m-h16");
    assert.equal(name("grpc", { buffering: true }, true), undefined);
    assert.equal(name("http", {}), undefined);
    const longest = { bodyBytesMax: 1000 * 1024 ** 3, buffering: true, requestBuffering: true, bufferKb: 128 };
    assert.ok((name("https-0123456789a", longest)?.length ?? 99) <= 64);
  });

  test("have few limits: what is usual exactly, else the next one, else none", () => {
    const limit = (bodyBytesMax: number): string | undefined => name("http", { bodyBytesMax });
    const MB = 1024 * 1024;
    assert.equal(limit(0), "http-b0");
    assert.equal(limit(1), "http-b64k");
    for (const mb of [1, 8, 10, 50, 100]) assert.equal(limit(mb * MB), `http-b${mb}m`);
    assert.equal(limit(7 * MB), "http-b8m");
    assert.equal(limit(100 * MB + 1), "http-b128m");
    assert.equal(limit(1024 * MB), "http-b1g");
    assert.equal(limit(1024 ** 5), "http-b0");
  });
});
