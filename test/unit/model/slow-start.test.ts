import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { renderBackend, type BackendValue } from "../../../agent/render/documents.ts";
import { endpoint, ingress, path, rule, service, SETTINGS, slice, storeOf } from "./objects.ts";

/** The field of the backend's document, and what is said of the annotation. */
function made(said: string | null): { readonly seconds: number | undefined; readonly told: readonly string[] } {
  const web = service("shop/web");
  const annotations = said === null ? {} : { "headgate.dev/slow-start": said };
  const store = storeOf([
    { ...web, meta: { ...web.meta, annotations } },
    slice("shop/web-1", "web", [endpoint("10.0.0.1")]),
    ingress("shop/web", { rules: [rule("a.example", path("/"))] }),
  ]);
  const { backends, problems } = buildBackends(store, SETTINGS, "shop/web");
  const [backend] = backends;
  assert.ok(backend !== undefined);
  const value = JSON.parse(renderBackend(backend).text) as BackendValue; // our own text
  return { seconds: value.slow_start_s, told: problems.map(({ code, message }) => `${code}: ${message}`) };
}

describe("slow start of a Service", () => {
  test("is in seconds or minutes, and 0 says none", () => {
    for (const [said, seconds] of [
      ["30s", 30],
      ["30", 30],
      [" 2m ", 120],
      ["0s", 0],
      ["60m", 3600],
    ] as const) {
      assert.deepEqual(made(said), { seconds, told: [] }, said);
    }
  });

  test("leaves the document as it was where nothing is said", () => {
    assert.deepEqual(made(null), { seconds: undefined, told: [] });
  });

  test("is the configuration's where it is no time, and its owner is told", () => {
    for (const said of ["", "fast", "-1s", "1h", "61m", "3601s", "1.5s"]) {
      const { seconds, told } = made(said);
      assert.equal(seconds, undefined, said);
      assert.match(told[0] ?? "", /^annotation-invalid: ".*" is no time up to an hour/);
    }
  });
});
