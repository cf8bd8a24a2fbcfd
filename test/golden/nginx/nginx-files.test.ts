// The files of nginx as they are rendered; `npm run golden:update` writes them anew.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import { openTemplates } from "../../../agent/nginx/templates.ts";
import { type NginxView, renderNginxFiles } from "../../../agent/render/files.ts";
import { NO_MUTUAL_TLS } from "../../../agent/render/mutual-tls.ts";

const templates = openTemplates(join(import.meta.dirname, "../../../nginx/templates"));

const asUnit: NginxView = {
  generation: 42,
  stateDir: "/var/lib/headgate-nginx",
  runDir: "/run/headgate-nginx",
  pushSocket: "/run/headgate-nginx/push/push.sock",
  luaDir: "/usr/share/headgate/lua",
  luaDigest: "0123456789abcdef",
  snapshotDir: "/var/lib/headgate/snapshot",
  defaultCertificate: "/var/lib/headgate/nginx/default.crt",
  defaultCertificateKey: "/var/lib/headgate/nginx/default.key",
  modules: ["/usr/lib/nginx/modules/ndk_http_module.so", "/usr/lib/nginx/modules/ngx_http_lua_module.so"],
  luaPackagePath: ["/usr/share/lua/5.1"],
  workerProcesses: 0,
  workerConnections: 16_384,
  workerShutdownTimeoutS: 300,
  documentsDictMb: 64,
  upstreamBlocks: 4,
  verified: [],
  variants: [],
  mutualTls: NO_MUTUAL_TLS,
  openFiles: null,
  traffic: buildTraffic(() => undefined),
  brotliModule: null,
  versionsDictMb: 16,
  listeners: [
    { address: "0.0.0.0", port: 80, tls: false },
    { address: "::", port: 80, tls: false },
    { address: "0.0.0.0", port: 443, tls: true },
    { address: "::", port: 443, tls: true },
  ],
  httpsPort: 443,
  http2: "directive",
  accessLog: { kind: "file", path: "/var/log/headgate/access.log" },
  errorLog: "/var/log/headgate/error.log",
  clientMaxBodyMb: 16,
  user: "headgate-nginx",
};

const asChild: NginxView = {
  ...asUnit,
  generation: 1,
  modules: [],
  luaPackagePath: [],
  workerProcesses: 2,
  workerConnections: 1024,
  listeners: [
    { address: "127.0.0.1", port: 8080, tls: false },
    { address: "127.0.0.1", port: 8443, tls: true },
  ],
  httpsPort: 8443,
  http2: "listen",
  accessLog: { kind: "off" },
  user: null,
};

/** Every setting of traffic otherwise than by default. */
const asWished: NginxView = {
  ...asUnit,
  generation: 7,
  upstreamBlocks: 1,
  openFiles: 100_000,
  brotliModule: "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so",
  verified: [{ name: "https-0a1b2c", protocol: "https", authorities: "PEM\n", verifyDepth: 2 }],
  variants: [
    { name: "grpc-b64k-h16", base: "grpc", bodyKbMax: 64, buffering: null, requestBuffering: null, bufferKb: 16, intercept: null },
    {
      name: "https-0a1b2c-b2g-o0-r0-h64",
      base: "https-0a1b2c",
      bodyKbMax: 2_097_152,
      buffering: false,
      requestBuffering: false,
      bufferKb: 64, intercept: [404, 503],
    },
    { name: "https-gone-b0", base: "https-gone", bodyKbMax: 0, buffering: null, requestBuffering: null, bufferKb: null, intercept: null },
  ],
  traffic: buildTraffic(
    (key) =>
      ({
        "http.headerTimeoutS": 10,
        "http.http2": false,
        "http.redirectCode": "301",
        "http.noRedirectPaths": ["/a", "/b"],
        "http.hsts.preload": true,
        "http.gzip.enabled": true,
        "http.brotli.enabled": true,
        "proxy.buffering": true,
        "proxy.retryOn": [],
        "proxy.setHeaders": ["X-Edge: \"a\\\\b\" $request_id@$host"],
        "http.addHeaders": ["X-Frame-Options: DENY"],
        "http.hideHeaders": ["X-Powered-By"],
        "proxy.keepaliveConnections": 320,
        "health.failures": 5,
        "health.errorPercent": 0,
        "externalAuth.timeoutMs": 3_000,
        "externalAuth.authorities": "/etc/headgate/sso.pem",
        "tls.protocols": ["TLSv1.3"],
        "tls.sessionTickets": true,
        "tls.rejectUnknownNames": true,
        "clients.trustedProxies": ["192.0.2.0/24", "2001:db8::1"],
        "clients.forwardedHeaders": true,
        "clients.appendForwardedFor": true,
        "clients.proxyProtocol": true,
        "accessLog.format": '{"host":"$host"}',
        "accessLog.escape": "json",
        "http.traceContext": "create",
        "accessLog.skipPaths": ["/healthz"],
      })[key],
  ),
};

/** Hosts that ask for client certificates. */
const asCertified: NginxView = {
  ...asChild,
  mutualTls: {
    policies: [
      {
        name: "mtls-0a1b2c-n1",
        verify: "on",
        depth: 1,
        authorities: "PEM\n",
        revocations: "CRL\n",
        hosts: ["*.a.example", "b.example"],
      },
      { name: "mtls-3d4e5f-o2", verify: "optional", depth: 2, authorities: "PEM\n", revocations: null, hosts: ["c.example"] },
    ],
    plainHosts: ["open.a.example"],
  },
};

describe("nginx files", () => {
  for (const [name, view] of [["unit", asUnit], ["child", asChild], ["wished", asWished], ["certified", asCertified]] as const) {
    test(`are as they were: ${name}`, (t) => {
      for (const file of renderNginxFiles(view, templates)) {
        t.assert.fileSnapshot(file.text, join(import.meta.dirname, name, file.path), {
          serializers: [(text: unknown) => String(text)],
        });
      }
    });
  }

  test("equal views give equal bytes, and the generation is in every file", () => {
    assert.deepEqual(renderNginxFiles(asUnit, templates), renderNginxFiles(asUnit, templates));
    for (const file of renderNginxFiles(asUnit, templates)) {
      assert.match(file.text, /^# Generated by headgate: .*generation 42/);
    }
  });

  test("a field that is missing is an error and no empty directive", () => {
    const { errorLog: _, ...rest } = asUnit;
    assert.throws(() => renderNginxFiles(rest as NginxView, templates)); // what the types forbid
  });

  test("a path that could leave its quotes is refused", () => {
    for (const errorLog of ['/x"; return 200; #', "/x\n", "/$uri"]) {
      const render = (): string => JSON.stringify(renderNginxFiles({ ...asUnit, errorLog }, templates));
      if (errorLog.startsWith('/x"')) {
        assert.match(render(), /error_log \\"\/x\\\\\\"; return 200; #\\" warn;/);
      } else {
        assert.throws(render, /has a character that no nginx file can hold/);
      }
    }
  });
});
