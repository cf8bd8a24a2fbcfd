// nginx with Lua alone, inside a machine: no agent, so that what a push costs and what a document takes is nginx's own.
// The last line of output is JSON.
//   data-plane-program.ts change BACKENDS   what one changed endpoint costs the workers, among so many backends
//   data-plane-program.ts memory BACKENDS   what so many backends take

import { readdirSync, readFileSync } from "node:fs";
import { Agent, createServer, request, type Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { Lines } from "../../lua/support/documents.ts";
import { TestNginx } from "../../lua/support/nginx.ts";
import type { Line } from "../../lua/support/push.ts";
import { KeepAliveClient } from "./keep-alive-client.ts";
import { median } from "./statistics.ts";

export interface ChangeCost {
  /** Microseconds of all workers for a push of one changed backend, without what they need anyway. */
  readonly pushUs: number;
  /** The same with the next request to that backend, without what a request costs that finds nothing changed. */
  readonly seenUs: number;
}

export interface MemoryUse {
  /** Bytes of shared memory for each backend. */
  readonly dictBytes: number;
  /** Bytes of a worker that has asked every backend, for each backend: resident, and what Lua holds after a collection. */
  readonly residentBytes: number;
  readonly luaBytes: number;
}

const PEERS = 10;
const PEER_PORT = 8000;
const ROUNDS = 9;
const CHANGES = 60;
const IDLE_MS = 3000;
const PIECE_BYTES_MAX = 256 * 1024;
const CLIENTS = 16;
const DICTS = { documentsDictMb: 512, view: { versionsDictMb: 64, workerConnections: 4096 } };
const SHARED = "bench/shared/80";
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

type PeersOf = (index: number) => readonly string[];

/** Whose connections are kept, so that a request costs little. */
function samePeers(): readonly string[] {
  return ownPeers(0);
}

/** No two backends share an address: text that is equal is one text in Lua. */
function ownPeers(index: number): readonly string[] {
  const at = index * PEERS;
  return Array.from({ length: PEERS }, (_, peer) => {
    const host = at + peer;
    return `127.${1 + Math.floor(host / 62_500)}.${Math.floor(host / 250) % 250}.${1 + (host % 250)}:${PEER_PORT}`;
  });
}

function hostOf(index: number): string {
  return `host-${index}.example.test`;
}

function backendOf(index: number): string {
  return `bench/service-${index}/80`;
}

/** On the connection that is kept, as the agent does; throws unless every line was applied. */
function push(nginx: TestNginx, lines: readonly Line[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { socketPath: nginx.pushSocket, method: "PUT", path: "/v1/documents", agent };
  const outgoing = request(options, (incoming) => {
    let answer = "";
    incoming.setEncoding("utf8").on("data", (text: string) => (answer += text));
    incoming.on("end", () => {
      const bad = answer.split("\n").find((line) => line !== "" && line !== '{"result":"applied"}');
      if (bad === undefined && incoming.statusCode === 200) resolve();
      else reject(new Error(`push: ${incoming.statusCode} ${bad}`));
    });
  });
  outgoing.on("error", reject);
  outgoing.end(lines.map((line) => `${JSON.stringify({ schema: 1, ...line })}\n`).join(""));
  return promise;
}

async function pushAll(nginx: TestNginx, lines: readonly Line[]): Promise<void> {
  let piece: Line[] = [];
  let bytes = 0;
  for (const line of lines) {
    const length = JSON.stringify(line).length + 16;
    if (bytes + length > PIECE_BYTES_MAX) {
      await push(nginx, piece);
      piece = [];
      bytes = 0;
    }
    piece.push(line);
    bytes += length;
  }
  await push(nginx, piece);
}

/** A host and a route for each, to a backend of its own with these peers, or (null) to one that all share; backends come first. */
function documents(lines: Lines, count: number, peersOf: PeersOf | null): readonly Line[] {
  const indexes = Array.from({ length: count }, (_, index) => index);
  const backends =
    peersOf === null
      ? [lines.backend(SHARED, samePeers())]
      : indexes.map((index) => lines.backend(backendOf(index), peersOf(index)));
  const keyOf = (index: number): string => (peersOf === null ? SHARED : backendOf(index));
  const routes = indexes.map((index) => lines.route(`bench/host-${index}/all`, keyOf(index)));
  const hosts = indexes.map((index) => lines.host(hostOf(index), { "/": `bench/host-${index}/all` }));
  return [...backends, ...routes, ...hosts];
}

/** `keep`: connections stay; to thousands of peers they would be memory too. */
async function startPeers(keep: boolean): Promise<Server> {
  const server = createServer((_request, response) => {
    response.shouldKeepAlive = keep;
    response.end("answer");
  });
  server.keepAliveTimeout = 3_600_000;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(PEER_PORT, "0.0.0.0", resolve);
  await promise;
  return server;
}

async function askEach(nginx: TestNginx, indexes: readonly number[]): Promise<void> {
  const next = indexes.values();
  const loop = async (): Promise<void> => {
    const client = new KeepAliveClient({ address: "127.0.0.1", port: nginx.http, tls: false });
    for (const index of next) {
      const { status } = await client.ask(hostOf(index), "/");
      if (status !== 200) throw new Error(`${hostOf(index)} answers ${status}`);
    }
    client.close();
  };
  await Promise.all(Array.from({ length: Math.min(CLIENTS, indexes.length) }, loop));
}

async function workersOf(nginx: TestNginx): Promise<readonly number[]> {
  return (await nginx.push.state()).workers.map(({ pid }) => pid);
}

function cpuUs(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    }
  }
  return ns / 1000;
}

/** Microseconds of the workers for each millisecond in which nobody asks. */
async function idleCost(workers: readonly number[]): Promise<number> {
  const begin = performance.now();
  const before = cpuUs(workers);
  await delay(IDLE_MS);
  return (cpuUs(workers) - before) / (performance.now() - begin);
}

/** Microseconds of the workers for each call, without what they need anyway. */
async function costOf(
  workers: readonly number[],
  idle: number,
  call: (index: number) => Promise<void>,
): Promise<number> {
  const begin = performance.now();
  const before = cpuUs(workers);
  for (let index = 0; index < CHANGES; index++) await call(index);
  const spent = cpuUs(workers) - before;
  return (spent - idle * (performance.now() - begin)) / CHANGES;
}

async function change(count: number): Promise<ChangeCost> {
  await using nginx = await TestNginx.start({ workers: 2, ...DICTS });
  const lines = new Lines();
  await pushAll(nginx, documents(lines, count, samePeers));
  const workers = await workersOf(nginx);
  const client = new KeepAliveClient({ address: "127.0.0.1", port: nginx.http, tls: false });
  const at = (index: number): number => (index * 7919) % count;
  let changes = 0;
  const pushOne = async (index: number): Promise<void> => {
    changes += 1; // one endpoint goes, or comes back
    await push(nginx, [lines.backend(backendOf(at(index)), samePeers().slice(changes % 2))]);
  };
  const askOne = async (index: number): Promise<void> => {
    const { status } = await client.ask(hostOf(at(index)), "/");
    if (status !== 200) throw new Error(`${hostOf(at(index))} answers ${status}`);
  };
  const both = async (index: number): Promise<void> => {
    await pushOne(index);
    await askOne(index);
  };
  for (let index = 0; index < 500; index++) await both(index); // decodes hosts and routes, compiles
  const idle = await idleCost(workers);
  const cost = { push: [] as number[], seen: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    cost.push.push(await costOf(workers, idle, pushOne));
    await costOf(workers, idle, askOne); // takes in what was pushed
    cost.seen.push((await costOf(workers, idle, both)) - (await costOf(workers, idle, askOne)));
  }
  client.close();
  return { pushUs: median(cost.push), seenUs: median(cost.seen) };
}

interface Used {
  readonly dict: number;
  readonly resident: number;
  readonly lua: number;
}

async function used(count: number, peersOf: PeersOf | null): Promise<Used> {
  await using nginx = await TestNginx.start({ workers: 1, reach: true, ...DICTS });
  await pushAll(nginx, documents(new Lines(), count, peersOf));
  await askEach(
    nginx,
    Array.from({ length: count }, (_, index) => index),
  );
  const { memory, workers } = await nginx.push.state();
  const status = readFileSync(`/proc/${workers[0]?.pid}/status`, "utf8");
  const kb = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  const lua = await nginx.reach('collectgarbage() collectgarbage() ngx.print(collectgarbage("count"))');
  const dict = Object.values(memory).reduce((sum, { capacity, free }) => sum + capacity - free, 0);
  return { dict, resident: Number(kb) * 1024, lua: Number(lua) * 1024 };
}

async function memoryUse(count: number): Promise<MemoryUse> {
  const shared = await used(count, null);
  const own = await used(count, ownPeers);
  const each = (of: keyof Used): number => (own[of] - shared[of]) / count;
  return { dictBytes: each("dict"), residentBytes: each("resident"), luaBytes: each("lua") };
}

const [mode = "", count = ""] = process.argv.slice(2);
const peers = await startPeers(mode === "change");
const result = mode === "change" ? await change(Number(count)) : await memoryUse(Number(count));
peers.close();
agent.destroy();
process.stdout.write(`${JSON.stringify(result)}\n`);
