// Lines of pushes with everything filled in, and a counter of generations.

import type { BackendValue, CertificateValue, HostValue, RouteValue } from "../../../agent/render/documents.ts";
import type { Line } from "./push.ts";

/** Generations in the order in which lines are made. */
export class Lines {
  #generation: number;

  constructor(start = 0) {
    this.#generation = start;
  }

  next(): number {
    this.#generation += 1;
    return this.#generation;
  }

  /** `peers` are "address:port", IPv6 in brackets. */
  backend(key: string, peers: readonly string[], change: Partial<BackendValue> = {}): Line {
    const [namespace = "", service = "", port = ""] = key.split("/");
    const value: BackendValue = {
      namespace,
      service,
      port,
      balancer: "round_robin",
      addresses: peers.map((peer) => peer.slice(0, peer.lastIndexOf(":")).replace(/^\[|\]$/g, "")),
      ports: peers.map((peer) => Number(peer.slice(peer.lastIndexOf(":") + 1))),
      weights: peers.map(() => 1),
      ...change,
    };
    return { kind: "backend", key, generation: this.next(), value };
  }

  route(key: string, backend: string, change: Partial<RouteValue> = {}): Line {
    const [namespace = "", ingress = ""] = key.split("/");
    const value: RouteValue = {
      namespace,
      ingress,
      service: backend.split("/")[1] ?? "",
      path: "/",
      profile: "http",
      backends: backend === "" ? [] : [{ backend, weight: 1 }],
      ssl_redirect: "never",
      filters: [],
      closed: "",
      timeouts: { connect_ms: 5_000, send_ms: 60_000, read_ms: 60_000 },
      retry: { tries: 3, timeout_ms: 0 },
      ...change,
    };
    return { kind: "route", key, generation: this.next(), value };
  }

  host(name: string, prefixes: Readonly<Record<string, string>>, change: Partial<HostValue> = {}): Line {
    const value: HostValue = {
      alias: "",
      expressions: [],
      exact: {},
      prefixes,
      fallback: "",
      strict_paths: false,
      ...change,
    };
    return { kind: "host", key: `ingress/${name}`, generation: this.next(), value };
  }

  serverName(name: string, certificate: string, second?: string): Line {
    const value = { certificate, ...(second !== undefined && { second }) };
    return { kind: "server_name", key: `ingress/${name}`, generation: this.next(), value };
  }

  certificate(key: string, pem: { readonly certificate: string; readonly key: string }): Line {
    const value: CertificateValue = { ...pem, fingerprint: "ab:cd", names: ["x"], not_after: 1_900_000_000 };
    return { kind: "certificate", key, generation: this.next(), value };
  }

  users(key: string, users: Readonly<Record<string, string>>): Line {
    return { kind: "users", key, generation: this.next(), value: { users } };
  }

  delete(kind: Line["kind"], key: string): Line {
    return { kind, key, generation: this.next(), value: null };
  }

  /** One host with one route and one backend: all of them named after `name`. */
  site(name: string, peers: readonly string[], host: Partial<HostValue> = {}): readonly Line[] {
    const label = name.replaceAll(/[^a-z0-9]/g, "-");
    return [
      this.backend(`test/${label}/80`, peers),
      this.route(`test/${label}/all`, `test/${label}/80`),
      this.host(name, { "/": `test/${label}/all` }, host),
    ];
  }
}
