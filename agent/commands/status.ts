// `headgate status`: how this edge is, worst first.

import { setTimeout as delay } from "node:timers/promises";
import type { StatusReport } from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { askAgent, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandContext, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { statusLines, statusSubstance } from "./status-text.ts";

const WATCH_MS = 250;
/** Lines above the status that a watch leaves alone on the screen. */
const ROWS_KEPT = 8;
const ROWS_MIN = 5;

export const statusCommand: Command = {
  name: "status",
  summary: "How this edge is, worst first",
  positionals: "",
  positionalsMin: 0,
  positionalsMax: 0,
  options: [
    OUTPUT_OPTION,
    { name: "watch", short: "w", value: null, help: "keep it on screen; without a terminal, print each change" },
    { name: "check", short: null, value: null, help: "exit 4 unless the edge is serving without a problem" },
    ...SOCKET_OPTIONS,
  ],
  details: [
    "Exit codes: 0 an agent answered, 1 failed, 2 usage, 3 no agent is running, 4 degraded (only with --check).",
    "For monitoring use /readyz and /metrics of the agent instead: they need no process.",
  ],
  run: runStatus,
};

async function runStatus(input: CommandInput): Promise<number> {
  const { context } = input;
  const format = outputFormat(input);
  const socket = findSocket(input);
  if (input.flag("watch")) return await watchStatus(context, socket, format);
  const report = await askAgent<StatusReport>(socket, "/v1/status", context.signal);
  context.out(statusOutput(report, format));
  return input.flag("check") && report.state !== "serving" ? EXIT.degraded : EXIT.ok;
}

function statusOutput(report: StatusReport, format: "text" | "json"): string {
  return format === "json" ? `${JSON.stringify(report, null, 2)}\n` : `${statusLines(report).join("\n")}\n`;
}

/** Until it is interrupted. An agent that is away is waited for. */
async function watchStatus(context: CommandContext, socket: string, format: "text" | "json"): Promise<number> {
  const screen = new Screen(context);
  let told = "";
  while (!context.signal.aborted) {
    const { substance, text } = await look(context, socket, format);
    if (context.terminal) screen.draw(text);
    else if (substance !== told) context.out(`${text}\n`);
    told = substance;
    await delay(WATCH_MS, undefined, { signal: context.signal }).catch(() => undefined);
  }
  return EXIT.ok;
}

async function look(
  context: CommandContext,
  socket: string,
  format: "text" | "json",
): Promise<{ readonly substance: string; readonly text: string }> {
  try {
    const report = await askAgent<StatusReport>(socket, "/v1/status", context.signal);
    return { substance: statusSubstance(report), text: statusOutput(report, format) };
  } catch (thrown) {
    if (!(thrown instanceof AgentError)) throw thrown;
    return { substance: thrown.message, text: `${thrown.message}\n` };
  }
}

/** Draws over what it drew last and leaves the lines above alone. */
class Screen {
  readonly #context: CommandContext;
  #drawn = 0;
  #last = "";

  constructor(context: CommandContext) {
    this.#context = context;
  }

  draw(text: string): void {
    const { columns, rows } = this.#context.size();
    const all = text.trimEnd().split("\n");
    const room = Math.max(ROWS_MIN, rows - ROWS_KEPT);
    const shown = all.length <= room ? all : [...all.slice(0, room - 1), `... ${all.length - room + 1} more lines`];
    const lines = shown.map((line) => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 3))}...` : line));
    if (lines.join("\n") === this.#last) return;
    this.#last = lines.join("\n");
    const up = this.#drawn > 0 ? `\u001B[${this.#drawn}A` : "";
    this.#context.out(`${up}\r\u001B[J${this.#last}\n`);
    this.#drawn = lines.length;
  }
}
