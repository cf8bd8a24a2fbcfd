// StatusReport → the lines of `headgate status`.

import type { ConditionStatus, HostStatus, ProblemStatus, StatusReport } from "../api/wire.ts";
import { ageText } from "../lib/age.ts";
import { problemLine, sentence } from "./problem-text.ts";
import { clean, counted, table } from "./text.ts";

/** Ejected peers of one row that are named. */
const EJECTED_SHOWN = 3;

/** The head, the components, the hosts (worst first), the problems with their fixes, and health as the last block. */
export function statusLines(report: StatusReport): readonly string[] {
  return [
    headline(report),
    ...table(report.components.map(({ name, state, detail }) => [name, state, detail])),
    "",
    ...hostLines(report),
    ...problemLines(report.problems),
    "",
    ...healthLines(report.conditions, report.now),
  ];
}

function headline(report: StatusReport): string {
  const facts: string[] = [];
  if (report.generation !== null) facts.push(`generation ${report.generation}`);
  if (report.appliedAt !== null) facts.push(`applied ${ageText(report.now - report.appliedAt)} ago`);
  facts.push(`${counted(report.reloads.total, "reload")}, ${counted(report.pushes.total, "change")} without`);
  const faults = report.problems.length + report.conditions.filter(({ severity }) => severity !== "info").length;
  if (faults > 0) facts.push(counted(faults, "problem"));
  return clean(`Edge ${report.edge} is ${report.state}: ${facts.join(", ")}`);
}

function hostLines({ hosts, now }: StatusReport): readonly string[] {
  if (hosts.length === 0) return ["No hosts: no Ingress of this edge's classes names one."];
  const rows = hosts.map((row) => [
    row.host === "_" ? "(any)" : row.host,
    row.service,
    row.total === 0 && row.service === "" ? "" : `${row.ready}/${row.total}`,
    row.draining === 0 ? "" : String(row.draining),
    stateText(row, now),
  ]);
  return table([["HOST", "SERVICE", "READY", "DRAINING", "STATE"], ...rows]);
}

/** "ok", or with it the peers that are out. */
function stateText({ state, ejected = [] }: HostStatus, now: number): string {
  if (ejected.length === 0) return state;
  const shown = ejected
    .slice(0, EJECTED_SHOWN)
    .map(({ address, cause, since }) => `${address} for ${ageText(now - since)} (${cause})`);
  const more = ejected.length > shown.length ? `, and ${ejected.length - shown.length} more` : "";
  return clean(`${state === "ok" ? "" : `${state}; `}${ejected.length} ejected: ${shown.join(", ")}${more}`);
}

function problemLines(problems: readonly ProblemStatus[]): readonly string[] {
  if (problems.length === 0) return [];
  const lines = problems.map((problem) => `#   ${problemLine(problem)}`);
  return ["", "# Problems:", ...lines];
}

function healthLines(conditions: readonly ConditionStatus[], now: number): readonly string[] {
  if (conditions.length === 0) return ["# Health: ok"];
  const lines = conditions.map(({ code, severity, message, hint, since }) => {
    const age = severity === "info" ? "" : `for ${ageText(now - since)}: `;
    return clean(`#   ${severity} ${code}: ${age}${sentence(message)} ${hint}`.trimEnd());
  });
  return ["# Health:", ...lines];
}

/** What a watcher counts as a change: all but the clock and the ages that follow from it. */
export function statusSubstance(report: StatusReport): string {
  const { edge, state, generation, hosts, problems, conditions, components, reloads } = report;
  const states = components.map(({ name, state: component }) => [name, component]);
  const codes = conditions.map(({ code, message }) => [code, message]);
  return JSON.stringify([edge, state, generation, hosts, problems, codes, states, reloads.total]);
}
