import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Config } from "../../../agent/config/config.ts";
import { loadConfig } from "../../../agent/config/load-config.ts";
import { TRAFFIC_SETTINGS } from "../../../agent/config/traffic-settings.ts";
import { AgentError } from "../../../agent/lib/errors.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "headgate-traffic-"));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

let files = 0;
async function load(text: string): Promise<Config> {
  const path = join(folder, `${files++}.yaml`);
  await writeFile(path, `source: {manifests: /m}\n${text}`);
  return loadConfig(["--config", path], { env: {}, cwd: "/", uid: 0, hostname: "edge", ipv6: true });
}
async function refusal(text: string): Promise<string> {
  try {
    await load(text);
  } catch (thrown) {
    assert.ok(thrown instanceof AgentError, String(thrown));
    return thrown.message;
  }
  return assert.fail(`${text} was accepted`);
}

/** What ingress-nginx does not have. */
const OURS = /^accessLog\.style$|^externalAuth\.|^health\.|^http\.trace|^proxy\.(retryBudget|slowStart)/;

describe("settings of traffic", () => {
  test("have ingress-nginx's defaults where there is no reason to differ", async () => {
    const { traffic, ingress, nginx } = await load("");
    assert.deepEqual(ingress.sslRedirect, true);
    assert.equal(nginx.clientMaxBodyMb, 1);
    assert.equal(traffic.http.hsts, "max-age=31536000; includeSubDomains");
    assert.equal(traffic.http.redirectCode, 308);
    assert.equal(traffic.http.gzip, null);
    assert.deepEqual(traffic.proxy.retryOn, ["error", "timeout"]);
    assert.equal(traffic.proxy.buffering, false);
    assert.deepEqual([traffic.health.enabled, traffic.health.failures, traffic.health.backOffS], [true, 3, 10]);
    assert.deepEqual(traffic.tls.protocols, ["TLSv1.2", "TLSv1.3"]);
    assert.deepEqual(traffic.clients.trustedProxies, []);
  });

  test("are each either like ingress-nginx's or say why not", () => {
    for (const { key, help, counterparts } of TRAFFIC_SETTINGS) {
      assert.notEqual(help, "", key);
      assert.ok(counterparts.length > 0 || OURS.test(key), key);
      for (const { name, reason } of counterparts) assert.ok(reason === null || reason.length > 10, name);
    }
  });

  test("take each word of a choice as docs/settings.md shows it, which YAML may read as a number", async () => {
    for (const { key, type } of TRAFFIC_SETTINGS) {
      if (type.kind !== "choice") continue;
      for (const value of type.values) {
        const [room = "", ...names] = key.split(".");
        await load(`${room}: ${names.map((name) => `{${name}: `).join("")}${value}${"}".repeat(names.length)}`);
      }
    }
  });

  test("are taken from the file", async () => {
    const { traffic, ingress } = await load(`
ingress: {forceSslRedirect: true}
http: {headerTimeoutS: 5, hsts: {enabled: false}, gzip: {enabled: true, level: 6, types: [text/css]}}
proxy: {readTimeoutS: 3600, retryOn: []}
tls: {protocols: [TLSv1.3]}
clients: {trustedProxies: [192.0.2.0/24, "2001:db8::1"], forwardedHeaders: true}
accessLog: {format: '{"host": "$host"}', escape: json, skipPaths: [/healthz]}`);
    assert.equal(ingress.forceSslRedirect, true);
    assert.equal(traffic.http.headerTimeoutS, 5);
    assert.equal(traffic.http.hsts, null);
    assert.deepEqual(traffic.http.gzip, { level: 6, minLengthBytes: 256, types: ["text/css"] });
    assert.deepEqual([traffic.proxy.readTimeoutS, traffic.proxy.retryOn], [3600, []]);
    assert.deepEqual(traffic.clients.trustedProxies, ["192.0.2.0/24", "2001:db8::1"]);
    assert.equal(traffic.accessLog.format, '{"host": "$host"}');
  });

  test("that cannot be used are refused by key and line", async () => {
    for (const [text, wants] of [
      ["http: {headerTimeoutS: 0}", "`http.headerTimeoutS` 0 is no number"],
      ["http: {redirectCode: 200}", "`http.redirectCode` 200 is none of"],
      ["http: {noRedirectPaths: [well-known]}", "`http.noRedirectPaths`"],
      ["http: {gzip: {types: ['text/css; drop']}}", "`http.gzip.types`"],
      ["proxy: {retryOn: [errors]}", "`proxy.retryOn`"],
      ["tls: {protocols: [SSLv3]}", "`tls.protocols`"],
      ["tls: {ciphers: 'A;B'}", "`tls.ciphers`"],
      ["clients: {trustedProxies: [everybody]}", "is no network"],
      ["clients: {trustedProxies: [192.0.2.0/33]}", "is no network"],
      ["clients: {forwardedHeaders: true}", "needs `clients.trustedProxies`"],
      ["clients: {proxyProtocol: true}", "needs `clients.trustedProxies`"],
      ["clients: {forwardedForHeader: 'X-A: b'}", "`clients.forwardedForHeader`"],
      [`accessLog: {format: "a'; evil"}`, "`accessLog.format`"],
      ['accessLog: {format: "a\\nb"}', "`accessLog.format`"],
      ["nginx: {openFiles: 1}", "`nginx.openFiles`"],
    ] as const) {
      const message = await refusal(text);
      assert.ok(message.includes(wants), `${text}: ${message}`);
      assert.match(message, /\.yaml:2/, text);
    }
  });

  test("under the names of ingress-nginx are refused with ours", async () => {
    assert.match(await refusal("use-forwarded-headers: true"), /did you mean `clients.forwardedHeaders`/);
    assert.match(await refusal("nginx: {ssl-protocols: TLSv1.2}"), /did you mean `tls.protocols`/);
  });
});
