// Servers of other years, from what a real 1.21 answered (test/kube-old/recorded.json, held to it by `test:all`).

import { createServer, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { loadKubeconfig } from "../../../agent/kubernetes/kubeconfig.ts";
import { KubernetesSource } from "../../../agent/kubernetes/kubernetes-source.ts";
import { expectAllRead } from "../../kube-old/expect.ts";
import { AGES } from "../../kube-old/objects.ts";
import { FAST, Recorder, trim, until } from "./harness.ts";

interface Recorded {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}
const RECORDED = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../kube-old/recorded.json"), "utf8"),
) as Readonly<Record<string, Recorded>>; // written by test/kube-old/live.test.ts

/** Answers what was recorded, but for what a server of that age has not. */
class ReplayServer {
  hidden: readonly string[];
  readonly asked: string[] = [];
  readonly #server: Server;

  constructor(hidden: readonly string[]) {
    this.hidden = hidden;
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://replay");
      this.asked.push(url.pathname);
      const recorded = this.hidden.some(
        (version) => url.pathname.startsWith(`/apis/${version}/`) || url.pathname === `/apis/${version}`,
      )
        ? undefined
        : RECORDED[url.pathname];
      response.setHeader("content-type", "application/json");
      if (recorded === undefined || recorded.status !== 200) {
        response.statusCode = 404;
        response.end(
          JSON.stringify({ kind: "Status", code: 404, message: "the server could not find the requested resource" }),
        );
      } else if (url.searchParams.has("sendInitialEvents")) {
        // 1.21: "resourceVersionMatch is forbidden for watch".
        response.statusCode = 422;
        response.end(
          JSON.stringify({ kind: "Status", code: 422, message: "resourceVersionMatch is forbidden for watch" }),
        );
      } else if (url.searchParams.has("watch")) {
        response.flushHeaders();
      } else {
        response.end(JSON.stringify(recorded.body));
      }
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // it listens on TCP
  }

  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function start(t: TestContext, hidden: readonly string[]): Promise<{ server: ReplayServer; recorder: Recorder }> {
  const server = new ReplayServer(hidden);
  const url = await server.start();
  const dir = mkdtempSync(join(tmpdir(), "headgate-old-"));
  const kubeconfig = join(dir, "kubeconfig");
  const cluster = { name: "c", cluster: { server: url } };
  const context = { name: "c", context: { cluster: "c", user: "u" } };
  const user = { name: "u", user: { token: "t" } };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [cluster],
    contexts: [context],
    users: [user],
    "current-context": "c",
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  const recorder = new Recorder();
  const source = new KubernetesSource({
    connection: loadKubeconfig({ flag: kubeconfig, environment: null, configured: null, context: null }),
    namespace: null,
    trim,
    sink: recorder.sink,
    onState: (state) => recorder.states.push(state),
    now: () => Date.now(),
    random: Math.random,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    version: "0",
    limits: { ...FAST, rediscoverMs: 20 },
  });
  source.start();
  t.after(async () => {
    await source.stop();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return { server, recorder };
}

function allRead(recorder: Recorder): boolean {
  try {
    expectAllRead(recorder);
    const { synced = false, troubles = [] } = recorder.states.at(-1) ?? {};
    // Not even that a server from before 1.18 has no IngressClasses.
    return synced && troubles.length === 0;
  } catch {
    return false;
  }
}

describe("servers of other years", () => {
  for (const [age, hidden] of Object.entries(AGES)) {
    test(`all is read of ${age}`, async (t) => {
      const { recorder } = await start(t, hidden);
      await until(() => allRead(recorder), "all is read, and nothing is wrong").catch((error: unknown) => {
        expectAllRead(recorder);
        throw error;
      });
    });
  }

  test("a modern server is asked nothing about its versions", async (t) => {
    const { server, recorder } = await start(t, []);
    await until(() => allRead(recorder), "all is read");
    assert.deepEqual(
      server.asked.filter((path) => /^\/apis(\/[^/]+\/[^/]+)?$/.test(path)),
      [],
    );
  });

  test("a server that is upgraded under a running agent goes on being read, and nothing is gone meanwhile", async (t) => {
    const { server, recorder } = await start(t, AGES["1.13"] ?? []);
    await until(() => allRead(recorder), "all is read of the old one");
    server.hidden = ["extensions/v1beta1", "networking.k8s.io/v1beta1", "discovery.k8s.io/v1beta1"];
    server.dropConnections();
    await until(() => server.asked.includes("/apis/networking.k8s.io/v1/ingresses"), "the new version is read");
    await until(() => allRead(recorder), "all is well again");
    const gone = recorder.batches.flat().filter((change) => change.kind === "delete");
    assert.deepEqual(gone, []);
  });
});
