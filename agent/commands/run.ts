// `headgate run`: becomes the agent, which is a program of its own beside this one.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runOptionLines } from "../config/settings.ts";
import { AgentError } from "../lib/errors.ts";
import type { CommandOption } from "./command.ts";

/** The agent beside the CLI: the bundle beside a bundle, else the source beside the source. */
const PROGRAMS = ["./agent.js", "./main.ts"] as const;

/** Flags of the runtime that go along, so that a debugger and warnings' settings stay. */
export function runAgent(argv: readonly string[], cliUrl: string): never {
  const program = PROGRAMS.map((name) => fileURLToPath(new URL(name, cliUrl))).find((path) => existsSync(path));
  if (program === undefined) {
    throw new AgentError("usage", "cannot find the agent beside the CLI", { hint: "Build it with `npm run build`." });
  }
  const { execve } = process;
  if (execve === undefined) {
    throw new AgentError("usage", "cannot become the agent: this Node has no process.execve", {
      hint: `Run it with \`node ${program}\`.`,
    });
  }
  // The same process id: what started `headgate run` signals the agent, and nothing stands between the two.
  return execve(process.execPath, [process.execPath, ...process.execArgv, program, ...argv], process.env);
}

export const RUN_SUMMARY = "Run the agent (and nginx, unless a unit runs it)";

/** The options of `run` for `completion`. */
export function runCompletions(): readonly CommandOption[] {
  return runOptionLines().map(([option, help]) => {
    const [flag = "", value = null] = option.split(" ");
    return { name: flag.replace(/^--/, ""), short: null, value, help };
  });
}

export function runHelp(): string {
  const lines = runOptionLines();
  const width = Math.max(...lines.map(([option]) => option.length));
  return [
    "Usage: headgate run --manifests DIR | --kubeconfig FILE [OPTIONS]",
    "",
    `${RUN_SUMMARY}.`,
    "",
    "Options:",
    ...lines.map(([option, help]) => `  ${option.padEnd(width)}  ${help}`),
    "",
    "Every other setting stands in the configuration file: see docs/configuration.md.",
    "",
  ].join("\n");
}
