// Certificates by SNI, changed without a reload.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";

import { Lines } from "../support/documents.ts";
import { selfSigned, TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

describe("certificates", () => {
  let nginx: TestNginx;
  const lines = new Lines();
  before(async () => {
    nginx = await TestNginx.start();
  });
  after(() => nginx[Symbol.asyncDispose]());

  async function put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await nginx.push.put(...pushed)) {
      assert.equal(result.result, "applied", result.message);
    }
  }

  function made(name: string): { certificate: string; key: string } {
    const [certificate, key] = [join(nginx.directory, `${name}.crt`), join(nginx.directory, `${name}.key`)];
    selfSigned(certificate, key, name);
    return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  }

  /** The common name of the certificate that a handshake gets. */
  function shown(servername: string | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { host: "127.0.0.1", port: nginx.https, rejectUnauthorized: false, ...(servername && { servername }) },
        () => {
          const { subject } = socket.getPeerCertificate();
          socket.destroy();
          resolve(String(subject.CN));
        },
      );
      socket.on("error", reject);
    });
  }

  async function always(servername: string | undefined, name: string): Promise<void> {
    for (let i = 0; i < 6; i++) {
      assert.equal(await shown(servername), name, servername);
    }
  }

  test("exact before wildcard of one label, then the static certificate", async () => {
    await put(
      lines.certificate("t/exact", made("exact.invalid")),
      lines.certificate("t/wild", made("wild.invalid")),
      lines.serverName("www.sni.test", "t/exact"),
      lines.serverName("*.sni.test", "t/wild"),
      lines.serverName("bare.test", ""),
      lines.serverName("missing.test", "t/not-there"),
    );
    await always("www.sni.test", "exact.invalid");
    await always("WWW.sni.TEST", "exact.invalid");
    await always("other.sni.test", "wild.invalid");
    await always("a.b.sni.test", "default.invalid");
    await always("bare.test", "default.invalid");
    await always("missing.test", "default.invalid");
    await always(undefined, "default.invalid");
  });

  test("a default certificate that is pushed takes the place of the static one, and gives it back", async () => {
    await put(lines.certificate("t/default", made("pushed.invalid")), lines.serverName("_", "t/default"));
    await always("nobody.test", "pushed.invalid");
    await always("bare.test", "pushed.invalid");
    await always(undefined, "pushed.invalid");
    await put(lines.delete("server_name", "ingress/_"));
    await always("nobody.test", "default.invalid");
  });

  test("the next handshake gets the renewed certificate, in every worker", async () => {
    await put(lines.serverName("renewed.test", "t/renewed"), lines.certificate("t/renewed", made("first.invalid")));
    await always("renewed.test", "first.invalid");
    for (const name of ["second.invalid", "third.invalid"]) {
      await put(lines.certificate("t/renewed", made(name)));
      await always("renewed.test", name);
    }
    await put(lines.delete("certificate", "t/renewed"));
    await always("renewed.test", "default.invalid");
  });
});
