import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ApiClient } from "../../../agent/kubernetes/client.ts";
import type { Connection } from "../../../agent/kubernetes/connection.ts";
import { loadKubeconfig } from "../../../agent/kubernetes/kubeconfig.ts";
import { AgentError } from "../../../agent/lib/errors.ts";
import { FakeApiServer } from "../../fakes/kube-apiserver.ts";
import { ingress, startRig, until } from "./harness.ts";

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "headgate-kubeconfig-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

interface Parts {
  readonly server?: unknown;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly cluster?: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

function write(
  file: string,
  { server = "https://127.0.0.1:1", user = {}, cluster = {}, more = {} }: Parts = {},
): string {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "one", cluster: { server, ...cluster } }],
    users: [{ name: "edge", user }],
    contexts: [{ name: "main", context: { cluster: "one", user: "edge" } }],
    "current-context": "main",
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

const nothing = { flag: null, environment: null, configured: null, context: null };
const load = (flag: string, context: string | null = null): Connection => loadKubeconfig({ ...nothing, flag, context });

function refusal(work: () => unknown): AgentError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    assert.equal(error.code, "kubeconfig-invalid");
    return error;
  }
  throw new Error("it was taken");
}

async function startFake(
  t: TestContext,
  options: ConstructorParameters<typeof FakeApiServer>[0] = {},
): Promise<FakeApiServer> {
  const fake = new FakeApiServer(options);
  await fake.start();
  t.after(() => fake.stop());
  return fake;
}

/** Asks for something with this kubeconfig and gives what the server saw of it. */
async function ask(fake: FakeApiServer, connection: Connection): Promise<FakeApiServer["requests"][number]> {
  const client = new ApiClient(connection, "1.2.3");
  try {
    await client.getJson("/api/v1/services", 1e6, { signal: new AbortController().signal, msMax: 5_000 });
  } finally {
    client.close();
  }
  const seen = fake.requests.at(-1);
  assert.ok(seen);
  return seen;
}

/** A key and a certificate that signs itself, for 127.0.0.1 or another name. */
function makeCertificate(
  dir: string,
  name: string,
  subjectAltName: string,
): { readonly cert: string; readonly key: string } {
  const [key, cert] = [join(dir, `${name}.key`), join(dir, `${name}.crt`)];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const what = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=${subjectAltName}`];
  execFileSync("openssl", ["req", "-x509", ...kind, ...what, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

test("without any kubeconfig it says what was looked for and goes nowhere", () => {
  const error = refusal(() => loadKubeconfig(nothing));
  assert.match(
    error.message,
    /neither --kubeconfig, nor the environment variable KUBECONFIG, nor kubeconfig in the configuration/,
  );
  assert.match(error.hint ?? "", /headgate run --kubeconfig FILE.*never falls back to localhost:8080/);
});

test("names the file that does not exist, and who named it", () => {
  assert.match(refusal(() => load("/nowhere/a")).message, /--kubeconfig names \/nowhere\/a, which does not exist/);
  const environment = refusal(() => loadKubeconfig({ ...nothing, environment: "/nowhere/a:/nowhere/b" }));
  assert.match(environment.message, /KUBECONFIG names \/nowhere\/a, \/nowhere\/b/);
  assert.match(
    refusal(() => loadKubeconfig({ ...nothing, configured: "/nowhere/c" })).message,
    /configuration file names \/nowhere\/c/,
  );
});

test("the flag is stronger than KUBECONFIG, and that is stronger than the configuration file", (t) => {
  const dir = folder(t);
  const [flag = "", environment = "", configured = ""] = ["flag", "environment", "configured"].map((name) =>
    write(join(dir, name), { server: `https://${name}.example.org:6443` }),
  );
  assert.equal(
    loadKubeconfig({ flag, environment, configured, context: null }).server,
    "https://flag.example.org:6443",
  );
  assert.equal(loadKubeconfig({ ...nothing, environment, configured }).server, "https://environment.example.org:6443");
  assert.equal(
    loadKubeconfig({ ...nothing, environment: "", configured }).server,
    "https://configured.example.org:6443",
  );
});

test("merges several files as kubectl does: the first of a name counts", (t) => {
  const dir = folder(t);
  const first = write(join(dir, "first"), { server: "https://first.example.org:6443" });
  const second = write(join(dir, "second"), {
    server: "https://second.example.org:6443",
    more: { contexts: [{ name: "other", context: { cluster: "one", user: "edge" } }], "current-context": "other" },
  });
  const environment = `${join(dir, "absent")}:${first}:${second}`;
  assert.equal(loadKubeconfig({ ...nothing, environment }).server, "https://first.example.org:6443");
  assert.equal(loadKubeconfig({ ...nothing, environment, context: "other" }).server, "https://first.example.org:6443");
});

test("refuses what cannot be used, and names it", (t) => {
  const file = join(folder(t), "kubeconfig");
  const cases: readonly (readonly [Parts | string, RegExp])[] = [
    ["{", /cannot use the kubeconfig/],
    ["just text", /cannot use the kubeconfig/],
    ["", /cannot use the kubeconfig/],
    [{ more: { "current-context": "" } }, /current-context is not set/],
    [{ more: { "current-context": "elsewhere" } }, /context elsewhere is not in it/],
    [{ more: { clusters: [] } }, /names cluster one, which is not in it/],
    [{ more: { users: [] } }, /names user edge, which is not in it/],
    [{ server: "ftp://10.0.0.1" }, /ftp:\/\/10\.0\.0\.1 is no http or https address/],
    [{ server: "10.0.0.1" }, /10\.0\.0\.1 is no http or https address/],
    [{ server: "" }, /cluster\.server is missing/],
  ];
  for (const [parts, says] of cases) {
    if (typeof parts === "string") writeFileSync(file, parts);
    else write(file, parts);
    const error = refusal(() => load(file));
    assert.match(error.message, says);
    assert.ok(error.message.includes(file), error.message);
  }
});

test("sends the token of tokenFile, and the new one as soon as the file changes", async (t) => {
  const dir = folder(t);
  const fake = await startFake(t);
  writeFileSync(join(dir, "token"), "first\n");
  // A path beside the kubeconfig, and a static token that the file goes before.
  const connection = load(
    write(join(dir, "kubeconfig"), { server: fake.url, user: { tokenFile: "token", token: "static" } }),
  );
  assert.equal((await ask(fake, connection)).authorization, "Bearer first");
  writeFileSync(join(dir, "token"), "second\n");
  assert.equal((await ask(fake, connection)).authorization, "Bearer second");
  rmSync(join(dir, "token"));
  assert.equal((await ask(fake, connection)).authorization, "Bearer second", "half a rotation is no reason to forget");
});

test("a token file that is missing from the start is named", async (t) => {
  const dir = folder(t);
  const connection = load(write(join(dir, "kubeconfig"), { user: { tokenFile: "/nowhere/token" } }));
  await assert.rejects(connection.credentials(), /cannot read the token file: \/nowhere\/token/);
});

test("comes back by itself when the token was renewed after a 401", async (t) => {
  const dir = folder(t);
  const fake = await startFake(t, { tokens: new Set(["new"]) });
  fake.put(ingress("a"));
  writeFileSync(join(dir, "token"), "old");
  const connection = load(write(join(dir, "kubeconfig"), { server: fake.url, user: { tokenFile: "token" } }));
  const { source, store } = await startRig(t, { connection });
  await until(() => source.state().troubles[0]?.message.startsWith("credential refused since") === true, "the trouble");
  writeFileSync(join(dir, "token"), "new");
  await until(() => source.state().synced && source.state().troubles.length === 0, "it is let in");
  assert.deepEqual(store.names("Ingress"), ["a"]);
});

test("verifies the server against the CA, and by tls-server-name where that is set", async (t) => {
  const dir = folder(t);
  const tls = makeCertificate(dir, "server", "DNS:kubernetes.default.svc");
  const fake = await startFake(t, { tls });
  const ca = { "certificate-authority": "server.crt" };
  const named = { ...ca, "tls-server-name": "kubernetes.default.svc" };
  await ask(fake, load(write(join(dir, "named"), { server: fake.url, cluster: named })));
  await assert.rejects(ask(fake, load(write(join(dir, "unnamed"), { server: fake.url, cluster: ca }))), {
    code: "apiserver-unreachable",
  });
  await assert.rejects(ask(fake, load(write(join(dir, "no-ca"), { server: fake.url }))), /self-signed/);
  await ask(fake, load(write(join(dir, "skip"), { server: fake.url, cluster: { "insecure-skip-tls-verify": true } })));
});

test("shows the client certificate of its files, and the new one after they were replaced", async (t) => {
  const dir = folder(t);
  const fake = await startFake(t, { tls: makeCertificate(dir, "server", "IP:127.0.0.1") });
  const user = { "client-certificate": "client.crt", "client-key": "client.key" };
  const connection = load(
    write(join(dir, "kubeconfig"), { server: fake.url, cluster: { "certificate-authority": "server.crt" }, user }),
  );
  const renew = (name: string): void => {
    const { cert, key } = makeCertificate(dir, name, "DNS:edge");
    writeFileSync(join(dir, "client.crt"), cert);
    writeFileSync(join(dir, "client.key"), key);
  };
  renew("edge-1");
  const client = new ApiClient(connection, "1.2.3");
  t.after(() => client.close());
  const get = (): Promise<unknown> =>
    client.getJson("/api/v1/services", 1e6, { signal: new AbortController().signal, msMax: 5_000 });
  await get();
  assert.equal(fake.requests.at(-1)?.clientName, "edge-1");
  await get();
  assert.equal(fake.connections, 1, "as long as nothing changes, connections are shared");
  renew("edge-2");
  await get();
  assert.equal(fake.requests.at(-1)?.clientName, "edge-2");
});

test("runs an exec plugin, and again after its credential was refused", async (t) => {
  const dir = folder(t);
  const fake = await startFake(t, { tokens: new Set(["token-2"]) });
  const plugin = join(dir, "plugin");
  writeFileSync(join(dir, "count"), "");
  writeFileSync(
    plugin,
    `#!/bin/sh\nprintf x >> ${dir}/count\nn=$(wc -c < ${dir}/count)\nprintf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-%d"}}' "$n"\n`,
  );
  chmodSync(plugin, 0o755);
  const user = { exec: { apiVersion: "client.authentication.k8s.io/v1", command: plugin, args: [] } };
  const connection = load(write(join(dir, "kubeconfig"), { server: fake.url, user }));
  await assert.rejects(ask(fake, connection), { code: "apiserver-refused", status: 401 });
  assert.equal((await ask(fake, connection)).authorization, "Bearer token-2");
  assert.equal((await ask(fake, connection)).authorization, "Bearer token-2", "what works is not asked for again");
});

test("an exec plugin that fails is named with what it said", async (t) => {
  const dir = folder(t);
  const plugin = join(dir, "plugin");
  writeFileSync(plugin, "#!/bin/sh\necho no ticket >&2\nexit 1\n");
  chmodSync(plugin, 0o755);
  const user = { exec: { apiVersion: "client.authentication.k8s.io/v1", command: plugin } };
  const connection = load(write(join(dir, "kubeconfig"), { user }));
  await assert.rejects(connection.credentials(), /cannot get a credential: .*no ticket/s);
});

test("sends user name and password, and whom it stands for", async (t) => {
  const fake = await startFake(t);
  const file = write(join(folder(t), "kubeconfig"), { server: fake.url, user: { username: "a", password: "b" } });
  assert.equal((await ask(fake, load(file))).authorization, `Basic ${Buffer.from("a:b").toString("base64")}`);
});

test("follows a kubeconfig that is replaced, and keeps the last good one while it is half written", async (t) => {
  const file = join(folder(t), "kubeconfig");
  const [first, second] = [await startFake(t), await startFake(t)];
  const connection = load(write(file, { server: first.url }));
  await ask(first, connection);
  writeFileSync(file, '{"clusters": [');
  await ask(first, connection);
  write(file, { server: second.url });
  await ask(second, connection);
  assert.equal(connection.server, second.url);
});

test("chooses the context it is told to, and lists the others when it is not there", (t) => {
  const file = write(join(folder(t), "kubeconfig"), {
    more: {
      clusters: [
        { name: "one", cluster: { server: "https://one.example.org" } },
        { name: "two", cluster: { server: "https://two.example.org" } },
      ],
      contexts: [
        { name: "main", context: { cluster: "one", user: "edge" } },
        { name: "other", context: { cluster: "two", user: "edge" } },
      ],
    },
  });
  assert.equal(load(file, "other").server, "https://two.example.org");
  assert.equal(load(file, "other").kubectlFlags, `--kubeconfig ${file} --context other`);
  assert.match(refusal(() => load(file, "none")).hint ?? "", /main, other/);
});
