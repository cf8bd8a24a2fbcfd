// docs/settings.md, made of the table of settings. A golden test holds the file to it.

import type { Setting } from "./setting.ts";
import { TRAFFIC_SETTINGS } from "./traffic-settings.ts";

const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ["ingress.", "What Ingresses may say otherwise"],
  ["http.", "Clients' requests and our answers"],
  ["proxy.", "Requests to backends"],
  ["health.", "Peers that fail"],
  ["externalAuth.", "Services that are asked (auth-url)"],
  ["tls.", "TLS for clients"],
  ["clients.", "Who the client is"],
  ["accessLog.", "Access log"],
];

/** The whole file. */
export function settingsDocument(): string {
  return [
    "# Settings of the traffic of all hosts",
    "",
    "These keys stand in the configuration file beside those of [configuration.md](configuration.md).",
    "They hold for all hosts; what an Ingress may say for itself is an annotation.",
    "Each change of one of them is a reload of nginx; SIGHUP to the agent applies it, but for the section `ingress`.",
    "This file is made of the table of settings: `npm run golden:update` writes it.",
    "",
    ...SECTIONS.flatMap(([prefix, title]) => section(title, rowsOf(prefix))),
    "## From the ConfigMap of ingress-nginx",
    "",
    "A key of ingress-nginx that is written into our file is refused, and the message names ours.",
    "",
    "| ingress-nginx | default there | here | default here | why it differs |",
    "|---|---|---|---|---|",
    ...TRAFFIC_SETTINGS.flatMap(counterpartRows).toSorted(),
    "| `max-worker-connections` | `16384` | `nginx.workerConnections` | `16384` | |",
    "| `max-worker-open-files` | `0` | `nginx.openFiles` | as many as the connections want | |",
    "| `proxy-body-size` | `1m` | `nginx.clientMaxBodyMb` | `1` | |",
    "| `worker-processes` | `auto` | `nginx.workerProcesses` | `0` (one for each core) | |",
    "| `worker-shutdown-timeout` | `240s` | `nginx.workerShutdownTimeoutS` | `240` | |",
    "| `access-log-path`, `disable-access-log` | `/var/log/nginx/access.log` | `nginx.accessLog` | none | nothing rotates it yet |",
    "",
  ].join("\n");
}

function rowsOf(prefix: string): readonly Setting[] {
  return TRAFFIC_SETTINGS.filter(({ key }) => key.startsWith(prefix));
}

function section(title: string, settings: readonly Setting[]): readonly string[] {
  return [
    `## ${title}`,
    "",
    "| key | default | what it may be | what it does |",
    "|---|---|---|---|",
    ...settings.map(
      (each) => `| \`${each.key}\` | ${shownDefault(each)} | ${shownType(each)} | ${sentence(each.help)} |`,
    ),
    "",
  ];
}

function counterpartRows(each: Setting): readonly string[] {
  return each.counterparts.map(
    ({ name, default: value, reason }) =>
      `| \`${name}\` | ${value === "" ? "none" : `\`${value}\``} | \`${each.key}\` | ${shownDefault(each)} | ${reason ?? ""} |`,
  );
}

function shownDefault({ default: value }: Setting): string {
  if (value === null) return "none";
  if (typeof value === "string") return value.length > 60 ? "Mozilla's intermediate list" : `\`${value}\``;
  if (typeof value !== "object") return `\`${String(value)}\``;
  return value.length > 5 ? `${value.length} types` : `\`[${value.join(", ")}]\``;
}

function shownType({ type, nullable }: Setting): string {
  const none = nullable ? ", or null" : "";
  switch (type.kind) {
    case "integer":
      return `${type.min} to ${type.max}${none}`;
    case "boolean":
      return "true, false";
    case "choice":
      return `one of ${type.values.join(", ")}`;
    case "text":
      return `text${none}`;
    case "path":
      return "a path";
    case "list":
      return type.of === "network" ? "networks" : `list like \`${type.example ?? ""}\``;
  }
}

function sentence(help: string): string {
  return `${help.charAt(0).toUpperCase()}${help.slice(1)}.`;
}
