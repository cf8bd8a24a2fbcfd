// The table of settings: one entry per key of the configuration file, with its flag, its variable and what it may hold.
// Reading, messages, `headgate run --help` and the checks of the documentation all come from here.

import { type Setting, setting, type SettingKind } from "./setting.ts";
import { TRAFFIC_SETTINGS } from "./traffic-settings.ts";

const NAME = "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?";
const namespaced = { kind: "text", pattern: new RegExp(`^${NAME}/${NAME}$`), example: "shop/web" } as const;
const name = { kind: "text", pattern: new RegExp(`^${NAME}$`), example: "shop" } as const;
/** A DNS name, "*." and one, or "*". Its last label is not digits alone: that would be an address. */
const LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const dnsNames = {
  kind: "list",
  of: "word",
  pattern: new RegExp(`^(?=.{1,255}$)(\\*|(\\*\\.)?(${LABEL}\\.)*(?!\\d+\\.?$)${LABEL}\\.?)$`, "i"),
  example: '"db.example.org", "*.example.org" or "*"',
  min: 0,
  max: 1000,
} as const;
const port = { kind: "integer", min: 1, max: 65_535 } as const;
const path = { kind: "path" } as const;
const millis = { kind: "integer", min: 0, max: 3_600_000 } as const;

export const SETTINGS: readonly Setting[] = [
  setting("edge", name, "name of this edge", { flag: "edge", env: "HEADGATE_EDGE" }),
  setting("stateDir", path, "folder for what survives a reboot", { flag: "state-dir", env: "HEADGATE_STATE_DIR" }),
  setting("runDir", path, "folder for sockets and pid files", { flag: "run-dir", env: "HEADGATE_RUN_DIR" }),
  setting("source.manifests", path, "serve the manifests in this folder", {
    flag: "manifests",
    env: "HEADGATE_MANIFESTS",
  }),
  setting("source.kubernetes.kubeconfig", path, "serve the cluster of this kubeconfig", {
    flag: "kubeconfig",
    env: "HEADGATE_KUBECONFIG",
    nullable: true,
  }),
  setting(
    "source.kubernetes.context",
    { kind: "text", pattern: /^[^\p{Cc}]{1,253}$/u, example: "production" },
    "context of the kubeconfig",
    { flag: "context", env: "HEADGATE_CONTEXT", nullable: true },
  ),
  setting("source.kubernetes.namespace", name, "watch this namespace alone", {
    flag: "namespace",
    env: "HEADGATE_NAMESPACE",
    nullable: true,
  }),
  setting(
    "source.kubernetes.events",
    { kind: "boolean" },
    "write what is wrong with an Ingress, its class or its Service as an Event of that object",
  ),
  setting(
    "source.kubernetes.shrink.share",
    { kind: "integer", min: 0, max: 99 },
    "a list that lacks more than this percentage of the known objects of a kind is held back; 0: none is",
  ),
  setting(
    "source.kubernetes.shrink.minimum",
    { kind: "integer", min: 1, max: 1_000_000 },
    "known objects of a kind from which on its lists are guarded",
  ),
  setting(
    "source.kubernetes.shrink.holdS",
    { kind: "integer", min: 0, max: 604_800 },
    "how long such a list is held back before it is believed; 0: not at all",
  ),
  setting("ingress.classes", { kind: "list", of: "name", min: 1, max: 100 }, "Ingress classes that are served"),
  setting(
    "ingress.classless",
    { kind: "choice", values: ["auto", "true", "false"] },
    "serve Ingresses without a class",
  ),
  setting("ingress.defaultBackend.service", namespaced, "Service for requests that no rule takes"),
  setting("ingress.defaultBackend.port", { kind: "text", pattern: /^[a-z0-9-]{1,15}$/, example: "80" }, "its port"),
  setting("ingress.defaultCertificate", namespaced, "Secret of the default certificate", { nullable: true }),
  setting(
    "listeners.addresses",
    { kind: "list", of: "address", min: 1, max: 64 },
    "address to listen on (repeatable)",
    {
      flag: "address",
      env: "HEADGATE_ADDRESSES",
    },
  ),
  setting("listeners.httpPort", port, "port for http", { flag: "http", env: "HEADGATE_HTTP_PORT" }),
  setting("listeners.httpsPort", port, "port for https", { flag: "https", env: "HEADGATE_HTTPS_PORT" }),
  setting("nginx.binary", path, "nginx or OpenResty binary", { flag: "nginx", env: "HEADGATE_NGINX" }),
  setting(
    "nginx.service",
    { kind: "text", pattern: /^[A-Za-z0-9@:_.-]+\.service$/, example: "headgate-nginx.service" },
    "unit that runs nginx",
    { nullable: true },
  ),
  setting("nginx.luaPackagePath", { kind: "list", of: "path", min: 0, max: 20 }, "more folders of Lua libraries"),
  setting("nginx.openFiles", { kind: "integer", min: 256, max: 10_000_000 }, "files of one worker; by default enough", {
    nullable: true,
  }),
  setting("nginx.workerProcesses", { kind: "integer", min: 0, max: 1024 }, "0: one for each core"),
  setting("nginx.workerConnections", { kind: "integer", min: 64, max: 1_000_000 }, "connections of one worker"),
  setting("nginx.workerShutdownTimeoutS", { kind: "integer", min: 1, max: 86_400 }, "grace of old workers"),
  setting("nginx.accessLog", path, "access log", { nullable: true }),
  setting("nginx.clientMaxBodyMb", { kind: "integer", min: 0, max: 1_000_000 }, "largest request body; 0: no limit"),
  setting("nginx.reloadHoldoffMs", millis, "wait for more before a reload"),
  setting("nginx.reloadHoldoffMsMax", millis, "longest such wait"),
  setting(
    "endpoints.mode",
    { kind: "choice", values: ["pod", "nodePort", "clusterIP"] },
    "where endpoints are asked, where a Service says nothing itself",
  ),
  setting(
    "endpoints.zone",
    { kind: "text", pattern: /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, example: "eu-central-1a" },
    "zone of this machine: endpoints that are hinted for it are preferred",
    { nullable: true },
  ),
  setting("endpoints.refused", { kind: "list", of: "network", min: 0, max: 1000 }, "networks no endpoint may be in"),
  setting("endpoints.externalNames", dnsNames, "DNS names that Services of type ExternalName may be"),
  setting("endpoints.probe", { kind: "boolean" }, "connect to some peers, to say in `status` what cannot be reached"),
  setting("endpoints.allowLocal", { kind: "boolean" }, "allow endpoints on loopback and on this machine", {
    flag: "allow-local-endpoints",
    env: "HEADGATE_ALLOW_LOCAL_ENDPOINTS",
  }),
  setting("api.socket", path, "socket of the CLI", { flag: "socket", env: "HEADGATE_SOCKET" }),
  setting(
    "api.address",
    { kind: "text", pattern: /^(127(\.\d{1,3}){3}|::1)$/, example: "127.0.0.1" },
    "loopback address of /healthz, /readyz and /metrics",
  ),
  setting("api.port", port, "port of /healthz, /readyz and /metrics; 0: none", {
    flag: "api-port",
    env: "HEADGATE_API_PORT",
    nullable: true,
  }),
  setting("log.level", { kind: "choice", values: ["error", "warn", "info", "debug"] }, "what is logged", {
    flag: "log-level",
    env: "HEADGATE_LOG_LEVEL",
  }),
  setting("log.format", { kind: "choice", values: ["auto", "json", "logfmt"] }, "how it is logged", {
    flag: "log-format",
    env: "HEADGATE_LOG_FORMAT",
  }),
  ...TRAFFIC_SETTINGS,
];

/** Options of `headgate run` in the form of node:util's parseArgs. `config` names the file and is no setting. */
export function runOptions(): Record<string, { type: "string" | "boolean"; multiple?: boolean }> {
  const options: Record<string, { type: "string" | "boolean"; multiple?: boolean }> = { config: { type: "string" } };
  for (const { flag, type } of SETTINGS) {
    if (flag === null) continue;
    options[flag] =
      type.kind === "boolean"
        ? { type: "boolean" }
        : type.kind === "list"
          ? { type: "string", multiple: true }
          : { type: "string" };
  }
  return options;
}

/** The lines of `headgate run --help` about its options. */
export function runOptionLines(): readonly (readonly [string, string])[] {
  const lines: (readonly [string, string])[] = [["--config FILE", "configuration file (HEADGATE_CONFIG)"]];
  for (const { flag, env, help, type } of SETTINGS) {
    if (flag === null) continue;
    const value = VALUE_WORDS[type.kind];
    lines.push([`--${flag}${value === "" ? "" : ` ${value}`}`, env === null ? help : `${help} (${env})`]);
  }
  return lines;
}

const VALUE_WORDS = {
  text: "NAME",
  path: "PATH",
  integer: "N",
  boolean: "",
  choice: "WORD",
  list: "VALUE",
} as const satisfies Record<SettingKind["kind"], string>;
