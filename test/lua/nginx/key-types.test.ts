// Two certificates of one name, by key type, and certificates that change under load.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { connect, type ConnectionOptions } from "node:tls";
import { promisify } from "node:util";

import { Lines } from "../support/documents.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";
import { keyPair } from "../support/certificates.ts";

const run = promisify(execFile);

describe("certificates of two key types", () => {
  let nginx: TestNginx;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
  });
  after(() => nginx[Symbol.asyncDispose]());

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) assert.equal(result.result, "applied", result.message);
  }

  /** The common name of the certificate that a handshake gets; with errors, as Node has them. */
  function shown(servername: string, options: ConnectionOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { host: "127.0.0.1", port: nginx.https, rejectUnauthorized: false, servername, ...options },
        () => {
          const { subject } = socket.getPeerCertificate();
          socket.destroy();
          resolve(String(subject.CN));
        },
      );
      socket.on("error", reject);
    });
  }

  /** By the openssl of this Debian. */
  async function byOpenssl(servername: string, ...args: readonly string[]): Promise<string> {
    const connected = ["s_client", "-connect", `127.0.0.1:${nginx.https}`, "-servername", servername, ...args];
    const asked = run("openssl", connected, { timeout: 10_000 });
    asked.child.stdin?.end();
    const { stdout } = await asked;
    return /subject=.*?CN ?= ?([\w.-]+)/.exec(stdout)?.[1] ?? stdout;
  }

  test("each client gets the one that it can verify, whichever comes first", async () => {
    await put(
      lines.certificate("t/ec", keyPair("ec.invalid", "ec")),
      lines.certificate("t/rsa", keyPair("rsa.invalid", "rsa")),
      lines.serverName("two.test", "t/ec", "t/rsa"),
      lines.serverName("turned.test", "t/rsa", "t/ec"),
      lines.serverName("one.test", "t/rsa"),
    );
    for (const name of ["two.test", "turned.test"]) {
      assert.equal(await byOpenssl(name, "-sigalgs", "rsa_pss_rsae_sha256"), "rsa.invalid", name);
      assert.equal(await byOpenssl(name, "-sigalgs", "ecdsa_secp256r1_sha256"), "ec.invalid", name);
      assert.equal(await byOpenssl(name, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), "rsa.invalid", name);
      assert.equal(await byOpenssl(name, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "ec.invalid", name);
    }
    assert.equal(await shown("one.test"), "rsa.invalid");
    await assert.rejects(shown("one.test", { sigalgs: "ecdsa_secp256r1_sha256" }), "it has no other");
  });

  test("a second one that is not there costs nothing, and stands alone where the first is gone", async () => {
    await put(lines.serverName("half.test", "t/ec", "t/gone"));
    assert.equal(await shown("half.test"), "ec.invalid");
    await put(lines.serverName("half.test", "t/gone", "t/rsa"));
    assert.equal(await shown("half.test"), "rsa.invalid");
  });

  test("a name that is removed gets the default certificate at once", async () => {
    await put(lines.delete("server_name", "ingress/two.test"));
    for (let i = 0; i < 6; i++) assert.equal(await shown("two.test"), "default.invalid");
  });

  test("thirty renewals of both while clients connect: no handshake fails, each sees the newest soon", async () => {
    await put(
      lines.certificate("t/new-ec", keyPair("0.invalid", "ec")),
      lines.certificate("t/new-rsa", keyPair("0.invalid", "rsa")),
      lines.serverName("renewed.test", "t/new-ec", "t/new-rsa"),
    );
    let connecting = true;
    let handshakes = 0;
    const client = async (sigalgs: string): Promise<void> => {
      while (connecting) {
        await shown("renewed.test", { sigalgs });
        handshakes++;
      }
    };
    const algorithms = ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"];
    const clients = Promise.all([...algorithms, ...algorithms].map(client));
    clients.catch(() => undefined); // awaited below
    for (let round = 1; round <= 30; round++) {
      await put(lines.certificate("t/new-ec", keyPair(`${round}.invalid`, "ec")));
      await put(lines.certificate("t/new-rsa", keyPair(`${round}.invalid`, "rsa")));
      for (const sigalgs of algorithms) assert.equal(await shown("renewed.test", { sigalgs }), `${round}.invalid`);
    }
    connecting = false;
    await clients;
    assert.ok(handshakes >= 60, `${handshakes} handshakes`);
  });
});
