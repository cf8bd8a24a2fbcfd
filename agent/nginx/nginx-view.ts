// The view that nginx's templates are rendered from: configuration, what this nginx can do, and sizes.

import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { CertificateFiles } from "../certificates/self-signed.ts";
import type { NginxWish } from "../plan/plan-configuration.ts";
import { NO_MUTUAL_TLS } from "../render/mutual-tls.ts";
import type { NginxPaths } from "./nginx-paths.ts";
import type { NginxFacts } from "./probe-nginx.ts";

export interface ViewInput {
  readonly config: Config;
  readonly facts: NginxFacts;
  readonly paths: NginxPaths;
  /** Absolute path of lua/. */
  readonly luaDir: string;
  readonly luaDigest: string;
  readonly snapshotDir: string;
  readonly defaultCertificate: CertificateFiles;
  readonly documentsDictMb: number;
  readonly upstreamBlocks: number;
  /** As `workerUser` gives it. */
  readonly workerUser: string | null;
}

/** Debian's folder for lua-resty-core; OpenResty knows its own. */
const DEBIAN_LUA_PATH = "/usr/share/lua/5.1";

export function buildNginxView(input: ViewInput): NginxWish {
  const { config, facts, paths } = input;
  const { listeners, nginx } = config;
  return {
    stateDir: config.stateDir,
    runDir: paths.runDir,
    pushSocket: paths.pushSocket,
    luaDir: input.luaDir,
    luaDigest: input.luaDigest,
    snapshotDir: input.snapshotDir,
    defaultCertificate: input.defaultCertificate.certificate,
    defaultCertificateKey: input.defaultCertificate.key,
    modules: facts.modules,
    luaPackagePath: [...nginx.luaPackagePath, ...(facts.openresty ? [] : [DEBIAN_LUA_PATH])],
    workerProcesses: nginx.workerProcesses,
    workerConnections: nginx.workerConnections,
    openFiles: nginx.openFiles,
    traffic: config.traffic,
    brotliModule: config.traffic.http.brotli === null ? null : facts.brotliModule,
    workerShutdownTimeoutS: nginx.workerShutdownTimeoutS,
    documentsDictMb: input.documentsDictMb,
    versionsDictMb: Math.max(8, Math.ceil(input.documentsDictMb / 4)),
    upstreamBlocks: input.upstreamBlocks,
    verified: [],
    variants: [],
    mutualTls: NO_MUTUAL_TLS,
    listeners: listeners.addresses.flatMap((address) => [
      { address, port: listeners.httpPort, tls: false },
      { address, port: listeners.httpsPort, tls: true },
    ]),
    httpsPort: listeners.httpsPort,
    http2: facts.http2,
    accessLog: nginx.accessLog === null ? { kind: "off" } : { kind: "file", path: nginx.accessLog },
    errorLog: paths.errorLog,
    clientMaxBodyMb: nginx.clientMaxBodyMb,
    user: input.workerUser,
  };
}

/** Where the snapshot lies; Lua reads `documents-*.ndjson` there, so the folder is readable for nginx's group. */
export function snapshotDir(stateDir: string): string {
  return join(stateDir, "snapshot");
}
