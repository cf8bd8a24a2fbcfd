// Many hosts, each with a Service of five endpoints: as manifests for the edge, and as blocks for a hand-written
// nginx.conf. All endpoints are addresses in 127.0.0.0/8, answered by one nginx.

import type { Machine } from "../../edges/machine.ts";
import { ingress, service, slice } from "../../e2e/support/objects.ts";
import { frame } from "./nginx-machine.ts";

const PEERS = 5;
export const PEER_PORT = 8000;
const HOSTS_PER_FILE = 100;
const ANSWER_BYTES = 1024;

export function hostName(index: number): string {
  return `host-${index}.example.test`;
}

/** "shared": all hosts have the same five endpoints. "own": no two hosts share one, as no two Services share Pods. */
export type Layout = "shared" | "own";

function peersOf(index: number, layout: Layout): readonly string[] {
  const at = layout === "own" ? index : 0;
  return Array.from({ length: PEERS }, (_, peer) => `127.${1 + Math.floor(at / 250)}.${at % 250}.${1 + peer}`);
}

/** Manifests by file name. JSON is YAML. */
export function manifests(count: number, layout: Layout): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const name = `host-${index}`;
    const objects = [
      service(name),
      slice(
        name,
        peersOf(index, layout).map((address) => ({ address, port: PEER_PORT })),
      ),
      ingress({ name, host: hostName(index), className: null, paths: [{ path: "/", service: name }] }),
    ];
    const file = `hosts-${Math.floor(index / HOSTS_PER_FILE)}.yaml`;
    const text = objects.map((object) => `${JSON.stringify(object)}\n---\n`).join("");
    files.set(file, (files.get(file) ?? "") + text);
  }
  return files;
}

/** nginx.conf of all endpoints: every address of 127.0.0.0/8 answers 1 kB. */
export function peersConfiguration(machine: Machine): string {
  return `${frame(machine, 1, 65_536)}
http {
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    server {
        listen 0.0.0.0:${PEER_PORT} backlog=16384;
        location / {
            return 200 "${"x".repeat(ANSWER_BYTES)}";
        }
    }
}
`;
}

export interface StaticOptions {
  readonly count: number;
  readonly layout: Layout;
  readonly port: number;
  readonly workers: number;
  readonly connections: number;
  /** Kept connections of each upstream block. */
  readonly keepalive: number;
  readonly accessLog: string;
  /** The `log_format headgate` of our own configuration. */
  readonly logFormat: string;
  /** `load_module` lines. */
  readonly modules: readonly string[];
  /** Directives of a location, without proxy_pass. */
  readonly location: readonly string[];
  /** Further text for the `http` block. */
  readonly more: string;
}

/** What a careful person writes by hand for these hosts: a server block and an upstream block for each. */
export function staticConfiguration(machine: Machine, options: StaticOptions): string {
  const blocks = Array.from({ length: options.count }, (_, index) => {
    const servers = peersOf(index, options.layout).map((address) => `        server ${address}:${PEER_PORT};`);
    return `    upstream upstream_${index} {
${servers.join("\n")}
        keepalive ${options.keepalive};
        keepalive_requests 10000;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:${options.port};
        listen ${machine.address}:${options.port};
        server_name ${hostName(index)};
        location / {
            proxy_pass http://upstream_${index};
${options.location.map((line) => `            ${line}`).join("\n")}
        }
    }`;
  });
  return `${options.modules.join("\n")}
${frame(machine, options.workers, options.connections)}
http {
    default_type text/plain;
    server_tokens off;
    tcp_nodelay on;
    reset_timedout_connection on;
    keepalive_timeout 75s;
    keepalive_requests 10000;
    ${options.logFormat}
    access_log ${options.accessLog} headgate buffer=64k flush=1s;
    server_names_hash_max_size ${Math.max(8192, options.count * 4)};
    server_names_hash_bucket_size 128;
    client_max_body_size 1m;
${blocks.join("\n")}
${options.more}
}
`;
}
