// What agent/kubernetes relies on, asked of the real API server and of the fake one: a fake that answers otherwise
// would make every other test of the source worthless. HEADGATE_FAKE_ONLY=1 leaves the real ones out.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ApiClient } from "../../agent/kubernetes/client.ts";
import { ApiFailure, field } from "../../agent/kubernetes/failure.ts";
import { loadKubeconfig } from "../../agent/kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../../agent/kubernetes/kubernetes-source.ts";
import { LIMITS } from "../../agent/kubernetes/limits.ts";
import { LineSplitter } from "../../agent/kubernetes/watch-events.ts";
import { FakeApiServer } from "../fakes/kube-apiserver.ts";
import { Recorder, trim, until } from "../unit/kubernetes/harness.ts";
import { startCluster } from "./cluster.ts";

interface Subject {
  readonly url: string;
  /** Paths of kubeconfigs: of an administrator, and of somebody without any right. */
  readonly admin: string;
  readonly stranger: string;
  readonly watchList: boolean;
  /** A watch of so many seconds gets a bookmark before it ends. */
  readonly shortWatchS: number;
  request(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  /** Makes all versions and continue tokens given so far too old. */
  forgetHistory(): Promise<void>;
  stop(): Promise<void>;
}

const SECRETS = "/api/v1/namespaces/default/secrets";
const SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

const secret = (name: string, value = "1"): unknown => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name },
  type: "Opaque",
  data: { value: Buffer.from(value).toString("base64") },
});

const slice = (name: string, labels: Readonly<Record<string, string>>): unknown => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name, labels },
  addressType: "IPv4",
  ports: [{ name: "", port: 80, protocol: "TCP" }],
  endpoints: [{ addresses: ["10.1.2.3"], conditions: { ready: true } }],
});

async function fakeSubject(watchList: boolean): Promise<Subject> {
  const dir = mkdtempSync(join(tmpdir(), "headgate-contract-"));
  const fake = new FakeApiServer({
    watchList: watchList ? "on" : "error-event",
    bookmarkMs: 100,
    tokens: new Set(["admin-token", "stranger-token"]),
  });
  await fake.start();
  fake.strangers.add("stranger-token");
  writeFileSync(join(dir, "admin"), fake.kubeconfig({ token: "admin-token" }));
  writeFileSync(join(dir, "stranger"), fake.kubeconfig({ token: "stranger-token" }));
  return {
    url: fake.url,
    watchList,
    shortWatchS: 1,
    admin: join(dir, "admin"),
    stranger: join(dir, "stranger"),
    request: async (method, path, body) => {
      const headers = { authorization: "Bearer admin-token" };
      const sent = await fetch(fake.url + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await sent.text();
      return { status: sent.status, body: text.startsWith("{") ? JSON.parse(text) : text };
    },
    forgetHistory: () => {
      fake.compact();
      return Promise.resolve();
    },
    stop: async () => {
      await fake.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

async function realSubject(etcd: "3.5" | "3.4"): Promise<Subject> {
  const cluster = await startCluster({ etcd, controllers: false, users: [{ name: "stranger", groups: [] }] });
  return {
    url: cluster.url,
    watchList: etcd === "3.5",
    // Two seconds before the end, by a timer that goes once a second or slower.
    shortWatchS: 7,
    admin: cluster.kubeconfig,
    stranger: cluster.kubeconfigFor("stranger"),
    request: (method, path, body) => cluster.request(method, path, body),
    forgetHistory: async () => {
      // The watch cache of a new API server begins at the present version; older ones are asked of etcd, which forgot.
      const flags = readFileSync(`/proc/${cluster.apiserverPid()}/cmdline`, "utf8").split("\0");
      const server = flags.find((flag) => flag.startsWith("--etcd-servers="))?.slice("--etcd-servers=".length) ?? "";
      const range = await fetch(`${server}/v3/kv/range`, { method: "POST", body: JSON.stringify({ key: "AA==" }) });
      const revision = field(field(await range.json(), "header"), "revision");
      const compacted = await fetch(`${server}/v3/kv/compaction`, {
        method: "POST",
        body: JSON.stringify({ revision, physical: true }),
      });
      assert.equal(compacted.status, 200);
      await cluster.restartApiServer();
    },
    stop: () => cluster.stop(),
  };
}

interface Line {
  readonly type: unknown;
  readonly object: unknown;
}

/** Reads a watch until `enough` or its end; `onOpen` is called when the server has begun it. */
async function readWatch(
  client: ApiClient,
  path: string,
  enough: (lines: readonly Line[]) => boolean,
  onOpen: () => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly Line[]> {
  const aborter = new AbortController();
  const answer = await client.open(path, { signal: aborter.signal, msMax: 15_000 });
  const splitter = new LineSplitter(LIMITS.lineBytesMax);
  const lines: Line[] = [];
  try {
    await onOpen();
    for await (const chunk of answer) {
      splitter.push(chunk, (line) => {
        const value: unknown = JSON.parse(line);
        lines.push({ type: field(value, "type"), object: field(value, "object") });
      });
      if (enough(lines)) break;
    }
  } finally {
    aborter.abort();
  }
  return lines;
}

const metadata = (object: unknown, name: string): unknown => field(field(object, "metadata"), name);
const summary = (lines: readonly Line[]): string =>
  lines.map(({ type, object }) => `${String(type)} ${String(metadata(object, "name"))}`).join(", ");

async function refusal(work: Promise<unknown>): Promise<ApiFailure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ApiFailure) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function contract(title: string, start: () => Promise<Subject>): void {
  describe(title, () => {
    let subject: Subject;
    let client: ApiClient;
    const signal = new AbortController().signal;
    const list = (path: string): Promise<unknown> => client.getJson(path, 1e7, { signal, msMax: 10_000 });
    const items = (answer: unknown): readonly unknown[] => field(answer, "items") as readonly unknown[]; // a list has them
    const version = async (path: string): Promise<string> => String(metadata(await list(path), "resourceVersion"));
    const send = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const answer = await subject.request(method, path, body);
      assert.ok(answer.status < 300, JSON.stringify(answer));
      return answer.body;
    };

    before(async () => {
      subject = await start();
      client = new ApiClient(connect(subject.admin), "0.0.0-test");
      for (const name of ["a", "b", "c", "d", "e"]) await send("POST", SECRETS, secret(name));
    });
    after(async () => {
      client.close();
      await subject.stop();
    });

    test("a list comes in pages of one version, its items without kind", async () => {
      const names: unknown[] = [];
      const versions = new Set<unknown>();
      let next: unknown = "";
      for (let pages = 0; pages < 3; pages++) {
        const answer = await list(`${SECRETS}?limit=2${next === "" ? "" : `&continue=${String(next)}`}`);
        assert.equal(field(answer, "kind"), "SecretList");
        for (const item of items(answer)) {
          names.push(metadata(item, "name"));
          assert.equal(field(item, "kind"), undefined);
        }
        versions.add(metadata(answer, "resourceVersion"));
        next = metadata(answer, "continue") ?? "";
      }
      assert.equal(next, "");
      assert.deepEqual(names, ["a", "b", "c", "d", "e"]);
      assert.equal(versions.size, 1);
    });

    test("an empty list has items, and a version to watch from", async () => {
      const answer = await list(`${SECRETS}?fieldSelector=metadata.name%3Dnobody&limit=500`);
      assert.deepEqual(field(answer, "items"), []);
      assert.match(String(metadata(answer, "resourceVersion")), /^\d+$/);
    });

    test("a watch goes on from a list's version, and again from an event's", async () => {
      const from = await version(SECRETS);
      await send("POST", SECRETS, secret("w"));
      await send("PATCH", `${SECRETS}/w`, { data: { value: "Mg==" } });
      await send("DELETE", `${SECRETS}/w`);
      const lines = await readWatch(client, `${SECRETS}?watch=1&resourceVersion=${from}`, (seen) => seen.length === 3);
      assert.equal(summary(lines), "ADDED w, MODIFIED w, DELETED w");
      for (const { object } of lines) {
        assert.equal(field(object, "kind"), "Secret");
        assert.equal(metadata(object, "namespace"), "default");
      }
      const versions = lines.map(({ object }) => metadata(object, "resourceVersion"));
      assert.equal(new Set(versions).size, 3);
      const rest = await readWatch(
        client,
        `${SECRETS}?watch=1&resourceVersion=${String(versions[0])}`,
        (seen) => seen.length === 2,
      );
      assert.equal(summary(rest), "MODIFIED w, DELETED w");
    });

    test("a watch ends in order after timeoutSeconds, with a bookmark before", async () => {
      const from = await version(SECRETS);
      const seconds = subject.shortWatchS;
      const path = `${SECRETS}?watch=1&resourceVersion=${from}&allowWatchBookmarks=true&timeoutSeconds=${seconds}`;
      // The real one sends none to a watch of a resource that never changed meanwhile.
      const change = (): Promise<unknown> => send("PATCH", `${SECRETS}/e`, { data: { value: "Mg==" } });
      const lines = await readWatch(client, path, () => false, change);
      assert.equal(lines[0]?.type, "MODIFIED");
      const bookmark = lines.find(({ type }) => type === "BOOKMARK");
      assert.equal(field(bookmark?.object, "kind"), "Secret");
      assert.match(String(metadata(bookmark?.object, "resourceVersion")), /^\d+$/);
      assert.equal(metadata(bookmark?.object, "annotations"), undefined);
    });

    test("WatchList gives all objects and a bookmark that ends them, or one ERROR event with code 500", async () => {
      const query = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
      const done = (seen: readonly Line[]): boolean => seen.some(({ type }) => type === "BOOKMARK" || type === "ERROR");
      const lines = await readWatch(client, `${SECRETS}?${query}`, done);
      const last = lines.at(-1);
      if (subject.watchList) {
        assert.equal(summary(lines.slice(0, -1)), "ADDED a, ADDED b, ADDED c, ADDED d, ADDED e");
        assert.equal(last?.type, "BOOKMARK");
        assert.equal(field(metadata(last.object, "annotations"), "k8s.io/initial-events-end"), "true");
      } else {
        assert.equal(lines.length, 1);
        assert.equal(last?.type, "ERROR");
        assert.equal(field(last.object, "code"), 500);
      }
    });

    test("a field selector names one Secret, in lists and watches", async () => {
      const only = "fieldSelector=metadata.name%3Dc";
      const answer = await list(`${SECRETS}?${only}&limit=500`);
      assert.deepEqual(
        items(answer).map((item) => metadata(item, "name")),
        ["c"],
      );
      const from = String(metadata(answer, "resourceVersion"));
      await send("PATCH", `${SECRETS}/b`, { data: { value: "Mw==" } });
      await send("PATCH", `${SECRETS}/c`, { data: { value: "Mw==" } });
      const lines = await readWatch(
        client,
        `${SECRETS}?watch=1&${only}&resourceVersion=${from}`,
        (seen) => seen.length === 1,
      );
      assert.equal(summary(lines), "MODIFIED c");
    });

    test("what leaves a label selector is deleted for its watchers", async () => {
      const belonging = "labelSelector=kubernetes.io%2Fservice-name";
      const from = await version(`${SLICES}?${belonging}`);
      await send("POST", SLICES, slice("loose", {}));
      await send("POST", SLICES, slice("web-1", { "kubernetes.io/service-name": "web" }));
      await send("PATCH", `${SLICES}/web-1`, { metadata: { labels: { "kubernetes.io/service-name": null } } });
      await send("PATCH", `${SLICES}/loose`, { metadata: { labels: { "kubernetes.io/service-name": "web" } } });
      const lines = await readWatch(
        client,
        `${SLICES}?watch=1&${belonging}&resourceVersion=${from}`,
        (seen) => seen.length === 3,
      );
      assert.equal(summary(lines), "ADDED web-1, DELETED web-1, ADDED loose");
      await send("DELETE", `${SLICES}/web-1`);
      await send("DELETE", `${SLICES}/loose`);
    });

    test("refusals are Status objects: 401, 403, 404, and text where the group is unknown", async () => {
      const dir = mkdtempSync(join(tmpdir(), "headgate-contract-"));
      writeFileSync(join(dir, "bad"), readFileSync(subject.admin, "utf8").replace(/admin-token/, "expired-token"));
      const bad = new ApiClient(connect(join(dir, "bad")), "0.0.0-test");
      const stranger = new ApiClient(connect(subject.stranger), "0.0.0-test");
      const ask = (who: ApiClient, path: string): Promise<ApiFailure> =>
        refusal(who.getJson(path, 1e6, { signal, msMax: 10_000 }));
      const unknown = await ask(bad, SECRETS);
      assert.deepEqual([unknown.status, unknown.message], [401, "API server refused (401): Unauthorized"]);
      const forbidden = await ask(stranger, "/api/v1/services");
      assert.equal(forbidden.status, 403);
      assert.match(forbidden.message, /services is forbidden: User ".+" cannot list resource "services"/);
      const absent = await ask(client, "/apis/networking.k8s.io/v1/nothings");
      assert.deepEqual(
        [absent.status, absent.message],
        [404, "API server refused (404): the server could not find the requested resource"],
      );
      const group = await ask(client, "/apis/nothing.example.org/v1/nothings");
      assert.deepEqual([group.status, group.message], [404, "API server refused (404): 404 page not found"]);
      const object = await subject.request("GET", `${SECRETS}/nobody`);
      assert.deepEqual([object.status, field(object.body, "message")], [404, 'secrets "nobody" not found']);
      const twice = await subject.request("POST", SECRETS, secret("a"));
      assert.deepEqual([twice.status, field(twice.body, "reason")], [409, "AlreadyExists"]);
      bad.close();
      stranger.close();
      rmSync(dir, { recursive: true });
    });

    test("the source reads, follows, and comes back when all versions are too old", async () => {
      const store = new Recorder();
      const source = new KubernetesSource({
        connection: connect(subject.admin),
        namespace: "default",
        trim,
        sink: store.sink,
        onState: () => {},
        now: Date.now,
        random: Math.random,
        log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
        version: "0.0.0-test",
        limits: { ...LIMITS, backoffMsMin: 50, backoffMsMax: 500 },
      });
      source.start();
      try {
        source.wantSecrets(new Set(["default/a", "default/none"]));
        await until(() => source.state().synced && store.names("Secret").join() === "a", "synced");
        await send("POST", SLICES, slice("web-1", { "kubernetes.io/service-name": "web" }));
        await until(() => store.names("EndpointSlice").includes("web-1"), "the new slice");
        const kept = metadata(await list(`${SECRETS}?limit=1`), "continue");
        // The compacted version itself can still be read: the token has to be older.
        await send("PATCH", `${SECRETS}/d`, { data: { value: "NA==" } });
        await subject.forgetHistory();
        const expired = await refusal(list(`${SECRETS}?limit=1&continue=${String(kept)}`));
        assert.equal(expired.status, 410);
        assert.equal(await codeOfWatch(client, `${SECRETS}?watch=1&resourceVersion=1`), 410);
        await send("DELETE", `${SLICES}/web-1`);
        await until(() => !store.names("EndpointSlice").includes("web-1"), "the slice is gone");
        await until(() => source.state().troubles.length === 0, "no trouble is left");
      } finally {
        await source.stop();
      }
    });
  });
}

/** The code of a refused watch, whether it comes as the answer's status or as an ERROR event. */
async function codeOfWatch(client: ApiClient, path: string): Promise<unknown> {
  try {
    const lines = await readWatch(client, path, (seen) => seen.length > 0);
    return field(lines[0]?.object, "code");
  } catch (error) {
    return error instanceof ApiFailure ? error.status : error;
  }
}

function connect(kubeconfig: string): ReturnType<typeof loadKubeconfig> {
  return loadKubeconfig({ flag: kubeconfig, environment: null, configured: null, context: null });
}

contract("the fake API server with WatchList", () => fakeSubject(true));
contract("the fake API server without WatchList", () => fakeSubject(false));
if (process.env["HEADGATE_FAKE_ONLY"] !== "1") {
  contract("the real API server on etcd 3.5", () => realSubject("3.5"));
  contract("the real API server on etcd 3.4", () => realSubject("3.4"));
}
