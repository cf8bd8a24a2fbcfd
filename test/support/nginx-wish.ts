// A complete wish for nginx, for tests that change one thing of it.

import { buildTraffic } from "../../agent/config/build-traffic.ts";
import { NO_MUTUAL_TLS } from "../../agent/render/mutual-tls.ts";
import type { NginxWish } from "../../agent/plan/plan-configuration.ts";

export const wish: NginxWish = {
  stateDir: "/s",
  runDir: "/s/run",
  pushSocket: "/s/run/push/push.sock",
  luaDir: "/l",
  luaDigest: "0",
  snapshotDir: "/s/snapshot",
  defaultCertificate: "/s/c",
  defaultCertificateKey: "/s/k",
  modules: [],
  luaPackagePath: [],
  workerProcesses: 0,
  workerConnections: 1024,
  workerShutdownTimeoutS: 240,
  documentsDictMb: 32,
  versionsDictMb: 8,
  upstreamBlocks: 1,
  verified: [],
  variants: [],
  mutualTls: NO_MUTUAL_TLS,
  openFiles: null,
  traffic: buildTraffic(() => undefined),
  brotliModule: null,
  listeners: [{ address: "0.0.0.0", port: 80, tls: false }],
  httpsPort: 443,
  http2: "directive",
  accessLog: { kind: "off" },
  errorLog: "/s/log",
  clientMaxBodyMb: 1,
  user: null,
};
