import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Surroundings } from "../../../agent/config/build-config.ts";
import { loadConfig } from "../../../agent/config/load-config.ts";
import { AgentError } from "../../../agent/lib/errors.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "headgate-config-"));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

function around(env: Record<string, string> = {}, more: Partial<Surroundings> = {}): Surroundings {
  return { env: { HOME: "/home/op", ...env }, cwd: "/srv", uid: 0, hostname: "Edge-3", ipv6: true, ...more };
}

let files = 0;
async function fileWith(text: string): Promise<string> {
  const path = join(folder, `config-${files++}.yaml`);
  await writeFile(path, text);
  return path;
}

async function refusal(argv: readonly string[], surroundings = around()): Promise<AgentError> {
  try {
    await loadConfig(argv, surroundings);
  } catch (thrown) {
    assert.ok(thrown instanceof AgentError, String(thrown));
    return thrown;
  }
  return assert.fail("was accepted");
}

test("runs on manifests and two ports without a file", async () => {
  const config = await loadConfig(
    ["--manifests", "demo", "--http", "8080", "--https", "8443", "--state-dir", "/tmp/s", "--allow-local-endpoints"],
    around(),
  );
  assert.deepEqual(config.source, { kind: "manifests", directory: "/srv/demo" });
  assert.equal(config.listeners.httpPort, 8080);
  assert.equal(config.listeners.httpsPort, 8443);
  assert.deepEqual(config.listeners.addresses, ["0.0.0.0", "::"]);
  assert.equal(config.stateDir, "/tmp/s");
  assert.equal(config.api.socket, "/tmp/s/run/agent.sock");
  assert.equal(config.endpoints.allowLocal, true);
  assert.equal(config.edge, "edge-3");
});

test("leaves out IPv6 where the machine has none", async () => {
  const config = await loadConfig(["--manifests", "m"], around({}, { ipv6: false }));
  assert.deepEqual(config.listeners.addresses, ["0.0.0.0"]);
});

test("keeps state in /var/lib for root and in the home of others", async () => {
  assert.equal((await loadConfig(["--manifests", "m"], around())).stateDir, "/var/lib/headgate");
  const other = await loadConfig(["--manifests", "m"], around({}, { uid: 1000 }));
  assert.equal(other.stateDir, "/home/op/.local/state/headgate");
  const xdg = await loadConfig(["--manifests", "m"], around({ XDG_STATE_HOME: "/x" }, { uid: 1000 }));
  assert.equal(xdg.stateDir, "/x/headgate");
});

test("prefers flags to variables, variables to the file, the file to defaults", async () => {
  const file = await fileWith(
    "edge: from-file\nsource: {manifests: m}\nlisteners: {httpPort: 1001, httpsPort: 1002}\nlog: {level: error}\n",
  );
  const env = { HEADGATE_CONFIG: file, HEADGATE_HTTP_PORT: "2001", HEADGATE_LOG_LEVEL: "warn" };
  const config = await loadConfig(["--log-level", "debug"], around(env));
  assert.equal(config.edge, "from-file");
  assert.equal(config.listeners.httpsPort, 1002);
  assert.equal(config.listeners.httpPort, 2001);
  assert.equal(config.log.level, "debug");
  assert.deepEqual(config.source, { kind: "manifests", directory: join(folder, "m") });
});

test("a source on the command line replaces the file's other source", async () => {
  const file = await fileWith("source: {kubernetes: {kubeconfig: /etc/kubeconfig, context: prod}}\n");
  const config = await loadConfig(["--config", file, "--manifests", "/m"], around());
  assert.deepEqual(config.source, { kind: "manifests", directory: "/m" });
  const own = await loadConfig(["--config", file], around());
  assert.deepEqual(own.source, {
    kind: "kubernetes",
    kubeconfig: "/etc/kubeconfig",
    kubeconfigIsExplicit: false,
    context: "prod",
    namespace: null,
    events: true,
    shrink: { share: 50, minimum: 50, holdS: 600 },
  });
});

test("takes how lists of a cluster are guarded, and whether Events are written", async () => {
  const shrink = "shrink: {share: 90, minimum: 10, holdS: 0}";
  const file = await fileWith(`source: {kubernetes: {kubeconfig: /k, events: false, ${shrink}}}\n`);
  const { source } = await loadConfig(["--config", file], around());
  assert.ok(source.kind === "kubernetes");
  assert.deepEqual([source.events, source.shrink], [false, { share: 90, minimum: 10, holdS: 0 }]);
});

test("takes patterns of DNS names that Services may be, none unless told, and refuses what is no pattern", async () => {
  assert.deepEqual((await loadConfig(["--manifests", "m"], around())).endpoints.externalNames, []);
  const names = ["*", "*.example.org", "db.Example.org.", "localhost", "xn--bcher-kva.example", "1.a"];
  const load = async (...externalNames: readonly string[]): Promise<readonly string[]> => {
    const text = JSON.stringify({ source: { manifests: "m" }, endpoints: { externalNames } });
    return (await loadConfig(["--config", await fileWith(text)], around())).endpoints.externalNames;
  };
  assert.deepEqual(await load(...names), names);
  for (const bad of [
    "",
    ".",
    "a.*.example",
    "*example.org",
    "a_b.example",
    "10.0.0.1",
    "*.1",
    "a b",
    "::1",
    "-a",
    "a/b",
  ]) {
    await assert.rejects(load(bad), /`endpoints\.externalNames`.*write it like "db\.example\.org"/s, bad);
  }
  await assert.rejects(load("*", "*"), /has "\*" twice/);
});

test("refuses two sources in one place", async () => {
  const error = await refusal(["--manifests", "m", "--kubeconfig", "k"]);
  assert.match(
    error.message,
    /--manifests: `source` names manifests and, at --kubeconfig, a cluster: keep one of them/,
  );
});

test("an empty kubernetes section and KUBECONFIG mean the cluster of KUBECONFIG", async () => {
  const cluster = {
    kind: "kubernetes",
    kubeconfig: null,
    kubeconfigIsExplicit: false,
    context: null,
    namespace: null,
    events: true,
    shrink: { share: 50, minimum: 50, holdS: 600 },
  };
  const file = await fileWith("source:\n  kubernetes:\n");
  assert.deepEqual((await loadConfig(["--config", file], around())).source, cluster);
  assert.deepEqual((await loadConfig([], around({ KUBECONFIG: "/k" }))).source, cluster);
});

test("says what is missing when nothing names a source", async () => {
  const error = await refusal([]);
  assert.equal(error.code, "config-invalid");
  assert.match(error.message, /`source` is missing.*--manifests DIR or --kubeconfig FILE/);
});

test("names every fault at once, with key, line and fix", async () => {
  const file = await fileWith(
    [
      "source:",
      "  manifests: /m",
      "listeners:",
      "  httpPrt: 80",
      "  httpsPort: 70000",
      "ingress:",
      "  classless: maybe",
      "worker: 3",
      "nginx:",
      "  workerProcesses: '4'",
    ].join("\n"),
  );
  const error = await refusal(["--config", file], around({ HEADGATE_LOG_LEVEL: "loud" }));
  assert.equal(error.code, "config-invalid");
  for (const expected of [
    `${file}:4: \`listeners.httpPrt\` is no key of the configuration: did you mean \`listeners.httpPort\`?`,
    `${file}:5: \`listeners.httpsPort\` 70000 is no number from 1 to 65535`,
    `${file}:7: \`ingress.classless\` "maybe" is none of auto, true, false`,
    `${file}:8: \`worker\` is no key of the configuration`,
    `${file}:10: \`nginx.workerProcesses\` "4" is no number`,
    'HEADGATE_LOG_LEVEL: `log.level` "loud" is none of',
  ]) {
    assert.ok(error.message.includes(expected), `${expected}\nnot in\n${error.message}`);
  }
  assert.match(error.message, /6 faults/);
});

test("names the line of broken YAML and of a key that is there twice", async () => {
  const twice = await refusal(["--config", await fileWith("edge: a\nlog:\n  level: info\nedge: b\n")]);
  assert.match(twice.message, /:4 .*unique/);
  const broken = await refusal(["--config", await fileWith("edge: [a\nlog: {\n")]);
  assert.match(broken.message, /config-\d+\.yaml:\d+/);
});

test("refuses aliases: a value means what stands there", async () => {
  const error = await refusal(["--config", await fileWith("edge: &e one\nstateDir: *e\n")]);
  assert.match(error.message, /:2 an alias is not read here/);
});

test("refuses a file that is missing only where somebody named it", async () => {
  const error = await refusal(["--config", "/nowhere/config.yaml"]);
  assert.match(error.message, /cannot read configuration file: \/nowhere\/config\.yaml/);
});

test("an unknown flag is a usage error with the flag that was meant", async () => {
  const error = await refusal(["--manifest", "m"]);
  assert.equal(error.code, "usage");
  assert.equal(error.hint, "Did you mean `--manifests`?");
  assert.equal((await refusal(["stray"])).code, "usage");
  assert.equal((await refusal(["--http"])).code, "usage");
});

test("refuses a state folder whose sockets would have too long a path", async () => {
  const error = await refusal(["--manifests", "m", "--state-dir", `/tmp/${"x".repeat(100)}`]);
  assert.match(error.message, /--state-dir: `stateDir` is too long: the path of a unix socket.*107 bytes.*`runDir`/);
  const config = await loadConfig(
    ["--manifests", "m", "--state-dir", `/tmp/${"x".repeat(100)}`, "--run-dir", "/run/headgate"],
    around(),
  );
  assert.equal(config.api.socket, "/run/headgate/agent.sock");
});

test("refuses one port for both, a default backend without a port, and an API beyond loopback", async () => {
  const file = await fileWith(
    "source: {manifests: m}\ningress: {defaultBackend: {service: shop/web}}\napi: {address: 0.0.0.0}\n",
  );
  const error = await refusal(["--config", file, "--http", "443"]);
  assert.match(error.message, /`listeners.httpsPort` is 443, as is `listeners.httpPort`/);
  assert.match(error.message, /`ingress.defaultBackend.port` is missing/);
  assert.match(error.message, /`api.address` "0.0.0.0" cannot be used/);
});

test("reads a default backend by number and by name", async () => {
  const byNumber = await fileWith("source: {manifests: m}\ningress: {defaultBackend: {service: a/b, port: 80}}\n");
  assert.deepEqual((await loadConfig(["--config", byNumber], around())).ingress.defaultBackend, {
    service: "a/b",
    port: 80,
  });
  const byName = await fileWith("source: {manifests: m}\ningress: {defaultBackend: {service: a/b, port: http}}\n");
  assert.equal((await loadConfig(["--config", byName], around())).ingress.defaultBackend?.port, "http");
});

test("port 0 on the command line and null in the file turn the loopback endpoints off", async () => {
  assert.equal((await loadConfig(["--manifests", "m", "--api-port", "0"], around())).api.port, null);
  const file = await fileWith("source: {manifests: m}\napi: {port: null}\n");
  assert.equal((await loadConfig(["--config", file], around())).api.port, null);
});
