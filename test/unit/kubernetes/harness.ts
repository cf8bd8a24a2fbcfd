// A KubernetesSource on a fake API server, with a small store behind it.

import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../../../agent/kubernetes/connection.ts";
import type { Trim } from "../../../agent/kubernetes/intake.ts";
import { KubernetesSource } from "../../../agent/kubernetes/kubernetes-source.ts";
import { LIMITS } from "../../../agent/kubernetes/limits.ts";
import type { Limits } from "../../../agent/kubernetes/limits.ts";
import { refKey, refOf } from "../../../agent/objects/objects.ts";
import type { KubernetesObject } from "../../../agent/objects/objects.ts";
import { trimObject } from "../../../agent/objects/trim.ts";
import type { Change, Refusal, SourceState } from "../../../agent/store/source.ts";
import { FakeApiServer } from "../../fakes/kube-apiserver.ts";
import type { FakeOptions } from "../../fakes/kube-apiserver.ts";
import type { FakeObject } from "../../fakes/kube-objects.ts";

/** Short times: what takes seconds with a real server takes milliseconds here, in the same order. */
export const FAST: Limits = {
  ...LIMITS,
  listMsMax: 2_000,
  answerMsMax: 500,
  initialQuietMsMax: 150,
  initialMsMax: 1_000,
  quietMsMax: 400,
  steadyMs: 200,
  proofMs: 20,
  backoffMsMin: 5,
  backoffMsMax: 40,
  refusedMs: 50,
};

export const trim: Trim = (raw) =>
  trimObject(raw, {
    strict: false,
    position: null,
    inspectKeyPair: (certificate, key) =>
      certificate === "CERT" && key === "KEY"
        ? { kind: "good", certificate, key, names: ["shop.example.org"], notBefore: 0, notAfter: 1, fingerprint: "00" }
        : { kind: "bad", field: "data", message: "is no key pair", fix: "put one there" },
  });

/** The least a store does: current objects and refusals, and all batches as they came. */
export class Recorder {
  readonly objects = new Map<string, KubernetesObject>();
  readonly refusals = new Map<string, Refusal>();
  readonly batches: (readonly Change[])[] = [];
  readonly states: SourceState[] = [];
  readonly logged: string[] = [];
  /** Set: the next call throws. */
  broken = false;

  readonly sink = (changes: readonly Change[]): void => {
    if (this.broken) {
      this.broken = false;
      throw new Error("the sink is broken");
    }
    this.batches.push(changes);
    for (const change of changes) this.#apply(change);
  };

  names(kind: string): string[] {
    return [...this.objects.values()]
      .filter((object) => object.kind === kind)
      .map((object) => object.meta.name)
      .toSorted();
  }

  /** An object that is refused is not gone: the last good one stays. */
  #dropAllOf(kind: string): void {
    const refused = [...this.refusals.values()].map(({ ref }) => (ref === null ? "" : refKey(ref)));
    for (const [key, object] of this.objects) {
      if (object.kind === kind && !refused.includes(key)) this.objects.delete(key);
    }
  }

  #apply(change: Change): void {
    switch (change.kind) {
      case "put":
        this.objects.set(refKey(refOf(change.object)), change.object);
        return;
      case "delete":
        this.objects.delete(refKey(change.ref));
        return;
      case "replace":
        this.#dropAllOf(change.objectKind);
        for (const object of change.objects) this.objects.set(refKey(refOf(object)), object);
        return;
      case "refuse":
        this.refusals.set(change.refusal.where, change.refusal);
        return;
      case "accept":
        this.refusals.delete(change.where);
        return;
    }
  }
}

export interface Rig {
  readonly fake: FakeApiServer;
  readonly source: KubernetesSource;
  readonly store: Recorder;
}

export interface RigOptions {
  readonly fake?: FakeOptions;
  readonly limits?: Partial<Limits>;
  readonly connection?: Connection;
  readonly namespace?: string;
  /** Objects that are there before the source starts. */
  readonly objects?: readonly FakeObject[];
  /** What else is to be done with the fake before that. */
  readonly prepare?: (fake: FakeApiServer) => void;
}

/** Starts both; they end with the test. */
export async function startRig(t: TestContext, options: RigOptions = {}): Promise<Rig> {
  const fake = new FakeApiServer(options.fake);
  await fake.start();
  for (const object of options.objects ?? []) fake.put(object);
  options.prepare?.(fake);
  const store = new Recorder();
  const log = (message: string): void => void store.logged.push(message);
  const source = new KubernetesSource({
    connection: options.connection ?? plainConnection(fake),
    namespace: options.namespace ?? null,
    trim,
    sink: store.sink,
    onState: (state) => store.states.push(state),
    now: Date.now,
    random: Math.random,
    log: { debug: log, info: log, warn: log, error: log },
    version: "0.0.0-test",
    limits: { ...FAST, ...options.limits },
  });
  t.after(async () => {
    await source.stop();
    await fake.stop();
  });
  source.start();
  return { fake, source, store };
}

/** A connection to the fake without a kubeconfig. */
export function plainConnection(fake: FakeApiServer): Connection {
  const tls = { ca: null, cert: null, key: null, serverName: null, skipVerify: true };
  return {
    server: fake.url,
    kubectlFlags: "--kubeconfig /etc/headgate/kubeconfig",
    credentials: () =>
      Promise.resolve({ server: new URL(fake.url), headers: {}, tls, proxyAgent: null, key: fake.url }),
    refused: () => {},
  };
}

/** Waits until `met`, at most 10 s. */
export async function until(met: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!met()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await delay(3);
  }
}

export function ingress(name: string, options: { readonly host?: string; readonly path?: unknown } = {}): FakeObject {
  const backend = { service: { name: "web", port: { number: 80 } } };
  const path = options.path === undefined ? "/" : options.path;
  const rule = {
    host: options.host ?? `${name}.example.org`,
    http: { paths: [{ path, pathType: "Prefix", backend }] },
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace: "shop" },
    spec: { ingressClassName: "nginx", rules: [rule] },
  };
}

export function service(name: string): FakeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "shop" },
    spec: { type: "ClusterIP", clusterIP: "10.0.0.9", ports: [{ port: 80, targetPort: 8080, protocol: "TCP" }] },
  };
}

export function slice(
  name: string,
  address: string,
  labels: Record<string, string> = { "kubernetes.io/service-name": "web" },
): FakeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: [{ addresses: [address], conditions: { ready: true, serving: true, terminating: false } }],
  };
}

export function secret(
  name: string,
  data: Record<string, string> = { "tls.crt": "CERT", "tls.key": "KEY" },
): FakeObject {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")] as const);
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "shop" },
    type: "kubernetes.io/tls",
    data: Object.fromEntries(encoded),
  };
}

export const ingressClass: FakeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "IngressClass",
  metadata: { name: "nginx" },
  spec: { controller: "k8s.io/ingress-nginx" },
};
