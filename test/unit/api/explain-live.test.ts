import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLive, type LiveAnswer } from "../../../agent/api/explain-live.ts";
import { serverNameOf } from "../../../agent/model/match.ts";
import { backend, builtHost, decide, model, route } from "./support.ts";

const HOST = "shop.example.org";
const MODEL = model(
  [
    builtHost(HOST, [
      route(HOST, "web"),
      route(HOST, null, { path: "/closed", key: "shop/closed/1", closed: { reason: "auth-url is not served" } }),
    ]),
  ],
  [backend("web", 2)],
);
const AGREES: LiveAnswer = {
  action: "proxy",
  status: null,
  reason: null,
  host: HOST,
  route: `shop/${HOST}/web`,
  backend: "shop/web/80",
  peers: ["10.0.0.2:8080", "10.0.0.1:8080"],
};

function differences(text: string, live: LiveAnswer): readonly (readonly [string, string, string])[] {
  const url = new URL(text);
  const input = {
    method: "GET",
    url,
    target: text.slice(text.indexOf("/", 8)),
    model: MODEL,
    decide,
    serverNameOf,
    httpsPort: 443,
    staleSince: null,
  };
  return compareLive(input, live).map(({ what, model: ours, nginx, hint }) => {
    assert.notEqual(hint, "");
    return [what, ours, nginx];
  });
}

test("agrees whatever the order of the peers", () => {
  assert.deepEqual(differences(`http://${HOST}/`, AGREES), []);
});

test("names peers, target, route and host that differ", () => {
  const other: LiveAnswer = { ...AGREES, host: "*.example.org", route: "shop/x/1", backend: "shop/api/80", peers: [] };
  assert.deepEqual(differences(`http://${HOST}/`, other), [
    ["host", HOST, "*.example.org"],
    ["route", `shop/${HOST}/web`, "shop/x/1"],
    ["target", "shop/web/80", "shop/api/80"],
    ["peers", "10.0.0.1:8080 10.0.0.2:8080", ""],
  ]);
});

test("names another action with nginx's own reason", () => {
  const refuses: LiveAnswer = { ...AGREES, action: "answer", status: 503, reason: "backend is missing", peers: [] };
  assert.deepEqual(differences(`http://${HOST}/`, refuses), [["action", "proxy", "answer 503"]]);
  const redirects: LiveAnswer = { ...AGREES, action: "redirect", status: 308, peers: [] };
  assert.deepEqual(differences(`http://${HOST}/closed`, { ...redirects, route: "shop/closed/1" }), [
    ["action", "answer 503", "redirect 308"],
  ]);
});

test("a request that both refuse has no host to compare", () => {
  const bad: LiveAnswer = {
    ...AGREES,
    action: "answer",
    status: 400,
    host: null,
    route: null,
    backend: null,
    peers: [],
  };
  assert.deepEqual(differences(`http://${HOST}/../x`, bad), []);
  const none: LiveAnswer = { ...bad, status: 404 };
  assert.deepEqual(differences("http://nobody.example.org/", none), []);
});

test("peers of IPv6 are the same with and without brackets", () => {
  const peers = [{ address: "2001:db8::1", port: 8080, weight: 1 }];
  const six = model([builtHost(HOST, [route(HOST, "web")])], [backend("web", 0, { peers })]);
  const url = new URL(`http://${HOST}/`);
  const input = { method: "GET", url, target: "/", model: six, decide, serverNameOf, httpsPort: 443 };
  for (const peer of ["[2001:db8::1]:8080", "2001:db8::1:8080"]) {
    assert.deepEqual(compareLive({ ...input, staleSince: null }, { ...AGREES, peers: [peer] }), []);
  }
});
