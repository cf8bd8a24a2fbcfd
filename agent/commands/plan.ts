// `headgate plan PATH...`: what applying manifests would do, per object, before it is done.

import type { PlanReport } from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { askPlan, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput, CommandOption } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { planLines } from "./plan-text.ts";

/** Which objects are tried: the same for `plan` and `diff`. */
export const CHANGE_OPTIONS: readonly CommandOption[] = [
  { name: "replace", short: null, value: null, help: "the given manifests are all there is: every other object goes" },
  { name: "delete", short: null, value: "PATH", help: "take away the objects in these manifests", multiple: true },
];

export const planCommand: Command = {
  name: "plan",
  summary: "What applying manifests would do, per object, and whether nginx would reload",
  positionals: "[PATH...]",
  positionalsMin: 0,
  positionalsMax: Number.POSITIVE_INFINITY,
  completes: "files",
  options: [
    OUTPUT_OPTION,
    ...CHANGE_OPTIONS,
    { name: "fail-on-reload", short: null, value: null, help: "exit 1 if nginx would reload" },
    ...SOCKET_OPTIONS,
  ],
  details: [
    "PATH is a manifest, a folder of them, or - for standard input. Nothing is changed.",
    "Without --replace the manifests are put over what the agent knows, as `kubectl apply` does.",
    "Exit codes: 0 no new error, 1 a new error (or failed), 2 usage, 3 no agent is running.",
  ],
  run: runPlan,
};

async function runPlan(input: CommandInput): Promise<number> {
  const { context } = input;
  const format = outputFormat(input);
  const report = await askForPlan(input, false);
  const text = format === "json" ? JSON.stringify(report, null, 2) : planLines(report, Date.now()).join("\n");
  context.out(`${text}\n`);
  const worse = report.newProblems.some(({ severity }) => severity === "error");
  return worse || (input.flag("fail-on-reload") && report.reload !== null) ? EXIT.failed : EXIT.ok;
}

/** Reads the manifests and asks the agent. Throws AgentError for what cannot be read, and what `askPlan` throws. */
export async function askForPlan(input: CommandInput, values: boolean): Promise<PlanReport> {
  const { context, positionals } = input;
  const deletions = input.texts("delete");
  if (positionals.length + deletions.length === 0) {
    throw new AgentError("usage", "cannot plan: no manifests are given", { hint: "Name a file, a folder, or -." });
  }
  const { readGiven } = await import("../offline/read-given.ts");
  const request = {
    version: VERSION,
    mode: input.flag("replace") ? ("replace" as const) : ("overlay" as const),
    given: (await readGiven(positionals)).given,
    deletions: (await readGiven(deletions)).given,
    values,
  };
  return await askPlan(findSocket(input), request, context.signal);
}
