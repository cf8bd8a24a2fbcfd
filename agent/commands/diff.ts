// `headgate diff PATH...`: what applying manifests would change in documents and nginx files, as a unified diff.

import type { PlanReport } from "../api/wire.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { askForPlan, CHANGE_OPTIONS } from "./plan.ts";
import { problemLine } from "./problem-text.ts";
import { clean } from "./text.ts";
import { unifiedDiff } from "./unified-diff.ts";

const NOTHING = "/dev/null";

/** As diff(1) has them. */
const DIFF_EXIT = { same: 0, different: 1, trouble: 2 } as const;

export const diffCommand: Command = {
  name: "diff",
  summary: "What applying manifests would change in documents and nginx files, as a diff",
  positionals: "[PATH...]",
  positionalsMin: 0,
  positionalsMax: Number.POSITIVE_INFINITY,
  completes: "files",
  failedExit: DIFF_EXIT.trouble,
  options: [OUTPUT_OPTION, ...CHANGE_OPTIONS, ...SOCKET_OPTIONS],
  details: [
    "PATH as for `headgate plan`. Private keys are never shown. Nothing is changed.",
    "Exit codes, as diff(1) has them: 0 no difference, 1 a difference, 2 failed or an object is refused,",
    `${EXIT.notRunning} no agent is running.`,
  ],
  run: runDiff,
};

async function runDiff(input: CommandInput): Promise<number> {
  const { context } = input;
  const format = outputFormat(input);
  const report = await askForPlan(input, true);
  const lines = diffLines(report);
  if (format === "json") context.out(`${JSON.stringify(report, null, 2)}\n`);
  else if (lines.length > 0) context.out(`${lines.join("\n")}\n`);
  const refused = report.newProblems.filter(({ code }) => code === "object-refused");
  for (const problem of refused) context.error(`headgate: ${problemLine(problem)}\n`);
  if (refused.length > 0) return DIFF_EXIT.trouble;
  return lines.length > 0 ? DIFF_EXIT.different : DIFF_EXIT.same;
}

/** Files first, then documents in the order of their push. */
function diffLines({ files, documents }: PlanReport): readonly string[] {
  return [
    ...files.flatMap(({ path, before, after }) =>
      partLines(`files/${path}`, textLines(before).map(clean), textLines(after).map(clean)),
    ),
    ...documents.flatMap(({ kind, key, before, after }) =>
      partLines(`documents/${kind}/${key}`, valueLines(before), valueLines(after)),
    ),
  ];
}

function partLines(name: string, before: readonly string[] | null, after: readonly string[] | null): readonly string[] {
  const from = { name: before === null ? NOTHING : clean(`a/${name}`), lines: before ?? [] };
  const to = { name: after === null ? NOTHING : clean(`b/${name}`), lines: after ?? [] };
  const lines = unifiedDiff(from, to);
  return lines.length > 0 ? lines : [clean(`Only what is not shown differs: ${name}`)];
}

function textLines(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

function valueLines(value: unknown): readonly string[] | null {
  return value === null ? null : JSON.stringify(value, null, 2).split("\n").map(escaped);
}

/** JSON that a terminal obeys in nothing, and that stays the same value. */
function escaped(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
