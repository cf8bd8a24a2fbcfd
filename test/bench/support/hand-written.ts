// The static side of comparisons: an nginx.conf as a careful person writes it, with the directives of the rendered one.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Edge } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";
import { moveTo, WORKER_CPU } from "./cpus.ts";
import { type StaticOptions, staticConfiguration } from "./many-hosts.ts";
import { startNginx } from "./nginx-machine.ts";
import { childrenOf } from "./process.ts";

export type HandWritten = Pick<StaticOptions, "count" | "layout" | "port" | "workers" | "connections" | "keepalive"> & {
  /** More server blocks, made of what the rendered configuration has. */
  readonly more?: (rendered: Rendered) => string;
};

/** What the hand-written side takes over from the rendered one. */
export interface Rendered {
  /** `load_module` lines. */
  readonly modules: readonly string[];
  /** The `log_format headgate`. */
  readonly logFormat: string;
  /** Directives of a location, without proxy_pass. */
  readonly location: readonly string[];
  /** `ssl_...` lines of the server block, but those that name or choose certificates. */
  readonly tls: readonly string[];
}

/** Starts it beside the edge's own nginx, on the workers' processor. Returns its workers as the machine sees them. */
export async function startHandWritten(edge: Edge, name: string, options: HandWritten): Promise<readonly number[]> {
  const { machine } = edge;
  const rendered = await readRendered(edge);
  const { more, ...rest } = options;
  const text = staticConfiguration(machine, {
    ...rest,
    ...rendered,
    accessLog: join(machine.scratch, `${name}-access.log`),
    more: more?.(rendered) ?? "",
  });
  const running = await startNginx(machine, name, text, options.port);
  // It listens long before the workers are there, where it has thousands of server blocks.
  const workers = await eventually(
    `the workers of ${name}`,
    async () => {
      const children = await childrenOf(machine, running.pidInside);
      return children.length === options.workers ? children : null;
    },
    60_000,
  );
  await moveTo(machine, WORKER_CPU, workers);
  return workers;
}

async function readRendered(edge: Edge): Promise<Rendered> {
  const folder = join(edge.stateDir, "nginx/current");
  const main = await readFile(join(folder, "nginx.conf"), "utf8");
  const server = await readFile(join(folder, "servers/default.conf"), "utf8");
  return {
    modules: main.match(/^load_module .*;$/gm) ?? [],
    logFormat: (/log_format headgate[^;]*;/.exec(main)?.[0] ?? "").replaceAll(
      /\$(?:hg_\w+|\{hg_\w+\})/g,
      (name) => LOGGED[name.replaceAll(/[{}]/g, "")] ?? "-",
    ),
    location: locationLines(await readFile(join(folder, "profiles/http.conf"), "utf8")),
    tls: (server.match(/^ *ssl_\w+ .*;$/gm) ?? [])
      .map((line) => line.trim())
      .filter((line) => !line.startsWith("ssl_certificate")),
  };
}

/** What the log has for variables of ours; all others are constants of each location there. */
const LOGGED: Readonly<Record<string, string>> = {
  $hg_log_status: "$status",
  $hg_log_traceparent: "$http_traceparent",
  $hg_request_id: "$request_id",
  $hg_route: "shop/host/host",
};

/** What stands for variables of ours; all others are empty where a route asks for nothing, as without them. */
const VARIABLES: Readonly<Record<string, string>> = { $hg_host: "$host", $hg_request_id: "$request_id" };

/** The profile's own directives, with nginx's variables in place of those that Lua sets, and no WebSockets. */
function locationLines(profile: string): readonly string[] {
  return profile
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("proxy_") && !line.startsWith("proxy_pass "))
    .map((line) => line.replaceAll(/\$hg_\w+/g, (name) => VARIABLES[name] ?? '""'));
}
