// A change in the cluster reaches the next request: real API server, agent, nginx and backends.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openLan } from "../edges/lan.ts";
import { type Cluster, startCluster } from "../kube/cluster.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { makePair } from "./support/certificates.ts";
import { startClusterEdge } from "./support/cluster-edge.ts";
import { type Edge, HTTP_PORT } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, namespace, service, slice, tlsSecret } from "./support/objects.ts";
import { openWebSocket } from "./support/websocket.ts";

let cluster: Cluster;
let edge: Edge;
let one: Backend;
let two: Backend;

before(async () => {
  cluster = await startCluster({ address: openLan().gateway });
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  await cluster.apply(namespace());
  await cluster.apply(service("web"));
  await cluster.apply(slice("web", [one]));
  edge = await startClusterEdge("spine", cluster);
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
  await cluster?.stop();
});

test("a new Ingress serves: 404 before, 200 after, nothing else between, and no reload", async () => {
  const host = "new.example.test";
  assert.equal((await edge.ask({ host })).status, 404);
  const seen: number[] = [];
  const applied = cluster.apply(ingress({ name: "new", host, paths: [{ path: "/", service: "web" }] }));
  await eventually("200", async () => {
    const { status } = await edge.ask({ host });
    if (seen.at(-1) !== status) seen.push(status);
    return status === 200;
  });
  await applied;
  assert.ok(["200", "404,200"].includes(seen.join()), seen.join());
  assert.equal((await edge.status()).reloads.total, 0);
});

test("what the backend gets: host, address of the client, scheme, a request id, and nothing a client made up", async () => {
  const answer = await edge.ask({
    host: "NEW.example.test:80",
    path: "/a%20b?x=%2F",
    headers: {
      "x-forwarded-for": "6.6.6.6",
      "x-real-ip": "6.6.6.6",
      "x-forwarded-proto": "https",
      forwarded: "for=6.6.6.6",
    },
  });
  const { headers, url } = JSON.parse(answer.body) as { headers: Record<string, string>; url: string }; // our backend's JSON
  const client = openLan().gateway;
  assert.equal(url, "/a%20b?x=%2F");
  assert.deepEqual(
    {
      host: headers["host"],
      for: headers["x-forwarded-for"],
      real: headers["x-real-ip"],
      proto: headers["x-forwarded-proto"],
      forwarded: headers["forwarded"],
    },
    { host: "new.example.test", for: client, real: client, proto: "http", forwarded: undefined },
  );
  assert.match(headers["x-request-id"] ?? "", /^\d+-[\d.]+-\d+-\d+$/);
});

test("an endpoint change is seen at once, and the removed endpoint never answers again", async () => {
  const host = "new.example.test";
  const answers: string[] = [];
  let asking = true;
  const prober = (async () => {
    while (asking) answers.push(await edge.who({ host }));
  })();
  await eventually("some answers", () => answers.length > 5);
  await cluster.apply(slice("web", [two]));
  await eventually("two answers", () => answers.includes("two"));
  const after = answers.length;
  await eventually("more answers", () => answers.length > after + 50);
  asking = false;
  await prober;
  const first = answers.indexOf("two");
  assert.ok(!answers.slice(first).includes("one"), answers.slice(first).join());
  assert.ok(
    answers.every((answer) => answer === "one" || answer === "two"),
    [...new Set(answers)].join(),
  );
  await cluster.apply(slice("web", [one, two]));
  await eventually("both serve", async () => {
    const who = await Promise.all([1, 2, 3, 4].map(() => edge.who({ host })));
    return new Set(who).size === 2;
  });
});

test("no endpoints and a missing Service are 503, and status says which Service of which Ingress", async () => {
  const host = "broken.example.test";
  await cluster.apply(
    ingress({
      name: "broken",
      host,
      paths: [
        { path: "/empty", service: "empty" },
        { path: "/missing", service: "missing" },
        { path: "/port", service: "web", port: 81 },
        { path: "/good", service: "web", port: "http" },
      ],
    }),
  );
  await cluster.apply(service("empty"));
  await eventually("the good path serves", async () => (await edge.ask({ host, path: "/good" })).status === 200);
  for (const path of ["/empty", "/missing", "/port"]) assert.equal((await edge.ask({ host, path })).status, 503, path);
  assert.equal((await edge.ask({ host, path: "/other" })).status, 404);
  const problems = await eventually("problems are told", async () => {
    const { problems: told } = await edge.status();
    return ["service-missing", "service-port-missing", "no-endpoints"].every((code) =>
      told.some((p) => p.code === code),
    )
      ? told
      : null;
  });
  const missing = problems.find((problem) => problem.code === "service-missing");
  assert.match(`${missing?.object} ${missing?.message}`, /shop\/broken.*missing/s);
  assert.ok(problems.every((problem) => problem.fix !== ""));
  await cluster.remove(ingress({ name: "broken", host, paths: [] }));
  await eventually("it is gone", async () => (await edge.ask({ host, path: "/good" })).status === 404);
});

test("TLS by server name, rotated without a reload; http is redirected, but never for ACME", async () => {
  const host = "tls.example.test";
  await cluster.apply(tlsSecret("tls", await makePair("first", [host])));
  await cluster.apply(
    ingress({
      name: "tls",
      host,
      paths: [{ path: "/", service: "web" }],
      tls: [{ hosts: [host], secretName: "tls" }],
    }),
  );
  await eventually(
    "the certificate is there",
    async () => (await edge.ask({ host, tls: true })).certificate === "first",
  );
  const redirect = await edge.ask({ host, path: "/a%20b/?c=d" });
  assert.deepEqual([redirect.status, redirect.headers.location], [308, `https://${host}/a%20b/?c=d`]);
  assert.equal((await edge.ask({ host, path: "/.well-known/acme-challenge/token" })).status, 200);
  assert.equal((await edge.ask({ host: "other.example.test", tls: true })).certificate, "Headgate default certificate");
  await cluster.apply(tlsSecret("tls", await makePair("second", [host])));
  await eventually("the new certificate", async () => (await edge.ask({ host, tls: true })).certificate === "second");
  assert.equal((await edge.status()).reloads.total, 0);
});

test("a Secret that is no key pair any more is named, and the host keeps the certificate it had", async () => {
  await cluster.apply(tlsSecret("tls", { certificate: "no certificate", key: "no key" }));
  const problem = await eventually("the problem is told", async () =>
    (await edge.status()).problems.find((told) => told.code === "secret-invalid"),
  );
  assert.match(problem.message, /shop\/tls.*the one before it stays in use/);
  assert.equal((await edge.ask({ host: "tls.example.test", tls: true })).certificate, "second");
});

test("a restricting annotation that is not served closes its route, and nothing else", async () => {
  for (const [name, annotation] of [
    ["guarded", "nginx.ingress.kubernetes.io/auth-url"],
    ["misspelt", "nginx.ingress.kubernetes.io/whitelist-source-rage"],
  ] as const) {
    const host = `${name}.example.test`;
    await cluster.apply(
      ingress({ name, host, paths: [{ path: "/", service: "web" }], annotations: { [annotation]: "10.0.0.0/8" } }),
    );
    const seen = new Set<number>();
    await eventually("503", async () => {
      const { status } = await edge.ask({ host });
      seen.add(status);
      return status === 503;
    });
    assert.ok(!seen.has(200), `${name} was open`);
    const problem = await eventually("the problem is told", async () =>
      (await edge.status()).problems.find((told) => told.object === `Ingress shop/${name}`),
    );
    assert.equal(problem.code, "annotation-closes-route");
    assert.match(problem.message + problem.field, new RegExp(annotation.split("/")[1] ?? ""));
  }
  assert.equal((await edge.ask({ host: "new.example.test" })).status, 200);
});

test("the older Ingress has the path; when it goes, the younger one serves", async () => {
  const host = "conflict.example.test";
  const old = ingress({ name: "z-old", host, paths: [{ path: "/", service: "web" }] });
  await cluster.apply(old);
  await eventually("the old one serves", async () => (await edge.ask({ host })).status === 200);
  // creationTimestamp counts whole seconds; the younger one must be younger by that clock.
  const second = Math.floor(Date.now() / 1000);
  await eventually("the next second", () => Math.floor(Date.now() / 1000) > second + 1);
  await cluster.apply(ingress({ name: "a-young", host, paths: [{ path: "/", service: "none" }] }));
  await eventually("the loser is told", async () =>
    (await edge.status()).problems.some((p) => p.code === "path-conflict" && p.object === "Ingress shop/a-young"),
  );
  assert.equal((await edge.ask({ host })).status, 200);
  const explained = await edge.explain("GET", `http://${host}/x`);
  assert.equal(explained.answer.kind, "proxy");
  assert.ok(explained.candidates.some((c) => c.object.includes("a-young") && c.lost !== null));
  await cluster.remove(old);
  await eventually("the young one serves", async () => (await edge.ask({ host })).status === 503);
});

test("Ingresses of other classes are left alone", async () => {
  const host = "foreign.example.test";
  await cluster.apply(ingress({ name: "foreign", host, className: "traefik", paths: [{ path: "/", service: "web" }] }));
  await cluster.apply(
    ingress({ name: "ours", host: "ours.example.test", className: "nginx", paths: [{ path: "/", service: "web" }] }),
  );
  await eventually("ours serves", async () => (await edge.ask({ host: "ours.example.test" })).status === 200);
  assert.equal((await edge.ask({ host })).status, 404);
});

test("a WebSocket lives on while the endpoints under it change", async () => {
  const host = "new.example.test";
  const socket = await openWebSocket(edge.machine.address, HTTP_PORT, host);
  await socket.echo("before");
  for (let i = 0; i < 20; i++) await cluster.apply(slice("web", i % 2 === 0 ? [two] : [one, two]));
  await socket.echo("after");
  assert.equal(socket.closed(), false);
  socket.close();
  assert.equal((await edge.status()).reloads.total, 0);
});
