// A real nginx on rendered files, for the tests of the data plane. HEADGATE_NGINX names the binary.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import { openTemplates } from "../../../agent/nginx/templates.ts";
import { type NginxView, renderNginxFiles } from "../../../agent/render/files.ts";
import { NO_MUTUAL_TLS } from "../../../agent/render/mutual-tls.ts";
import { PushClient } from "./push.ts";
import { eventually } from "./wait.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");
const NGINX = process.env["HEADGATE_NGINX"] ?? "/usr/sbin/nginx";
const MODULES = ["ndk_http_module.so", "ngx_http_lua_module.so"];

const VERSION = versionOf();

function versionOf(): readonly [number, number, number] {
  const said = execFileSync("/bin/sh", ["-c", '"$0" -v 2>&1', NGINX], { encoding: "utf8" });
  const match = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(said);
  return [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
}

/** Whether this nginx has the directive `http2`, and with it HTTP/2 beside HTTP/1.1 on plain listeners. */
export function hasHttp2Directive(): boolean {
  const [major, minor, patch] = VERSION;
  return major > 1 || minor > 25 || (minor === 25 && patch >= 1);
}

export interface NginxOptions {
  readonly workers?: number;
  readonly documentsDictMb?: number;
  readonly generation?: number;
  readonly httpsPort?: number;
  /** Adds a server block of the test's own, to reach into shared memory. */
  readonly reach?: boolean;
  /** Fields of the view that the test wants otherwise. */
  readonly view?: Partial<NginxView>;
  /** Called with the snapshot directory before nginx starts. */
  readonly prepare?: (snapshotDir: string) => void;
}

/** A running nginx; close it with `await using`. */
export class TestNginx implements AsyncDisposable {
  readonly directory: string;
  readonly http: number;
  readonly https: number;
  readonly push: PushClient;
  readonly pushSocket: string;
  #view: NginxView;
  #child: ChildProcess | null = null;

  private constructor(directory: string, view: NginxView, ports: readonly [number, number]) {
    this.directory = directory;
    this.#view = view;
    [this.http, this.https] = ports;
    this.pushSocket = view.pushSocket;
    this.push = new PushClient(view.pushSocket);
  }

  static async start(options: NginxOptions = {}): Promise<TestNginx> {
    const directory = mkdtempSync(join(tmpdir(), "headgate-lua-"));
    // nginx started by root gives its workers to another user, who must reach the snapshot and the sockets.
    chmodSync(directory, 0o755);
    // At once: of two asked for one after the other the second may be the first again.
    const ports = await Promise.all([freePort(), freePort()]);
    const view = testView(directory, ports, options);
    for (const folder of ["state", "run", "snapshot"]) {
      mkdirSync(join(directory, folder));
    }
    selfSigned(view.defaultCertificate, view.defaultCertificateKey, "default.invalid");
    options.prepare?.(view.snapshotDir);
    const nginx = new TestNginx(directory, view, ports);
    nginx.write(view.generation);
    if (options.reach === true) {
      writeFileSync(join(directory, "nginx/servers/test.conf"), reachServer(directory));
    }
    nginx.test();
    await nginx.spawn();
    return nginx;
  }

  /** Writes the files of a generation into their place. */
  write(generation: number): void {
    const templates = openTemplates(join(REPOSITORY, "nginx/templates"));
    // The agent writes each generation into a folder of its own: no server block of before may stay.
    const servers = join(this.directory, "nginx/servers");
    for (const name of existsSync(servers) ? readdirSync(servers) : []) {
      if (name !== "test.conf") rmSync(join(servers, name));
    }
    for (const file of renderNginxFiles({ ...this.#view, generation }, templates)) {
      const path = join(this.directory, "nginx", file.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.text);
    }
  }

  /** Another configuration: written, tested, reloaded, and a worker of it has answered. */
  async reconfigure(change: Partial<NginxView>): Promise<void> {
    const generation = this.#view.generation + 1;
    this.#view = { ...this.#view, ...change, generation };
    this.write(generation);
    this.test();
    process.kill(this.masterPid, "SIGHUP");
    await eventually("only workers of the new configuration are left", async () => {
      const { worker, workers } = await this.push.state();
      return worker.configuration === generation && workers.every(({ configuration }) => configuration === generation);
    });
  }

  /** Runs `nginx -t` on the files. Throws with its words. */
  test(): void {
    execFileSync(NGINX, ["-t", "-q", "-c", join(this.directory, "nginx/nginx.conf")], { stdio: "pipe" });
  }

  async spawn(): Promise<void> {
    const configuration = join(this.directory, "nginx/nginx.conf");
    this.#child = spawn(NGINX, ["-c", configuration, "-g", "daemon off;"], { stdio: "inherit" });
    await eventually("nginx answers on its push socket", async () => {
      const { workers } = await this.push.state();
      return workers.length >= Math.max(1, this.#view.workerProcesses);
    });
  }

  get masterPid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) {
      throw new Error("nginx is not running");
    }
    return pid;
  }

  /** Runs Lua in a worker, with `documents` and `versions` being the shared dicts. Gives back what it printed. */
  async reach(lua: string): Promise<string> {
    const answer = await new PushClient(join(this.directory, "run/reach.sock")).call("POST", "/", lua);
    if (answer.status !== 200) {
      throw new Error(`reach: ${answer.status} ${answer.text}`);
    }
    return answer.text;
  }

  errorLog(): string {
    const path = join(this.directory, "error.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  accessLog(): string {
    return readFileSync(join(this.directory, "access.log"), "utf8");
  }

  /** Stops nginx and keeps its files. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child !== null && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function testView(directory: string, ports: readonly [number, number], options: NginxOptions): NginxView {
  return {
    generation: options.generation ?? 1,
    stateDir: join(directory, "state"),
    runDir: join(directory, "run"),
    pushSocket: join(directory, "run/push.sock"),
    luaDir: join(REPOSITORY, "lua"),
    luaDigest: "0",
    snapshotDir: join(directory, "snapshot"),
    defaultCertificate: join(directory, "default.crt"),
    defaultCertificateKey: join(directory, "default.key"),
    modules: modules(),
    luaPackagePath: [],
    workerProcesses: options.workers ?? 2,
    workerConnections: 512,
    workerShutdownTimeoutS: 5,
    documentsDictMb: options.documentsDictMb ?? 8,
    upstreamBlocks: 1,
    verified: [],
    variants: [],
    mutualTls: NO_MUTUAL_TLS,
    openFiles: null,
    traffic: buildTraffic(() => undefined),
    brotliModule: null,
    versionsDictMb: 4,
    listeners: [
      { address: "127.0.0.1", port: ports[0], tls: false },
      { address: "127.0.0.1", port: ports[1], tls: true },
    ],
    httpsPort: options.httpsPort ?? 443,
    http2: hasHttp2Directive() ? "directive" : "listen",
    accessLog: { kind: "file", path: join(directory, "access.log") },
    errorLog: join(directory, "error.log"),
    clientMaxBodyMb: 1,
    user: process.getuid?.() === 0 ? "root" : null,
    ...options.view,
  };
}

function reachServer(directory: string): string {
  return `server {
    listen "unix:${join(directory, "run/reach.sock")}";
    access_log off;
    location / {
        content_by_lua_block {
            ngx.req.read_body()
            local names = "local documents, versions = ngx.shared.headgate_documents, ngx.shared.headgate_versions "
            assert(loadstring(names .. ngx.req.get_body_data()))()
            ngx.print("")
        }
    }
}
`;
}

function modules(): readonly string[] {
  const folder = process.env["HEADGATE_NGINX_MODULES"] ?? "/usr/lib/nginx/modules";
  return MODULES.map((name) => join(folder, name)).filter((path) => existsSync(path));
}

/** A port of 127.0.0.1 that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") {
    throw new Error("no port was given");
  }
  return address.port;
}

/** Writes a self-signed certificate for the names, with openssl. */
export function selfSigned(certificate: string, key: string, ...names: readonly string[]): void {
  const alternatives = names.map((name) => `DNS:${name}`).join(",");
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
  args.push("-subj", `/CN=${names[0] ?? ""}`, "-addext", `subjectAltName=${alternatives}`);
  execFileSync("openssl", [...args, "-keyout", key, "-out", certificate], { stdio: "pipe" });
}
