// wrk in a machine's network: a closed loop of kept connections.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { onCpu, REST_CPU } from "./cpus.ts";
import type { Machine } from "../../edges/machine.ts";

export interface WrkRun {
  readonly requests: number;
  readonly seconds: number;
  /** Broken connections and answers that were not 2xx or 3xx. */
  readonly errors: number;
  readonly p99Us: number;
}

export interface WrkOptions {
  readonly port: number;
  /** How many hosts, from `first` (0 unless told) on. */
  readonly hosts: number;
  readonly first?: number;
  readonly seconds: number;
  readonly connections: number;
  /** One host by its name, instead of those above. */
  readonly host?: string;
  /** "/some/path?x=1" unless told. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

// Hosts come in a random order, the same in each run.
const SCRIPT = `
local requests = {}
init = function(args)
    math.randomseed(7)
    local headers = {}
    for at = 5, #args, 2 do
        headers[args[at]] = args[at + 1]
    end
    for index = tonumber(args[2]), tonumber(args[2]) + tonumber(args[1]) - 1 do
        headers.Host = args[4] ~= "" and args[4] or "host-" .. index .. ".example.test"
        requests[#requests + 1] = wrk.format("GET", args[3], headers)
    end
end
request = function()
    return requests[math.random(#requests)]
end
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format('\\n{"requests":%d,"seconds":%.6f,"errors":%d,"p99Us":%d}\\n', summary.requests,
        summary.duration / 1e6, e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(99)))
end
`;

const run = promisify(execFile);

async function output(argv: readonly string[], timeout: number): Promise<string> {
  try {
    return (await run("nsenter", [...argv], { timeout })).stdout;
  } catch (cause) {
    throw new Error("cannot run wrk. Install it with `apt-get install wrk`", { cause });
  }
}

export class Wrk {
  readonly #machine: Machine;
  readonly #script: string;

  private constructor(machine: Machine, script: string) {
    this.#machine = machine;
    this.#script = script;
  }

  static async prepare(machine: Machine): Promise<Wrk> {
    const script = join(machine.scratch, "hosts.lua");
    await writeFile(script, SCRIPT);
    return new Wrk(machine, script);
  }

  async run(options: WrkOptions): Promise<WrkRun> {
    const wrk = [
      ...onCpu(REST_CPU),
      "wrk",
      "-t1",
      `-c${options.connections}`,
      `-d${options.seconds}s`,
      "--timeout",
      "10s",
      "-s",
      this.#script,
    ];
    // The machine's network alone: wrk itself is the host's.
    const argv = ["--target", String(this.#machine.pid), "--net", ...wrk];
    const url = `http://127.0.0.1:${options.port}`;
    const { hosts, first = 0, path = "/some/path?x=1", host = "", headers = {} } = options;
    const stdout = await output(
      [...argv, url, "--", String(hosts), String(first), path, host, ...Object.entries(headers).flat()],
      (options.seconds + 60) * 1000,
    );
    const line = stdout.split("\n").find((text) => text.startsWith("{"));
    if (line === undefined) throw new Error(`wrk told no figures: ${stdout}`);
    return JSON.parse(line) as WrkRun; // written by the script above
  }
}
