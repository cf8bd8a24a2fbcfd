// Checked values → Config: defaults, and what only several values together can get wrong.

import { join } from "node:path";
import { defaultAgentSocket, defaultRunDir, defaultStateDir, SOCKET_PATH_BYTES_MAX } from "../lib/default-paths.ts";
import type { SettingValue } from "./check-value.ts";
import { buildIngressDefaults, buildTraffic } from "./build-traffic.ts";
import type { Config, SourceConfig } from "./config.ts";
import type { ClientsTraffic } from "../render/traffic.ts";

/** What loading needs to know about the process and the machine, so that it reads nothing by itself but the file. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly uid: number;
  readonly hostname: string;
  /** Whether this machine has IPv6: without it nginx cannot listen on "::". */
  readonly ipv6: boolean;
}

export interface Origin {
  /** 1 file, 2 environment, 3 flags. */
  readonly rank: number;
  /** "/etc/headgate/config.yaml:12", "HEADGATE_EDGE", "--edge". */
  readonly where: string;
  readonly folder: string;
  readonly textual: boolean;
}
export interface Setter {
  readonly value: SettingValue;
  readonly origin: Origin;
}
/** By key; holds what was set, by the highest layer that set it. */
export type Layers = Map<string, Setter>;

export type Complain = (where: string, key: string, message: string, fix: string) => void;

/** Rank of what the configuration file says. */
const FILE_RANK = 1;

/** The longest name that stands below the run folder. */
const LONGEST_SOCKET_NAME = "push/push.sock";

/** null when a fault was complained about that leaves nothing to build. */
export function buildConfig(layers: Layers, around: Surroundings, complain: Complain): Config | null {
  const get = reader(layers);
  const held = (key: string): SettingValue | undefined => layers.get(key)?.value;
  const stateDir = get.text("stateDir", defaultStateDir(around.env, around.uid));
  const runDir = get.text("runDir", defaultRunDir(stateDir));
  const source = chooseSource(layers, around, complain);
  const config: Omit<Config, "source"> = {
    edge: get.text("edge", edgeName(around.hostname)),
    stateDir,
    runDir,
    ingress: {
      classes: get.list("ingress.classes", ["headgate", "nginx"]),
      classless: get.choice("ingress.classless", ["auto", "true", "false"], "auto"),
      defaultBackend: defaultBackend(layers, complain),
      defaultCertificate: get.textOrNull("ingress.defaultCertificate"),
      ...buildIngressDefaults(held),
    },
    listeners: {
      addresses: get.list("listeners.addresses", around.ipv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"]),
      httpPort: get.number("listeners.httpPort", 80),
      httpsPort: get.number("listeners.httpsPort", 443),
    },
    nginx: {
      binary: get.text("nginx.binary", "/usr/sbin/nginx"),
      service: get.textOrNull("nginx.service"),
      luaPackagePath: get.list("nginx.luaPackagePath", []),
      workerProcesses: get.number("nginx.workerProcesses", 0),
      workerConnections: get.number("nginx.workerConnections", 16_384),
      workerShutdownTimeoutS: get.number("nginx.workerShutdownTimeoutS", 240),
      openFiles: get.numberOrNull("nginx.openFiles", null),
      accessLog: get.textOrNull("nginx.accessLog"),
      clientMaxBodyMb: get.number("nginx.clientMaxBodyMb", 1),
      reloadHoldoffMs: get.number("nginx.reloadHoldoffMs", 200),
      reloadHoldoffMsMax: get.number("nginx.reloadHoldoffMsMax", 2000),
    },
    traffic: buildTraffic(held),
    endpoints: {
      mode: get.choice("endpoints.mode", ["pod", "nodePort", "clusterIP"], "pod"),
      zone: get.textOrNull("endpoints.zone"),
      allowLocal: get.flag("endpoints.allowLocal", false),
      refused: get.list("endpoints.refused", []),
      externalNames: get.list("endpoints.externalNames", []),
      probe: get.flag("endpoints.probe", true),
    },
    api: {
      socket: get.text("api.socket", defaultAgentSocket(runDir)),
      address: get.text("api.address", "127.0.0.1"),
      port: get.numberOrNull("api.port", 10_254),
    },
    log: {
      level: get.choice("log.level", ["error", "warn", "info", "debug"], "info"),
      format: get.choice("log.format", ["auto", "json", "logfmt"], "auto"),
    },
  };
  checkTogether(config, layers, complain);
  return source === null ? null : { ...config, source };
}

function checkTogether(config: Omit<Config, "source">, layers: Layers, complain: Complain): void {
  const where = (key: string): string => layers.get(key)?.origin.where ?? "";
  const { httpPort, httpsPort } = config.listeners;
  if (httpPort === httpsPort) {
    complain(
      where("listeners.httpsPort"),
      "listeners.httpsPort",
      `is ${httpPort}, as is \`listeners.httpPort\``,
      "use two ports",
    );
  }
  if (config.nginx.reloadHoldoffMsMax < config.nginx.reloadHoldoffMs) {
    const fix = "write at least that much";
    complain(
      where("nginx.reloadHoldoffMsMax"),
      "nginx.reloadHoldoffMsMax",
      "is less than `nginx.reloadHoldoffMs`",
      fix,
    );
  }
  checkClients(config.traffic.clients, layers, complain);
  const key = layers.has("runDir") || !layers.has("stateDir") ? "runDir" : "stateDir";
  const longest = join(config.runDir, LONGEST_SOCKET_NAME);
  if (Buffer.byteLength(longest) > SOCKET_PATH_BYTES_MAX) {
    const message = `is too long: the path of a unix socket, ${longest}, may have ${SOCKET_PATH_BYTES_MAX} bytes`;
    complain(where(key), key, message, "use a shorter folder, or set `runDir` (--run-dir) to one like /run/headgate");
  }
  if (layers.has("api.socket") && Buffer.byteLength(config.api.socket) > SOCKET_PATH_BYTES_MAX) {
    complain(where("api.socket"), "api.socket", `is longer than ${SOCKET_PATH_BYTES_MAX} bytes`, "use a shorter path");
  }
}

// Without a list of proxies everybody would be one, and could say to be anybody.
function checkClients(clients: ClientsTraffic, layers: Layers, complain: Complain): void {
  if (clients.trustedProxies.length > 0) return;
  for (const key of ["clients.forwardedHeaders", "clients.proxyProtocol"]) {
    if (layers.get(key)?.value !== true) continue;
    const fix = "list the proxies before this edge in `clients.trustedProxies`, like [192.0.2.0/24]";
    complain(layers.get(key)?.origin.where ?? "", key, "needs `clients.trustedProxies`", fix);
  }
}

/** The highest layer that names a source decides; two in one layer are a fault. */
function chooseSource(layers: Layers, around: Surroundings, complain: Complain): SourceConfig | null {
  const manifests = layers.get("source.manifests");
  const kubernetesKeys = ["source.kubernetes", "source.kubernetes.kubeconfig"];
  const kubernetes = kubernetesKeys
    .map((key) => layers.get(key))
    .filter((setter) => setter !== undefined)
    .toSorted((a, b) => b.origin.rank - a.origin.rank)[0];
  if (manifests !== undefined && kubernetes !== undefined && manifests.origin.rank === kubernetes.origin.rank) {
    const fix = "keep one of them";
    complain(manifests.origin.where, "source", `names manifests and, at ${kubernetes.origin.where}, a cluster`, fix);
    return null;
  }
  if (manifests !== undefined && (kubernetes === undefined || manifests.origin.rank > kubernetes.origin.rank)) {
    return { kind: "manifests", directory: String(manifests.value) };
  }
  if (kubernetes === undefined && (around.env["KUBECONFIG"] ?? "") === "") {
    const fix = "give --manifests DIR or --kubeconfig FILE, or write `source` into the configuration file";
    complain("", "source", "is missing: nothing says which objects to serve", fix);
    return null;
  }
  const get = reader(layers);
  return {
    kind: "kubernetes",
    kubeconfig: get.textOrNull("source.kubernetes.kubeconfig"),
    kubeconfigIsExplicit: (layers.get("source.kubernetes.kubeconfig")?.origin.rank ?? FILE_RANK) > FILE_RANK,
    context: get.textOrNull("source.kubernetes.context"),
    namespace: get.textOrNull("source.kubernetes.namespace"),
    events: get.flag("source.kubernetes.events", true),
    shrink: {
      share: get.number("source.kubernetes.shrink.share", 50),
      minimum: get.number("source.kubernetes.shrink.minimum", 50),
      holdS: get.number("source.kubernetes.shrink.holdS", 600),
    },
  };
}

function defaultBackend(layers: Layers, complain: Complain): Config["ingress"]["defaultBackend"] {
  const service = layers.get("ingress.defaultBackend.service");
  const port = layers.get("ingress.defaultBackend.port");
  if (service === undefined && port === undefined) return null;
  if (service === undefined || port === undefined) {
    const missing = service === undefined ? "service" : "port";
    const where = (service ?? port)?.origin.where ?? "";
    complain(where, `ingress.defaultBackend.${missing}`, "is missing", "write both `service` and `port`");
    return null;
  }
  const text = String(port.value);
  return { service: String(service.value), port: /^\d+$/.test(text) ? Number(text) : text };
}

/** A host name in lower case without what names may not hold; "edge" when nothing is left. */
function edgeName(hostname: string): string {
  const name = hostname
    .toLowerCase()
    .replaceAll(/[^-a-z0-9.]/g, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "");
  return name === "" ? "edge" : name.slice(0, 253);
}

/** Typed access. Values were checked against their setting, so another type means "not set". */
function reader(layers: Layers) {
  const value = (key: string): SettingValue | undefined => layers.get(key)?.value;
  return {
    text(key: string, otherwise: string): string {
      const held = value(key);
      return typeof held === "string" ? held : otherwise;
    },
    textOrNull(key: string): string | null {
      const held = value(key);
      return typeof held === "string" ? held : null;
    },
    number(key: string, otherwise: number): number {
      const held = value(key);
      return typeof held === "number" ? held : otherwise;
    },
    numberOrNull(key: string, otherwise: number | null): number | null {
      const held = value(key);
      return held === null || typeof held === "number" ? held : otherwise;
    },
    flag(key: string, otherwise: boolean): boolean {
      const held = value(key);
      return typeof held === "boolean" ? held : otherwise;
    },
    list(key: string, otherwise: readonly string[]): readonly string[] {
      const held = value(key);
      return typeof held === "object" && held !== null ? held : otherwise;
    },
    choice<const T extends string>(key: string, values: readonly T[], otherwise: T): T {
      const held = value(key);
      return values.find((candidate) => candidate === held) ?? otherwise;
    },
  };
}
