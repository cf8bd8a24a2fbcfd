// `headgate lint PATH...`: what is wrong with manifests, without an agent.

import type { LintReport } from "../api/wire.ts";
import { EXIT, OUTPUT_OPTION } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { problemLine, sentence } from "./problem-text.ts";
import { clean, counted } from "./text.ts";

export const lintCommand: Command = {
  name: "lint",
  summary: "What is wrong with manifests, worst first; needs no agent",
  positionals: "PATH...",
  positionalsMin: 1,
  positionalsMax: Number.POSITIVE_INFINITY,
  completes: "files",
  options: [
    OUTPUT_OPTION,
    { name: "config", short: null, value: "FILE", help: "configuration file of the agent (HEADGATE_CONFIG)" },
    {
      name: "partial",
      short: null,
      value: null,
      help: "take Services, Secrets and endpoints that are named for there",
    },
    { name: "warnings-as-errors", short: null, value: null, help: "exit 1 for warnings too" },
  ],
  details: [
    "PATH is a manifest, a folder of them, or - for standard input.",
    "Exit codes: 0 no errors, 1 errors (or failed), 2 usage.",
  ],
  run: runLint,
};

async function runLint(input: CommandInput): Promise<number> {
  const { context, positionals } = input;
  const format = outputFormat(input);
  const { lint } = await import("../offline/lint.ts");
  const { env, uid, cwd, signal } = context;
  const report = await lint(
    {
      paths: positionals,
      configFile: input.text("config") ?? null,
      partial: input.flag("partial"),
      env,
      uid,
      cwd,
      now: Date.now(),
    },
    signal,
  );
  context.out(format === "json" ? `${JSON.stringify(report, null, 2)}\n` : `${lintLines(report).join("\n")}\n`);
  const errors = report.problems.some(({ severity }) => severity === "error");
  return errors || (input.flag("warnings-as-errors") && report.problems.length > 0) ? EXIT.failed : EXIT.ok;
}

function lintLines({ problems, files, objects, foreignIngresses, notes }: LintReport): readonly string[] {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const found = `${counted(errors, "error")}, ${counted(problems.length - errors, "warning")}`;
  const foreign =
    foreignIngresses === 0 ? "" : `; ${counted(foreignIngresses, "Ingress", "Ingresses")} of other classes`;
  return [
    ...problems.map(problemLine),
    ...notes.map((note) => clean(`note: ${sentence(note)}`)),
    `${counted(objects, "object")} in ${counted(files, "file")}: ${found}${foreign}`,
  ];
}
