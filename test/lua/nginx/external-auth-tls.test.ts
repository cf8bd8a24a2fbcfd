// The service that is asked over TLS, and how long it may take: what the configuration says.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";

import { buildTraffic } from "../../../agent/config/build-traffic.ts";
import { AuthSite } from "../support/auth-site.ts";
import { ask, peerOf, RawBackend } from "../support/backend.ts";
import { keyPair } from "../support/certificates.ts";

const NAME = "sso.example.org";

describe("the service that is asked over TLS", () => {
  const directory = mkdtempSync(join(tmpdir(), "headgate-auth-"));
  const authorities = join(directory, "ca.pem");
  let service: Server;
  const names: unknown[] = [];
  before(async () => {
    const { certificate, key } = keyPair(NAME, "ec");
    writeFileSync(authorities, certificate);
    service = createServer({ cert: certificate, key }, (incoming, outgoing) => {
      names.push((incoming.socket as TLSSocket).servername); // a server of node:https has these
      outgoing.end();
    });
    service.unref();
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
    rmSync(directory, { recursive: true });
  });

  async function statuses(site: AuthSite): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (const host of [NAME, "other.example.org", "auth.sso.svc"]) {
      for (const verify of ["on", "auto", "off", "on"] as const) {
        await site.use("tls.test", { authPeers: [peerOf(service)], auth: { scheme: "https", host, verify } });
        found[`${host} ${verify}`] = (await ask(site.nginx.http, "tls.test")).status;
      }
    }
    return found;
  }

  test("is verified where that is asked for; without authorities that cannot be, and closes", async () => {
    await using site = await AuthSite.start();
    assert.deepEqual(await statuses(site), {
      [`${NAME} on`]: 503,
      [`${NAME} auto`]: 200,
      [`${NAME} off`]: 200,
      "other.example.org on": 503,
      "other.example.org auto": 200,
      "other.example.org off": 200,
      "auth.sso.svc on": 503,
      "auth.sso.svc auto": 200,
      "auth.sso.svc off": 200,
    });
    assert.deepEqual(new Set(names), new Set([NAME, "other.example.org", "auth.sso.svc"]));
  });

  test("is verified by itself where the configuration has authorities, for its name and no other", async () => {
    const traffic = buildTraffic((key) => (key === "externalAuth.authorities" ? authorities : undefined));
    await using site = await AuthSite.start({ traffic });
    assert.deepEqual(await statuses(site), {
      [`${NAME} on`]: 200,
      [`${NAME} auto`]: 200,
      [`${NAME} off`]: 200,
      "other.example.org on": 503,
      "other.example.org auto": 503,
      "other.example.org off": 200,
      "auth.sso.svc on": 503,
      "auth.sso.svc auto": 503,
      "auth.sso.svc off": 200,
    });
  });

  test("that speaks no TLS, or none at all, closes", async () => {
    await using site = await AuthSite.start();
    await using plain = await RawBackend.start((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    await site.use("tls.test", { authPeers: [plain.peer], auth: { scheme: "https", host: NAME } });
    assert.equal((await ask(site.nginx.http, "tls.test")).status, 503);
    await site.use("tls.test", { authPeers: [peerOf(service)], auth: { scheme: "http", host: NAME } });
    assert.equal((await ask(site.nginx.http, "tls.test")).status, 503);
  });
});
