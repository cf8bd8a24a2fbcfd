// An edge with one host and one Service of ten peers, each a nginx of its own on the edge's machine.

import { join } from "node:path";
import { Edge } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";
import { ingress, service, slice } from "../../e2e/support/objects.ts";
import type { Running } from "../../edges/sandbox.ts";
import { hostName } from "./many-hosts.ts";
import { runOnManifests } from "./manifests-edge.ts";
import { frame, startNginx } from "./nginx-machine.ts";

const PEERS = 10;
const PORT = 8000;
const WORKERS = 2;
const SERVICE = "ten";

export interface EjectedPeer {
  readonly address: string;
  readonly state: string;
  /** How many count for its back-off. */
  readonly ejections: number;
}

export class TenPeers {
  readonly edge: Edge;
  readonly #running = new Map<number, Running>();

  private constructor(edge: Edge) {
    this.edge = edge;
  }

  /** `sections` are those of the configuration. */
  static async start(name: string, sections: Readonly<Record<string, object>>): Promise<TenPeers> {
    const ten = new TenPeers(await Edge.prepare({ name, args: [], portFlags: false }));
    try {
      for (let peer = 0; peer < PEERS; peer++) await ten.startPeer(peer);
      await ten.#write();
      await runOnManifests(ten.edge, { workerProcesses: WORKERS, workerConnections: 4096 }, sections);
      await ten.edge.ready();
      await eventually("it serves", async () => (await ten.edge.ask({ host: hostName(0) })).status === 200);
      return ten;
    } catch (error) {
      await ten.stop();
      throw error;
    }
  }

  /** Its host is `hostName(0)`. */
  async #write(): Promise<void> {
    const peers = Array.from({ length: PEERS }, (_, peer) => ({ address: addressOf(peer), port: PORT }));
    const objects = [
      service(SERVICE),
      slice(SERVICE, peers),
      ingress({ name: SERVICE, host: hostName(0), className: null, paths: [{ path: "/", service: SERVICE }] }),
    ];
    await this.edge.writeManifest("ten.yaml", objects.map((object) => `${JSON.stringify(object)}\n---\n`).join("")); // JSON is YAML
  }

  async startPeer(peer: number): Promise<void> {
    const { machine } = this.edge;
    const probePort = PORT + 1 + peer;
    const text = `${frame(machine, 1, 8192)}
http {
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    server {
        listen ${addressOf(peer)}:${PORT};
        listen ${machine.address}:${probePort};
        location / {
            return 200 "peer ${peer}";
        }
    }
}
`;
    this.#running.set(peer, await startNginx(machine, `peer-${peer}`, text, probePort));
  }

  /** Ends a peer at once, with its connections. */
  async killPeer(peer: number): Promise<void> {
    const { machine } = this.edge;
    const running = this.#running.get(peer);
    if (running === undefined) throw new Error(`peer ${peer} does not run`);
    // Both with one call: a worker that is left would go on listening, a master that is left would start another.
    await machine.exec(["sh", "-c", `kill -KILL ${running.pidInside} $(pgrep -P ${running.pidInside})`]);
    await running.exited;
  }

  /** What nginx says of the peers that are ejected. */
  async ejected(): Promise<readonly EjectedPeer[]> {
    const { backends } = (await this.#get("/v1/peers")) as {
      readonly backends: readonly { readonly peers: readonly EjectedPeer[] }[];
    }; // the push API's own answer
    return backends.flatMap(({ peers }) => peers).filter(({ state }) => state === "ejected");
  }

  async #get(path: string): Promise<unknown> {
    const socket = join(this.edge.stateDir, "run/push/push.sock");
    const { stdout } = await this.edge.machine.exec(["curl", "-sSf", "--unix-socket", socket, `http://nginx${path}`]);
    return JSON.parse(stdout);
  }

  /** How often nginx could not use this peer so far. */
  async failures(peer: number): Promise<number> {
    const log = join(this.edge.stateDir, "log/nginx-error.log");
    const { stdout } = await this.edge.machine.exec(
      ["grep", "-c", `upstream: "http://${addressOf(peer)}:${PORT}`, log],
      { reject: false },
    );
    return Number(stdout.trim());
  }

  stop(): Promise<void> {
    return this.edge.stop();
  }
}

function addressOf(peer: number): string {
  return `127.0.1.${peer + 1}`;
}
