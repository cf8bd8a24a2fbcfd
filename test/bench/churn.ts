// Nothing fails and nothing reloads while endpoints, routes and certificates change under load.

import { setTimeout as delay } from "node:timers/promises";
import { type TestPair, makePair } from "../e2e/support/certificates.ts";
import { HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, NAMESPACE, type PathSpec, tlsSecret } from "../e2e/support/objects.ts";
import { type OpenSocket, openWebSocket } from "../e2e/support/websocket.ts";
import type { KubeObject } from "../kube/paths.ts";
import { workersOf } from "./support/data-plane-state.ts";
import { KeepAliveClient, type Target } from "./support/keep-alive-client.ts";
import { gate, type Result, rounded, told } from "./support/result.ts";
import { change, ECHO, setEndpoints, type Stage, WEB } from "./support/stage.ts";

export interface ChurnOptions {
  readonly endpoints: number;
  readonly routes: number;
  readonly certificates: number;
}

const WEBSOCKETS = 200;
const HOST = "churn.example.test";
const TLS_HOST = "churn-tls.example.test";
const SECRET = "churn";
const PAIRS = 5;
const HTTP_CLIENTS = 8;
const TLS_CLIENTS = 6;
const PAUSE_MS = 2;
const ASKED_MIN = 500;

export async function measureChurn(stage: Stage, options: ChurnOptions): Promise<Result> {
  const pairs = await Promise.all(Array.from({ length: PAIRS }, (_, index) => makePair(`pair-${index}`, [TLS_HOST])));
  await prepare(stage, pairs);
  const sockets = await openSockets(stage);
  const before = await workersOf(stage.edge);
  const load = new Load(stage);
  const started = performance.now();
  let seconds = 0;
  try {
    await changeEverything(stage, options, pairs);
    seconds = (performance.now() - started) / 1000;
  } finally {
    await load.stop();
  }
  const silent = await countSilent(sockets);
  for (const socket of sockets) socket.close();
  const after = await workersOf(stage.edge);
  const reloads = (await stage.edge.status()).reloads.total;
  const changes = `${options.endpoints} endpoint, ${options.routes} route and ${options.certificates} certificate changes`;
  const first = load.failures[0];
  return {
    title: "Changes under load",
    method: [
      `${HTTP_CLIENTS} HTTP/1.1 and ${TLS_CLIENTS} TLS clients ask on kept connections every ${PAUSE_MS} ms, one more makes a new TLS connection each time, and ${WEBSOCKETS} WebSockets are open.`,
      "The changes are made one after the other as fast as the API server takes them, and each kind is seen to have arrived at the end.",
      "Reloads are counted by the workers of nginx and the generation of the configuration each of them runs.",
    ],
    figures: [
      told(
        "changes each second",
        `${rounded((options.endpoints + options.routes + options.certificates) / seconds)} (${changes} in ${rounded(seconds)} s)`,
      ),
      told("requests each second meanwhile", rounded(load.asked / seconds)),
    ],
    gates: [
      gate(
        "no reload",
        before === after && reloads === 0,
        `${reloads} reloads over ${changes}; workers ${before === after ? "unchanged" : `changed from ${before} to ${after}`}`,
      ),
      gate(
        "no failed request",
        load.failures.length === 0 && load.asked >= ASKED_MIN,
        `${load.failures.length} failed of ${load.asked} requests over ${changes}${first === undefined ? "" : `; first: ${first}`}`,
      ),
      gate("every WebSocket lives", silent === 0, `${silent} of ${WEBSOCKETS} did not echo at the end`),
    ],
  };
}

async function prepare(stage: Stage, pairs: readonly TestPair[]): Promise<void> {
  const { cluster, edge } = stage;
  await setEndpoints(cluster, WEB, [stage.one, stage.two]);
  await cluster.apply(tlsSecret(SECRET, pairOf(pairs, 0)));
  const paths = [
    { path: "/", service: WEB },
    { path: "/socket", service: ECHO },
  ];
  await cluster.apply(ingress({ name: "churn", host: HOST, paths }));
  await cluster.apply(routes(0));
  const tls = [{ hosts: [TLS_HOST], secretName: SECRET }];
  await cluster.apply(ingress({ name: "churn-tls", host: TLS_HOST, paths: [{ path: "/", service: WEB }], tls }));
  await eventually("both hosts serve", async () => {
    const plain = await edge.ask({ host: HOST });
    const secured = await edge.ask({ host: TLS_HOST, tls: true });
    return plain.status === 200 && secured.status === 200 && secured.certificate === "pair-0";
  });
}

async function openSockets(stage: Stage): Promise<readonly OpenSocket[]> {
  const sockets: OpenSocket[] = [];
  for (let index = 0; index < WEBSOCKETS; index++) {
    const socket = await openWebSocket(stage.edge.machine.address, HTTP_PORT, HOST, "/socket");
    await socket.echo(`before ${index};`);
    sockets.push(socket);
  }
  return sockets;
}

async function countSilent(sockets: readonly OpenSocket[]): Promise<number> {
  const echoes = await Promise.allSettled(sockets.map((socket, index) => socket.echo(`after ${index};`)));
  return echoes.filter((echo) => echo.status === "rejected").length;
}

/** Spreads the rarer kinds evenly between the endpoint changes; then waits until the last of each kind is served. */
async function changeEverything(stage: Stage, options: ChurnOptions, pairs: readonly TestPair[]): Promise<void> {
  const { cluster, edge } = stage;
  const made = { routes: 0, certificates: 0 };
  const { one, two, echo } = stage;
  for (let index = 1; index <= options.endpoints; index++) {
    const share = index / options.endpoints;
    // The sockets' own Service changes too: an endpoint that goes must not take open sockets along.
    if (index % 10 === 0) await setEndpoints(cluster, ECHO, index % 20 === 0 ? [echo] : [one]);
    else await setEndpoints(cluster, WEB, [[one], [two], [one, two]][index % 3] ?? []);
    for (; made.routes < Math.floor(options.routes * share); made.routes++) await changeRoutes(stage, made.routes + 1);
    for (; made.certificates < Math.floor(options.certificates * share); made.certificates++) {
      const { data } = tlsSecret(SECRET, pairOf(pairs, made.certificates + 1)) as KubeObject & { data: unknown }; // as `tlsSecret` makes it
      await change(cluster, "PATCH", `/api/v1/namespaces/${NAMESPACE}/secrets/${SECRET}`, { data });
    }
  }
  await setEndpoints(cluster, WEB, [two]);
  await eventually("the last endpoint change", async () => (await edge.ask({ host: HOST })).body === two.name);
  const last = `/route-${options.routes + 1}`;
  await eventually("the last route change", async () => {
    const { candidates } = await edge.explain("GET", `http://${HOST}${last}`);
    return candidates.some((candidate) => candidate.lost === null && candidate.path === last);
  });
  const pair = `pair-${options.certificates % PAIRS}`;
  await eventually(
    "the last certificate",
    async () => (await edge.ask({ host: TLS_HOST, tls: true })).certificate === pair,
  );
}

async function changeRoutes(stage: Stage, index: number): Promise<void> {
  const { spec } = routes(index) as KubeObject & { spec: unknown }; // as `ingress` makes it
  await change(stage.cluster, "PATCH", `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses/churn-routes`, {
    spec,
  });
}

/** Each index adds a path, takes one away, and gives the one that stays another Service. */
function routes(index: number): KubeObject {
  const paths: PathSpec[] = [
    { path: "/changing", service: index % 2 === 0 ? WEB : ECHO },
    { path: `/route-${index}`, service: WEB },
    { path: `/route-${index + 1}`, service: WEB, pathType: index % 3 === 0 ? "Exact" : "Prefix" },
  ];
  return ingress({ name: "churn-routes", host: HOST, paths });
}

function pairOf(pairs: readonly TestPair[], index: number): TestPair {
  const pair = pairs[index % PAIRS];
  if (pair === undefined) throw new Error("no such pair");
  return pair;
}

/** Clients that ask until they are stopped. Anything but 200 is a failure. */
class Load {
  asked = 0;
  readonly failures: string[] = [];
  #running = true;
  readonly #loops: Promise<void>[] = [];

  constructor(stage: Stage) {
    const start = (count: number, target: Target, host: string, fresh: boolean): void => {
      for (let index = 0; index < count; index++) this.#loops.push(this.#ask(target, host, fresh));
    };
    start(HTTP_CLIENTS, stage.http, HOST, false);
    start(TLS_CLIENTS, stage.https, TLS_HOST, false);
    start(1, stage.https, TLS_HOST, true);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #ask(target: Target, host: string, fresh: boolean): Promise<void> {
    const client = new KeepAliveClient(target);
    while (this.#running) {
      this.asked += 1;
      try {
        const { status } = await client.ask(host, `/stays/${this.asked}`);
        if (status !== 200) this.failures.push(`${host}: status ${status}`);
      } catch (error) {
        this.failures.push(`${host}: ${String(error)}`);
      }
      if (fresh) client.close();
      await delay(PAUSE_MS);
    }
    client.close();
  }
}
