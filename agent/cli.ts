// The `headgate` command: a table of commands, its parser and its help. It imports nothing heavy, for `status` must
// answer while the machine is on fire: a command that reads manifests loads what it needs when it runs.

import { parseArgs } from "node:util";
import { acceptCommand } from "./commands/accept.ts";
import { completionCommand } from "./commands/completion.ts";
import type { Completed } from "./commands/completion-table.ts";
import type { Command, CommandContext, CommandOption } from "./commands/command.ts";
import { EXIT } from "./commands/command.ts";
import { diffCommand } from "./commands/diff.ts";
import { explainCommand } from "./commands/explain.ts";
import { lintCommand } from "./commands/lint.ts";
import { planCommand } from "./commands/plan.ts";
import { renderCommand } from "./commands/render.ts";
import { RUN_SUMMARY, runAgent, runCompletions, runHelp } from "./commands/run.ts";
import { statusCommand } from "./commands/status.ts";
import { clean } from "./commands/text.ts";
import { versionCommand } from "./commands/version.ts";
import { didYouMean } from "./lib/spelling.ts";
import { AgentError, errorText, isAgentError } from "./lib/errors.ts";

const COMMANDS: readonly Command[] = [
  statusCommand,
  explainCommand,
  planCommand,
  diffCommand,
  lintCommand,
  renderCommand,
  acceptCommand,
  versionCommand,
  completionCommand(completed),
];
const NAMES = ["run", ...COMMANDS.map((command) => command.name), "help"];
const NAME_WIDTH = Math.max(...NAMES.map((name) => name.length));
const HELP_OPTION: CommandOption = { name: "help", short: "h", value: null, help: "show this" };

/** Gives the exit code; writes results to `out`, everything else to `error`. */
async function main(argv: readonly string[], context: CommandContext): Promise<number> {
  const [name = "", ...rest] = argv;
  try {
    if (name === "") {
      context.error(generalHelp());
      return EXIT.usage;
    }
    if (name === "-h" || name === "--help" || name === "help") {
      context.out(helpFor(rest[0]));
      return EXIT.ok;
    }
    if (name === "run") {
      if (!rest.includes("--help") && !rest.includes("-h")) runAgent(rest, import.meta.url);
      context.out(runHelp());
      return EXIT.ok;
    }
    return await runCommand(commandNamed(name === "--version" ? "version" : name), rest, context);
  } catch (thrown) {
    return failed(thrown, context, COMMANDS.find((command) => command.name === name)?.failedExit ?? EXIT.failed);
  }
}

async function runCommand(command: Command, argv: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parse(command, argv);
  if (values["help"] === true) {
    context.out(commandHelp(command));
    return EXIT.ok;
  }
  if (positionals.length < command.positionalsMin || positionals.length > command.positionalsMax) {
    const wanted = command.positionals === "" ? "no arguments" : command.positionals;
    throw new AgentError("usage", `cannot run ${command.name}: it takes ${wanted}`, { hint: seeHelp(command) });
  }
  return await command.run({
    context,
    positionals,
    flag: (option) => values[option] === true,
    text: (option) => {
      const value = values[option];
      return typeof value === "string" ? value : undefined;
    },
    texts: (option) => {
      const value = values[option];
      return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
    },
  });
}

function parse(command: Command, argv: readonly string[]): { values: Record<string, unknown>; positionals: string[] } {
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: boolean }> = {};
  for (const { name, short, value, multiple = false } of [...command.options, HELP_OPTION]) {
    options[name] = { type: value === null ? "boolean" : "string", multiple, ...(short === null ? {} : { short }) };
  }
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  } catch (thrown) {
    const unknown = /'(--?[^' ]*)'/.exec(errorText(thrown))?.[1] ?? "";
    const known = Object.keys(options).map((option) => `--${option}`);
    const meant = known.includes(unknown) ? null : didYouMean(unknown, known);
    const hint = meant === null ? seeHelp(command) : `Did you mean \`${meant}\`?`;
    const message = (errorText(thrown).split(". ")[0] ?? "").replace(/\.$/, "");
    throw new AgentError("usage", `cannot run ${command.name}: ${message}`, { hint, cause: thrown });
  }
}

function commandNamed(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const meant = didYouMean(name, NAMES);
  const hint = meant === null ? "See `headgate help` for the commands." : `Did you mean \`headgate ${meant}\`?`;
  throw new AgentError("usage", `cannot run ${JSON.stringify(name)}: there is no such command`, { hint });
}

function failed(thrown: unknown, context: CommandContext, failedExit: number): number {
  if (!isAgentError(thrown)) throw thrown;
  if (thrown.code === "aborted" && context.signal.aborted) return EXIT.ok;
  const hint = thrown.hint === null ? "" : `\n${thrown.hint}`;
  context.error(`headgate: ${`${thrown.message}${hint}`.split("\n").map(clean).join("\n")}\n`);
  if (thrown.code === "usage" || thrown.code === "config-invalid") return EXIT.usage;
  return thrown.code === "agent-unreachable" ? EXIT.notRunning : failedExit;
}

/** The table as shells complete it. */
function completed(): readonly Completed[] {
  const run = { name: "run", summary: RUN_SUMMARY, options: [...runCompletions(), HELP_OPTION], positionals: [] };
  const commands = COMMANDS.map(({ name, summary, options, completes = [] }) => {
    return { name, summary, options: [...options, HELP_OPTION], positionals: completes };
  });
  const help = { name: "help", summary: "Show the help of a command", options: [], positionals: NAMES };
  return [run, ...commands, help];
}

function seeHelp(command: Command): string {
  return `See \`headgate ${command.name} --help\`.`;
}

function helpFor(name: string | undefined): string {
  if (name === undefined) return generalHelp();
  return name === "run" ? runHelp() : commandHelp(commandNamed(name));
}

function generalHelp(): string {
  const rows = [["run", RUN_SUMMARY], ...COMMANDS.map((command) => [command.name, command.summary])];
  return [
    "Usage: headgate COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...rows.map(([name = "", summary = ""]) => `  ${name.padEnd(NAME_WIDTH)}  ${summary}`),
    "",
    "See `headgate COMMAND --help` for the options of one.",
    "",
  ].join("\n");
}

function commandHelp(command: Command): string {
  const rows = [...command.options, HELP_OPTION].map(({ name, short, value, help }) => {
    const option = `${short === null ? "    " : `-${short}, `}--${name}${value === null ? "" : ` ${value}`}`;
    return [option, help] as const;
  });
  const width = Math.max(...rows.map(([option]) => option.length));
  const positionals = command.positionals === "" ? "" : ` ${command.positionals}`;
  return [
    `Usage: headgate ${command.name} [OPTIONS]${positionals}`,
    "",
    `${command.summary}.`,
    "",
    "Options:",
    ...rows.map(([option, help]) => `  ${option.padEnd(width)}  ${help}`),
    "",
    ...command.details,
    "",
  ].join("\n");
}

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
// A reader that has enough (`headgate status | head -1`) is no failure.
process.stdout.on("error", () => process.exit(EXIT.ok));

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  env: process.env,
  uid: process.getuid?.() ?? -1,
  cwd: process.cwd(),
  terminal: process.stdout.isTTY === true,
  size: () => ({ columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 }),
  signal: interrupted.signal,
});
