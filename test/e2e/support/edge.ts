// An edge under test: the bundled agent with its nginx on a test host, used only through what a user has:
// its ports, its CLI, its loopback endpoints, its files.

import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExplainReport, StatusReport } from "../../../agent/api/wire.ts";
import { type Machine, REPOSITORY, startMachine } from "../../edges/machine.ts";
import type { Suite } from "../../edges/roots.ts";
import type { Running } from "../../edges/sandbox.ts";
import { type Answer, ask, type Question, whoAnswers } from "./ask.ts";
import { eventually } from "./eventually.ts";

export interface EdgeOptions {
  readonly name: string;
  /** Debian 13 unless told, or HEADGATE_TEST_SUITE. */
  readonly suite?: Suite;
  /** Arguments of `headgate run` beside ports and folders: where the objects come from. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** False: the configuration file says the ports. */
  readonly portFlags?: boolean;
  /** Further paths that the machine sees, as startMachine has them. */
  readonly binds?: readonly string[];
  /** Goes before `headgate run`, like setpriv with its arguments. */
  readonly wrapper?: readonly string[];
}

type Asked = Omit<Question, "address" | "port">;

export const HTTP_PORT = 80;
export const HTTPS_PORT = 443;

export class Edge {
  readonly machine: Machine;
  readonly stateDir: string;
  /** The folder of the Headgate that is installed; today's unless a test installs another. */
  home = REPOSITORY;
  readonly #options: EdgeOptions;
  #agent: Running | null = null;

  private constructor(machine: Machine, options: EdgeOptions) {
    this.machine = machine;
    this.#options = options;
    this.stateDir = join(machine.scratch, "state");
  }

  /** A machine with nothing running yet. */
  static async prepare(options: EdgeOptions): Promise<Edge> {
    const machine = await startMachine({
      name: options.name,
      suite: options.suite ?? defaultSuite(),
      binds: options.binds ?? [],
    });
    await chmod(machine.scratch, 0o755);
    await mkdir(join(machine.scratch, "manifests"));
    return new Edge(machine, options);
  }

  /** A machine with the agent running and ready. */
  static async start(options: EdgeOptions): Promise<Edge> {
    const edge = await Edge.prepare(options);
    try {
      await edge.run();
      await edge.ready();
      return edge;
    } catch (error) {
      const output = edge.output();
      await edge.stop();
      throw new Error(`edge ${options.name} did not get ready: ${output}`, { cause: error });
    }
  }

  get manifestDir(): string {
    return join(this.machine.scratch, "manifests");
  }

  get #program(): string {
    return join(this.home, "bin/headgate");
  }

  /** Starts the agent; further arguments come after those of the options. */
  async run(more: readonly string[] = []): Promise<void> {
    const flags = ["--http", String(HTTP_PORT), "--https", String(HTTPS_PORT)];
    const ports = this.#options.portFlags === false ? [] : flags;
    const wrapper = this.#options.wrapper ?? [];
    this.#agent = await this.machine.spawn(
      [...wrapper, this.#program, "run", ...ports, "--state-dir", this.stateDir, ...this.#options.args, ...more],
      { env: { HEADGATE_LOG_LEVEL: "debug", ...this.#options.env } },
    );
  }

  output(): string {
    return this.#agent?.output() ?? "";
  }

  async ready(withinMs = 20_000): Promise<void> {
    const probe = ["curl", "-sS", "-w", "%{http_code}", "http://127.0.0.1:10254/readyz"];
    let said = "";
    try {
      await eventually(
        "it is ready",
        async () => {
          const { stdout, stderr } = await this.machine.exec(probe, { reject: false });
          said = stdout + stderr;
          return stdout.endsWith("200");
        },
        withinMs,
      );
    } catch (cause) {
      throw new Error(`edge ${this.#options.name} is not ready: ${said}\n${this.output()}`, { cause });
    }
  }

  /** Ends the agent: SIGTERM lets nginx finish and end, SIGKILL leaves it running. */
  async endAgent(signal: NodeJS.Signals): Promise<void> {
    this.#agent?.kill(signal);
    await this.#agent?.exited;
  }

  signalAgent(signal: NodeJS.Signals): void {
    this.#agent?.kill(signal);
  }

  async stop(): Promise<void> {
    await this.machine.stop();
  }

  ask(question: Asked): Promise<Answer> {
    const port = question.tls === true ? HTTPS_PORT : HTTP_PORT;
    return ask({ address: this.machine.address, port, ...question });
  }

  who(question: Asked): Promise<string> {
    const port = question.tls === true ? HTTPS_PORT : HTTP_PORT;
    return whoAnswers({ address: this.machine.address, port, ...question });
  }

  async headgate(...args: readonly string[]): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    return this.machine.exec([this.#program, ...args, "--state-dir", this.stateDir], { reject: false });
  }

  async status(): Promise<StatusReport> {
    const { stdout, stderr } = await this.headgate("status", "-o", "json");
    if (stdout === "") throw new Error(`no status: ${stderr}`);
    return JSON.parse(stdout) as StatusReport; // the agent's own wire format
  }

  async explain(method: string, url: string, ...args: readonly string[]): Promise<ExplainReport> {
    const { stdout, stderr } = await this.headgate("explain", method, url, "-o", "json", ...args);
    if (stdout === "") throw new Error(`no explanation: ${stderr}`);
    return JSON.parse(stdout) as ExplainReport; // the agent's own wire format
  }

  /** Writes or replaces a manifest. */
  async writeManifest(name: string, text: string): Promise<void> {
    await writeFile(join(this.manifestDir, name), text);
  }
}

function defaultSuite(): Suite {
  return process.env["HEADGATE_TEST_SUITE"] === "bookworm" ? "bookworm" : "trixie";
}
