// A real, small Kubernetes for tests: etcd, kube-apiserver and (unless told) kube-controller-manager, on free ports,
// with everything they write in memory. No nodes: nothing runs Pods.
//
//   const cluster = await startCluster();
//   await cluster.apply({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", ... });
//   await cluster.stop();

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "../edges/cleanup.ts";
import { scratchName, sweepLeftovers } from "../edges/lan.ts";
import { ensureEtcd, ensureKubeBinaries, type Etcd, type EtcdVersion } from "./build.ts";
import { makeClusterKeys } from "./keys.ts";
import { objectPath, type KubeObject } from "./paths.ts";
import { startProgram, type Program } from "./program.ts";

export interface ClusterOptions {
  /** 3.5 (Debian 13: WatchList works) unless told; 3.4 (Debian 12) answers it with an error event. */
  readonly etcd?: EtcdVersion;
  /** Where the API server listens: loopback, or `openLan().gateway` for agents inside machines. */
  readonly address?: string;
  /** False: no endpointslice, garbage collection and namespace controllers, half a second and 80 MB less. */
  readonly controllers?: boolean;
  /** Further users beside `admin`: each gets a token, `cluster.kubeconfigFor(name)`. */
  readonly users?: readonly ClusterUser[];
  readonly apiserverFlags?: readonly string[];
  /** Another API server than the pinned one; it takes `apiserverFlags` alone beside those of every version. */
  readonly apiserver?: string;
}

export interface ClusterUser {
  readonly name: string;
  readonly groups: readonly string[];
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON; a string when it is none. */
  readonly body: unknown;
}

export interface Cluster {
  /** https://address:port */
  readonly url: string;
  /** Path of a kubeconfig with the admin's token and everything else inline. */
  readonly kubeconfig: string;
  /** In memory; readable from a machine with `binds: ["ro:" + cluster.dir]`. */
  readonly dir: string;
  /** PEM of the authority that signed the API server's certificate. */
  readonly authority: string;
  readonly token: string;
  readonly apiserverPid: () => number;
  /** Path of a kubeconfig for one of `users`. */
  kubeconfigFor(user: string): string;
  /** As admin. Any status is an answer; a dead server is an exception. */
  request(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Server-side apply with force; throws with the server's message when it is refused. Returns the stored object. */
  apply(object: KubeObject): Promise<KubeObject>;
  /** Deletes; fine when it is not there. */
  remove(object: KubeObject): Promise<void>;
  /** Stops the API server from answering while its connections stay open. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** Ends it (SIGKILL: as a crash) and leaves the port closed. */
  stopApiServer(): Promise<void>;
  /** After stopApiServer, or instead of it: ends it if it runs, starts it on the same port, waits until it is ready. */
  restartApiServer(): Promise<void>;
  /** Copies etcd's data. API server and etcd are down for that moment. */
  backup(): Promise<void>;
  /** Puts the copy of `backup` back and starts both on it: everything since is gone, and versions go back. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const ADMIN: ClusterUser = { name: "admin", groups: ["system:masters"] };
const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "endpoints-controller",
  "endpointslice-controller",
  "endpointslice-mirroring-controller",
  "namespace-controller",
  "garbage-collector-controller",
  "serviceaccount-controller",
  "root-ca-certificate-publisher-controller",
];

/** Starts a cluster and waits until it is ready (3 to 5 s once the binaries are cached). */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const [binaries, etcd] = await Promise.all([ensureKubeBinaries(), ensureEtcd(options.etcd)]);
  sweepLeftovers();
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const dir = mkdtempSync(join(parent, scratchName("cluster")) + "-");
  const programs: Program[] = [];
  const undo = onProcessEnd(() => rmSync(dir, { recursive: true, force: true }));
  const stop = async (): Promise<void> => {
    await Promise.all(programs.map((program) => program.kill("SIGKILL")));
    rmSync(dir, { recursive: true, force: true });
    undo();
  };
  try {
    const address = options.address ?? "127.0.0.1";
    const [etcdPort, peerPort, port] = await freePorts(address);
    const data = superviseEtcd(() => startEtcd(dir, etcd, etcdPort, peerPort), programs);
    await makeClusterKeys(dir, address);
    const url = `https://${address}:${port}`;
    const users = [ADMIN, ...(options.users ?? [])];
    const tokens = writeUsers(dir, url, users);
    const flags = [...apiserverFlags(dir, address, port, etcdPort), ...(options.apiserverFlags ?? [])];
    const start = (): Program => startProgram(APISERVER_NAME, [options.apiserver ?? binaries.apiserver, ...flags], dir);
    const client = connectAdmin(dir, address, port, tokens.get(ADMIN.name) ?? "");
    const server = await superviseApiServer(start, client.request, programs);
    if (options.controllers !== false) {
      programs.push(
        startProgram("kube-controller-manager", [binaries.controllerManager, ...controllerFlags(dir)], dir),
      );
    }
    return {
      url,
      dir,
      kubeconfig: kubeconfigPath(dir, ADMIN.name),
      authority: readFileSync(join(dir, "ca.crt"), "utf8"),
      token: tokens.get(ADMIN.name) ?? "",
      kubeconfigFor: (user) => kubeconfigPath(dir, user),
      ...client,
      ...server,
      ...backups(dir, data, server),
      stop: async () => {
        client.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const APISERVER_NAME = "kube-apiserver";

type Request = Cluster["request"];
type ServerControl = Pick<
  Cluster,
  "apiserverPid" | "pauseApiServer" | "resumeApiServer" | "stopApiServer" | "restartApiServer"
>;

async function superviseApiServer(start: () => Program, request: Request, programs: Program[]): Promise<ServerControl> {
  let server = start();
  programs.push(server);
  await untilReady(request, server);
  return {
    apiserverPid: () => server.pid,
    pauseApiServer: () => server.signal("SIGSTOP"),
    resumeApiServer: () => server.signal("SIGCONT"),
    stopApiServer: () => server.kill("SIGKILL"),
    restartApiServer: async () => {
      await server.kill("SIGKILL");
      server = start();
      programs.push(server);
      await untilReady(request, server);
    },
  };
}

interface EtcdControl {
  stop(): Promise<void>;
  start(): void;
}

function superviseEtcd(start: () => Program, programs: Program[]): EtcdControl {
  let etcd = start();
  programs.push(etcd);
  return {
    stop: () => etcd.kill("SIGTERM"),
    start: () => {
      etcd = start();
      programs.push(etcd);
    },
  };
}

function backups(dir: string, etcd: EtcdControl, server: ServerControl): Pick<Cluster, "backup" | "restore"> {
  const data = etcdData(dir);
  const copy = join(dir, "etcd-backup");
  const whileDown = async (work: () => void): Promise<void> => {
    await server.stopApiServer();
    await etcd.stop();
    work();
    etcd.start();
    await server.restartApiServer();
  };
  const replace = (from: string, to: string): void => {
    rmSync(to, { recursive: true, force: true });
    cpSync(from, to, { recursive: true });
  };
  return { backup: () => whileDown(() => replace(data, copy)), restore: () => whileDown(() => replace(copy, data)) };
}

function etcdData(dir: string): string {
  return join(dir, "etcd");
}

/** Ready means: /readyz, and the namespace "default" that the server makes by itself a little later. */
async function untilReady(request: Request, server: Program): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (const path of ["/readyz", "/api/v1/namespaces/default"]) {
    for (;;) {
      const answer = await request("GET", path).catch(() => null);
      if (answer?.status === 200) break;
      if (!server.running()) throw new Error(`${APISERVER_NAME} ended:\n${server.lastLines()}`);
      if (performance.now() > deadline)
        throw new Error(`${APISERVER_NAME} is not ready: ${path}\n${server.lastLines()}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function startEtcd(dir: string, etcd: Etcd, port: number, peerPort: number): Program {
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const data = etcdData(dir);
  mkdirSync(data, { recursive: true });
  const flags = ["--listen-client-urls", client, "--advertise-client-urls", client];
  flags.push("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`);
  flags.push("--log-level", "warn");
  if (etcd.canSkipFsync) flags.push("--unsafe-no-fsync");
  return startProgram("etcd", [...etcd.argv(data), ...flags], dir);
}

function apiserverFlags(dir: string, address: string, port: number, etcdPort: number): readonly string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    "--endpoint-reconciler-type=none",
    `--secure-port=${port}`,
    `--tls-cert-file=${join(dir, "server.crt")}`,
    `--tls-private-key-file=${join(dir, "server.key")}`,
    `--client-ca-file=${join(dir, "ca.crt")}`,
    `--token-auth-file=${join(dir, "tokens.csv")}`,
    "--authorization-mode=Node,RBAC",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-signing-key-file=${join(dir, "service-account.key")}`,
    `--service-account-key-file=${join(dir, "service-account.pub")}`,
    "--disable-admission-plugins=ServiceAccount",
    "--allow-privileged=true",
    "--profiling=false",
  ];
}

function controllerFlags(dir: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfigPath(dir, ADMIN.name)}`,
    "--leader-elect=false",
    "--secure-port=0",
    `--root-ca-file=${join(dir, "ca.crt")}`,
    `--service-account-private-key-file=${join(dir, "service-account.key")}`,
    `--controllers=${CONTROLLERS.join(",")}`,
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
    "--concurrent-service-endpoint-syncs=10",
  ];
}

function writeUsers(dir: string, url: string, users: readonly ClusterUser[]): ReadonlyMap<string, string> {
  const tokens = new Map(users.map((user) => [user.name, `${user.name}-token`]));
  const lines = users.map((user) => `${tokens.get(user.name)},${user.name},${user.name},"${user.groups.join(",")}"\n`);
  writeFileSync(join(dir, "tokens.csv"), lines.join(""));
  const authority = readFileSync(join(dir, "ca.crt")).toString("base64");
  mkdirSync(join(dir, "kubeconfig"));
  for (const user of users) {
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": authority } }],
      users: [{ name: user.name, user: { token: tokens.get(user.name) } }],
      contexts: [{ name: "test", context: { cluster: "test", user: user.name } }],
    };
    writeFileSync(kubeconfigPath(dir, user.name), JSON.stringify(config, null, 2)); // JSON is YAML
  }
  return tokens;
}

function kubeconfigPath(dir: string, user: string): string {
  return join(dir, "kubeconfig", user);
}

function connectAdmin(dir: string, host: string, port: number, token: string) {
  const agent = new Agent({ keepAlive: true, ca: readFileSync(join(dir, "ca.crt")) });
  const request: Request = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const common = { authorization: `Bearer ${token}`, accept: "application/json" };
      const sent = httpsRequest(
        { agent, host, port, method, path, headers: { ...common, "content-type": type, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString()) });
          });
        },
      );
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
    });
  const apply = async (object: KubeObject): Promise<KubeObject> => {
    const path = `${objectPath(object)}?fieldManager=test&force=true`;
    const answer = await request("PATCH", path, object, { "content-type": "application/apply-patch+yaml" });
    if (answer.status >= 300) throw new Error(`the API server refused ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as KubeObject; // the API server's own object
  };
  const remove = async (object: KubeObject): Promise<void> => {
    const answer = await request("DELETE", objectPath(object));
    if (answer.status >= 300 && answer.status !== 404) {
      throw new Error(`the API server refused to delete ${objectPath(object)}: ${JSON.stringify(answer.body)}`);
    }
  };
  return { request, apply, remove, close: () => agent.destroy() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** etcd's two on loopback, and the API server's on `address`: all held at once, so that they differ. */
async function freePorts(address: string): Promise<[number, number, number]> {
  const held = ["127.0.0.1", "127.0.0.1", address].map(async (host) => {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
    return server;
  });
  const servers = await Promise.all(held);
  const [first = 0, second = 0, third = 0] = servers.map((server) => {
    const bound = server.address();
    return bound && typeof bound === "object" ? bound.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first, second, third];
}
