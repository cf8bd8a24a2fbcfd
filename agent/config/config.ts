// The configuration as the rest of the agent reads it: complete, valid, with units in the names.

import type { Traffic } from "../render/traffic.ts";

export interface Config {
  /** This edge's name, by default the machine's host name. */
  readonly edge: string;
  /** Absolute. Counter, snapshot, rendered files, self-signed certificate; survives a reboot. */
  readonly stateDir: string;
  /** Absolute. Sockets and pid files; by default `<stateDir>/run`. */
  readonly runDir: string;
  readonly source: SourceConfig;
  readonly ingress: IngressConfig;
  readonly listeners: ListenersConfig;
  readonly nginx: NginxConfig;
  readonly traffic: Traffic;
  readonly endpoints: {
    /** Where endpoints are asked, where a Service says nothing itself. */
    readonly mode: "pod" | "nodePort" | "clusterIP";
    /** The zone of this machine, as the label topology.kubernetes.io/zone of Nodes has it; null: none. */
    readonly zone: string | null;
    readonly allowLocal: boolean;
    /** Networks that no endpoint may be in. */
    readonly refused: readonly string[];
    /** Patterns of the DNS names that Services of type ExternalName may be. */
    readonly externalNames: readonly string[];
    /** Whether peers are tried by connecting to them, to say what cannot be reached. */
    readonly probe: boolean;
  };
  readonly api: {
    /** Unix socket of the CLI; by default `<runDir>/agent.sock`. */
    readonly socket: string;
    /** Loopback address and port of /healthz, /readyz and /metrics; null: none. */
    readonly address: string;
    readonly port: number | null;
  };
  readonly log: { readonly level: "error" | "warn" | "info" | "debug"; readonly format: "auto" | "json" | "logfmt" };
}

export type SourceConfig =
  | { readonly kind: "manifests"; readonly directory: string }
  | {
      readonly kind: "kubernetes";
      /** null: KUBECONFIG. Never localhost:8080. */
      readonly kubeconfig: string | null;
      /** A flag or Headgate's own variable named it: then it comes before KUBECONFIG, else after it. */
      readonly kubeconfigIsExplicit: boolean;
      readonly context: string | null;
      /** null: all namespaces. */
      readonly namespace: string | null;
      /** Problems of objects are written as Events. */
      readonly events: boolean;
      /** When a list is held back; see ShrinkLimits. */
      readonly shrink: { readonly share: number; readonly minimum: number; readonly holdS: number };
    };

export interface IngressConfig {
  readonly classes: readonly string[];
  readonly classless: "auto" | "true" | "false";
  readonly defaultBackend: { readonly service: string; readonly port: number | string } | null;
  readonly defaultCertificate: string | null;
  /** Where an Ingress says nothing itself. */
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  /** null: all but those that no Ingress may set. */
  readonly allowedResponseHeaders: readonly string[] | null;
}

export interface ListenersConfig {
  readonly addresses: readonly string[];
  readonly httpPort: number;
  readonly httpsPort: number;
}

export interface NginxConfig {
  /** Absolute path of the binary: "/usr/sbin/nginx", or OpenResty's. */
  readonly binary: string;
  /** null: the agent starts nginx as its child. Else the systemd unit that runs it; the agent never starts it. */
  readonly service: string | null;
  /** Extra directories searched for Lua libraries (resty.core). */
  readonly luaPackagePath: readonly string[];
  readonly workerProcesses: number;
  readonly workerConnections: number;
  /** null: as many as the connections want. */
  readonly openFiles: number | null;
  readonly workerShutdownTimeoutS: number;
  readonly accessLog: string | null;
  readonly clientMaxBodyMb: number;
  readonly reloadHoldoffMs: number;
  readonly reloadHoldoffMsMax: number;
}
