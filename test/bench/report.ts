// docs/benchmarks.md: what a full run measured, on what, and which targets it missed. Nothing else writes that file.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { REPOSITORY, startMachine } from "../edges/machine.ts";
import type { Figure, Gate, Result } from "./support/result.ts";

const FILE = join(REPOSITORY, "docs/benchmarks.md");

export async function writeReport(results: readonly Result[]): Promise<void> {
  const figures = results.flatMap((result) => result.figures);
  const gates = results.flatMap((result) => result.gates);
  const lines = [
    "# Benchmarks",
    "",
    "Written by `npm run bench`; changes by hand are overwritten.",
    "Counts and ratios are gates, in a short form of every test run too; times are only told, because they depend on the machine.",
    "",
    ...(await machineLines()),
    "",
    ...missedLines(figures, gates),
    ...results.flatMap(sectionLines),
  ];
  await writeFile(FILE, `${lines.join("\n")}\n`);
}

async function machineLines(): Promise<readonly string[]> {
  const [cpu] = cpus();
  return [
    "| of this run | |",
    "|---|---|",
    `| commit | ${commit()} |`,
    `| date | ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC |`,
    `| processor | ${cpus().length} × ${cpu?.model ?? "unknown"} |`,
    `| memory | ${Math.round(totalmem() / 2 ** 30)} GiB |`,
    `| kernel | ${release()} |`,
    `| nginx | ${await nginxVersion()} |`,
    `| Node | ${process.version} |`,
    `| other load at the end | ${readFileSync("/proc/loadavg", "utf8").split(" ")[2] ?? "?"} (15 minutes, this run included) |`,
  ];
}

function commit(): string {
  const git = (...argv: readonly string[]): string =>
    execFileSync("git", ["-C", REPOSITORY, ...argv], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const changed = git("status", "--porcelain", "--", "agent", "lua", "nginx", "test/bench") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${changed ? " with changes that are not committed" : ""}`;
  } catch {
    return "none";
  }
}

async function nginxVersion(): Promise<string> {
  const machine = await startMachine({ name: "version", suite: "trixie" });
  try {
    const { stderr } = await machine.exec(["nginx", "-v"]);
    return stderr.trim().replace("nginx version: ", "");
  } finally {
    await machine.stop();
  }
}

function missedLines(figures: readonly Figure[], gates: readonly Gate[]): readonly string[] {
  const missed = [
    ...figures
      .filter(({ met }) => met === false)
      .map(({ name, value, target }) => `- ${name}: ${value}, target ${target}.`),
    ...gates.filter(({ passed }) => !passed).map(({ name, text }) => `- Gate ${name}: ${firstLine(text)}.`),
  ];
  if (missed.length === 0) return ["Every target was met.", ""];
  return ["## Missed", "", ...missed, ""];
}

function sectionLines({ title, method, figures, gates }: Result): readonly string[] {
  const rows = figures.map(
    ({ name, value, target, met }) =>
      `| ${name} | ${value} | ${target ?? ""} | ${met === null ? "" : met ? "met" : "missed"} |`,
  );
  const runs = figures.flatMap((figure) => figure.runs.map((run) => `- ${figure.name}: ${run}`));
  return [
    `## ${title}`,
    "",
    ...method,
    "",
    ...(rows.length > 0 ? ["| figure | value | target | |", "|---|---|---|---|", ...rows, ""] : []),
    ...(runs.length > 0 ? ["Runs:", ...runs, ""] : []),
    ...gates.map(({ name, passed, text }) => `- Gate ${name}: ${passed ? "passed" : "failed"}; ${firstLine(text)}.`),
    ...(gates.length > 0 ? [""] : []),
  ];
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
