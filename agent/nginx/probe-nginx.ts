// What this machine's nginx can do: asked from the binary, never assumed from the distribution.

import { access } from "node:fs/promises";
import { join } from "node:path";
import { AgentError } from "../lib/errors.ts";
import { runCommand } from "../lib/exec.ts";

export interface NginxFacts {
  /** "1.26.3" */
  readonly version: string;
  /** Absolute paths for load_module, in order; empty where Lua is built in (OpenResty). */
  readonly modules: readonly string[];
  /** nginx ≥ 1.25.1 has `http2 on`, and serves h2c beside HTTP/1.1 on one port. */
  readonly http2: "directive" | "listen";
  readonly openresty: boolean;
  /** Absolute path of the brotli filter's module; null where it is not installed. */
  readonly brotliModule: string | null;
  /** Things that are asked of it and that it cannot do, for `status`. */
  readonly limits: readonly string[];
}

/** In the order in which nginx must load them. */
const LUA_MODULES = ["ndk_http_module.so", "ngx_http_lua_module.so"] as const;
const BROTLI_MODULE = "ngx_http_brotli_filter_module.so";
const PROBE_MS_MAX = 10_000;

/** Asks `<binary> -V`. Throws `nginx-missing` with the package to install. */
export async function probeNginx(binary: string, signal: AbortSignal): Promise<NginxFacts> {
  const result = await runCommand(binary, ["-V"], { timeoutMs: PROBE_MS_MAX, signal });
  if (result.kind !== "exited" || result.exitCode !== 0) {
    const why = result.kind === "exited" ? result.stderr.trim() : result.reason;
    throw new AgentError("nginx-missing", `cannot run nginx: ${binary}: ${why}`, {
      hint: "Install it: `apt install nginx libnginx-mod-http-lua lua-cjson`, or set nginx.binary.",
    });
  }
  const facts = parseVersionOutput(result.stderr + result.stdout);
  if (facts === null) {
    throw new AgentError("nginx-missing", `cannot read the version of nginx: ${binary} -V: ${result.stderr.trim()}`, {
      hint: "Set nginx.binary to an nginx.",
    });
  }
  const modules = facts.luaBuiltIn ? [] : LUA_MODULES.map((name) => join(facts.modulesPath, name));
  for (const module of modules) {
    await access(module).catch((cause: unknown) => {
      throw new AgentError("nginx-missing", `nginx ${facts.version} has no Lua: ${module} is missing`, {
        hint: "Install it: `apt install libnginx-mod-http-lua`.",
        cause,
      });
    });
  }
  const http2 = atLeast(facts.version, [1, 25, 1]) ? "directive" : "listen";
  return {
    version: facts.version,
    modules,
    http2,
    openresty: facts.openresty,
    brotliModule: await pathIfThere(join(facts.modulesPath, BROTLI_MODULE)),
    limits:
      http2 === "directive"
        ? []
        : [
            `nginx ${facts.version} cannot serve cleartext HTTP/2 beside HTTP/1.1 on one port (1.25.1 can); ` +
              "HTTP/2 works over TLS",
          ],
  };
}

async function pathIfThere(path: string): Promise<string | null> {
  try {
    await access(path);
    return path;
  } catch {
    return null;
  }
}

interface VersionOutput {
  readonly version: string;
  readonly modulesPath: string;
  readonly luaBuiltIn: boolean;
  readonly openresty: boolean;
}

/** Reads the output of `nginx -V`; null where it is none. */
export function parseVersionOutput(output: string): VersionOutput | null {
  const found = /^nginx version: (nginx|openresty)\/(\d+\.\d+\.\d+)/m.exec(output);
  const [, product, version] = found ?? [];
  if (version === undefined) return null;
  const prefix = /--prefix=(\S+)/.exec(output)?.[1] ?? "/usr/local/nginx";
  return {
    version,
    modulesPath: /--modules-path=(\S+)/.exec(output)?.[1] ?? join(prefix, "modules"),
    luaBuiltIn:
      /--add-module=\S*lua-?(nginx-module|_nginx_module|nginx|[\d.]+)/.test(output) || product === "openresty",
    openresty: product === "openresty",
  };
}

function atLeast(version: string, wanted: readonly [number, number, number]): boolean {
  const have = version.split(".").map(Number);
  for (const [index, part] of wanted.entries()) {
    const mine = have[index] ?? 0;
    if (mine !== part) return mine > part;
  }
  return true;
}
