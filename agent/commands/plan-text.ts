// PlanReport → the lines of `headgate plan`.

import type { PlannedObject, PlanReport } from "../api/wire.ts";
import { ageText } from "../lib/age.ts";
import { problemLine, sentence } from "./problem-text.ts";
import { clean, counted } from "./text.ts";

const SIGNS = { add: "+", change: "~", delete: "-" } as const;
/** An Ingress may have thousands of paths; JSON has them all. */
const DOCUMENTS_SHOWN = 20;

/** One block for each object that changes something, then what nginx would do, then the sum. */
export function planLines(report: PlanReport, now: number): readonly string[] {
  const shown = report.objects.filter(isShown);
  const same = report.objects.length - shown.length;
  return [
    ...shown.flatMap((object) => [...objectLines(object), ""]),
    ...(same === 0 ? [] : [`${counted(same, "object")} as the agent knows ${same === 1 ? "it" : "them"}`, ""]),
    ...(report.reload === null ? [] : [clean(`nginx would reload: ${report.reload}`), ""]),
    ...(report.notes.length === 0
      ? []
      : ["# Notes:", ...report.notes.map((note) => clean(`#   ${sentence(note)}`)), ""]),
    ...(report.staleSince === null ? [] : [staleLine(report.staleSince, now), ""]),
    sumLine(report),
  ];
}

function isShown(object: PlannedObject): boolean {
  const { action, documents, newProblems, goneProblems } = object;
  return action !== "none" || documents.length + newProblems.length + goneProblems.length > 0;
}

function objectLines(object: PlannedObject): readonly string[] {
  const { documents, newProblems, goneProblems, where, action } = object;
  const name = object.object === "" ? "a document without a name" : object.object;
  const hosts = object.hosts.map((host) => (host === "_" ? "(any)" : host));
  const left = documents.length - DOCUMENTS_SHOWN;
  const quiet = documents.length + newProblems.length + goneProblems.length === 0;
  return [
    clean(`${action} ${name}${where === "" ? "" : ` (${where})`}`),
    ...(hosts.length === 0 ? [] : [clean(`  hosts: ${hosts.join(" ")}`)]),
    ...documents.slice(0, DOCUMENTS_SHOWN).map(({ kind, key, change }) => clean(`  ${SIGNS[change]} ${kind} ${key}`)),
    ...(left > 0 ? [`  and ${counted(left, "document")} more`] : []),
    ...newProblems.map((problem) => `  new problem: ${problemLine(problem)}`),
    ...goneProblems.map((problem) => `  problem gone: ${problemLine(problem)}`),
    ...(quiet && action !== "refused" ? ["  changes nothing that is served"] : []),
  ];
}

function staleLine(since: number, now: number): string {
  return `# Health: the source is away for ${ageText(now - since)}: this starts from what was known then`;
}

function sumLine({ objects, documents, reload, newProblems, goneProblems }: PlanReport): string {
  const changing = objects.filter((object) => object.documents.length > 0).length;
  const verb = changing === 1 ? "changes" : "change";
  const parts = [
    `${counted(changing, "object")} ${verb} ${counted(documents.length, "document")}`,
    counted(reload === null ? 0 : 1, "reload"),
    counted(newProblems.length, "new problem"),
    ...(goneProblems.length === 0 ? [] : [`${counted(goneProblems.length, "problem")} gone`]),
  ];
  return parts.join(", ");
}
