// A problem as a line of text: the same words in `status`, `plan` and `lint`.

import type { ProblemStatus } from "../api/wire.ts";
import { clean } from "./text.ts";

/** Severity and code, where it stands, what is wrong, what to do. */
export function problemLine(problem: ProblemStatus): string {
  const place = [problem.object, problem.where, problem.field].filter((part) => part !== "").join(", ");
  const { severity, code, message, fix } = problem;
  return clean(`${severity} ${code}: ${place}: ${sentence(message)} ${sentence(capital(fix))}`);
}

/** With a full stop, unless it ends in one. */
export function sentence(text: string): string {
  return text === "" || /[.!?]$/.test(text) ? text : `${text}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
