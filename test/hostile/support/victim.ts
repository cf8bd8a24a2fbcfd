// The tenant whose manifests are harmed: two paths of one host, another host with a certificate, one Service.

import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Answer } from "../../e2e/support/ask.ts";
import type { Backend } from "../../e2e/support/backend.ts";
import { makePair, type TestPair } from "../../e2e/support/certificates.ts";
import type { Edge } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";

export const VICTIM = "victim.example.test";
const SIDE_HOST = "side.example.test";
export const VICTIM_FILE = "victim.yaml";
export const BYSTANDER_FILE = "bystander.yaml";

/**
 * Who answers on the victim's two paths and on its other host, there with the certificate's name: "served" is the
 * backend that the victim's good file names, "other" the one that it will name when it is mended.
 */
export interface Answers {
  readonly good: string;
  readonly side: string;
  readonly host: string;
}

/** All of it served by one backend. */
export function allBy(who: string): Answers {
  return { good: who, side: who, host: `${who} as victim` };
}

/** Answers that differ from "all as before" in what is told. */
export function asBefore(but: Partial<Answers> = {}): Answers {
  return { ...allBy("served"), ...but };
}

export class Site {
  readonly edge: Edge;
  #served: Backend;
  #other: Backend;
  readonly pair: TestPair;
  /** Another pair, whose key does not belong to the victim's certificate. */
  readonly otherPair: TestPair;

  private constructor(edge: Edge, backends: readonly [Backend, Backend], pairs: readonly [TestPair, TestPair]) {
    this.edge = edge;
    [this.#served, this.#other] = backends;
    [this.pair, this.otherPair] = pairs;
  }

  static async make(edge: Edge, one: Backend, two: Backend): Promise<Site> {
    const pairs = await Promise.all([makePair("victim", [SIDE_HOST]), makePair("other", [SIDE_HOST])]);
    return new Site(edge, [one, two], pairs);
  }

  get served(): Backend {
    return this.#served;
  }

  get other(): Backend {
    return this.#other;
  }

  get path(): string {
    return join(this.edge.manifestDir, VICTIM_FILE);
  }

  /** Writes or replaces the victim's file. */
  write(content: string | Buffer): Promise<void> {
    return writeFile(this.path, content);
  }

  /** The manifests as they should be: four documents, in the order Service, EndpointSlice, Secret, Ingress. */
  text(backend: Backend = this.served): string {
    return `apiVersion: v1
kind: Service
metadata: {name: victim, namespace: shop}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: victim-1, namespace: shop, labels: {kubernetes.io/service-name: victim}}
addressType: IPv4
ports: [{name: http, port: ${backend.port}, protocol: TCP}]
endpoints: [{addresses: [${backend.address}], conditions: {ready: true}}]
---
apiVersion: v1
kind: Secret
metadata: {name: victim-tls, namespace: shop}
type: kubernetes.io/tls
data:
  tls.crt: ${base64(this.pair.certificate)}
  tls.key: ${base64(this.pair.key)}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: victim
  namespace: shop
  annotations: {}
spec:
  ingressClassName: headgate
  tls: [{hosts: [${SIDE_HOST}], secretName: victim-tls}]
  rules:
    - host: ${VICTIM}
      http:
        paths:
          - {path: /good, pathType: Prefix, backend: {service: {name: victim, port: {number: 80}}}}
          - {path: /side, pathType: Prefix, backend: {service: {name: victim, port: {name: http}}}}
    - host: ${SIDE_HOST}
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: victim, port: {number: 80}}}}
`;
  }

  /** The good text with `from` replaced, which must stand in it. */
  swapped(from: string, to: string): string {
    const text = this.text();
    assert.ok(text.includes(from), `${from} stands in the victim's manifests`);
    return text.replace(from, () => to);
  }

  /** Only the good file is there, it names the other backend now, and that one serves: so the file was read. */
  async mend(): Promise<void> {
    const dir = this.edge.manifestDir;
    const strangers = (await readdir(dir)).filter((name) => name !== BYSTANDER_FILE);
    await Promise.all(strangers.map((name) => rm(join(dir, name), { recursive: true, force: true })));
    this.swapBackends();
    await this.write(this.text());
    await this.answersAre(allBy("served"));
  }

  /** "served" is the other one from now on. */
  swapBackends(): void {
    [this.#served, this.#other] = [this.#other, this.#served];
  }

  async answers(): Promise<Answers> {
    const [good, side, host] = await Promise.all([
      this.edge.ask({ host: VICTIM, path: "/good" }),
      this.edge.ask({ host: VICTIM, path: "/side" }),
      this.edge.ask({ host: SIDE_HOST, tls: true }),
    ]);
    return { good: this.#who(good), side: this.#who(side), host: `${this.#who(host)} as ${host.certificate}` };
  }

  #who({ status, body }: Answer): string {
    if (status !== 200) return `status ${status}`;
    const name = String((JSON.parse(body) as { backend: unknown }).backend); // our backend's JSON
    return name === this.served.name ? "served" : name === this.other.name ? "other" : name;
  }

  /** Waits for these answers. */
  async answersAre(expected: Answers): Promise<void> {
    let seen: Answers | null = null;
    await eventually("the victim answers as it should", async () => {
      seen = await this.answers();
      return JSON.stringify(seen) === JSON.stringify(expected);
    }).catch((cause: unknown) => {
      assert.deepEqual(seen, expected, String(cause));
    });
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
