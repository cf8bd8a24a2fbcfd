import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildHost } from "../../../agent/model/build-host.ts";
import { renderRoute, type RouteValue, USUAL_ROUTE_DEFAULTS } from "../../../agent/render/documents.ts";
import { ingress, path, rule, service, SETTINGS, storeOf } from "./objects.ts";

const DEFAULTS = {
  timeouts: { connect_ms: 5000, send_ms: 60_000, read_ms: 60_000 },
  retry: { tries: 3, timeout_ms: 0 },
};

/** The document of a route whose Ingress has these annotations, and what is said of them. */
function made(annotations: Readonly<Record<string, string>>): {
  readonly times: Pick<RouteValue, "timeouts" | "retry">;
  readonly told: readonly string[];
} {
  const web = ingress("shop/web", { rules: [rule("a.example", path("/"))] });
  const named = Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
  );
  const store = storeOf([service("shop/web"), { ...web, meta: { ...web.meta, annotations: named } }]);
  const { routes, problems } = buildHost(store, SETTINGS, "a.example");
  const [route] = routes;
  assert.ok(route !== undefined && route.closed === null);
  const value = JSON.parse(renderRoute(route, { ...USUAL_ROUTE_DEFAULTS, ...DEFAULTS }).text) as RouteValue; // our own text
  const about = problems.filter(({ code }) => code === "annotation-invalid" || code === "annotation-unsupported");
  return {
    times: { timeouts: value.timeouts, retry: value.retry },
    told: about.map(({ severity, message, fix }) => `${severity}: ${message}; ${fix}`),
  };
}

describe("times and tries of a route", () => {
  test("are those of the configuration where nothing is said", () => {
    assert.deepEqual(made({}), { times: DEFAULTS, told: [] });
  });

  test("are those of its Ingress, in seconds there and milliseconds here", () => {
    const { times, told } = made({
      "proxy-connect-timeout": "2",
      "proxy-send-timeout": "3",
      "proxy-read-timeout": " 3600 ",
      "proxy-next-upstream-tries": "1",
      "proxy-next-upstream-timeout": "10",
    });
    assert.deepEqual(told, []);
    assert.deepEqual(times, {
      timeouts: { connect_ms: 2000, send_ms: 3000, read_ms: 3_600_000 },
      retry: { tries: 1, timeout_ms: 10_000 },
    });
    const one = made({ "proxy-read-timeout": "7" }).times;
    assert.deepEqual(one, { ...DEFAULTS, timeouts: { ...DEFAULTS.timeouts, read_ms: 7000 } });
  });

  test("no limit of tries is as many as there can be, and `off` is one", () => {
    assert.equal(made({ "proxy-next-upstream-tries": "0" }).times.retry.tries, 100);
    const off = made({ "proxy-next-upstream": "off", "proxy-next-upstream-tries": "5" });
    assert.deepEqual([off.times.retry.tries, off.told], [1, []]);
  });

  test("what is no number, and conditions, are told and change nothing", () => {
    const bad: Readonly<Record<string, string>> = {
      "proxy-connect-timeout": "5s",
      "proxy-send-timeout": "-1",
      "proxy-read-timeout": "0",
      "proxy-next-upstream": "error http_502",
      "proxy-next-upstream-timeout": "1e3",
      "proxy-next-upstream-tries": "",
    };
    const { times, told } = made(bad);
    assert.deepEqual(times, DEFAULTS);
    assert.equal(told.length, Object.keys(bad).length, told.join("\n"));
    assert.deepEqual(
      told.filter((text) => text.startsWith("warning")),
      [
        'warning: "error http_502" is not used: the conditions are those of the configuration; set `proxy.retryOn` in the configuration file for all routes and remove it, or write "off"',
      ],
    );
    for (const text of told) assert.match(text, /^(error|warning): ".*; (write|set) /);
  });
});
