// `headgate explain METHOD URL`: which rule takes a request, and why the others lost.

import type { ExplainAnswer, ExplainLive, ExplainReport } from "../api/wire.ts";
import { ageText } from "../lib/age.ts";
import { AgentError } from "../lib/errors.ts";
import { askAgent, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { clean, table } from "./text.ts";

export const explainCommand: Command = {
  name: "explain",
  summary: "Which rule takes a request, and why the others lost",
  positionals: "[METHOD] URL",
  positionalsMin: 1,
  positionalsMax: 2,
  options: [
    OUTPUT_OPTION,
    { name: "header", short: "H", value: "HEADER", help: 'of the request, like "X-Canary: always"', multiple: true },
    { name: "live", short: null, value: null, help: "ask nginx too, and compare; exit 1 where they differ" },
    ...SOCKET_OPTIONS,
  ],
  details: ["Example: headgate explain GET https://shop.example.org/cart", "No request is sent."],
  run: runExplain,
};

async function runExplain(input: CommandInput): Promise<number> {
  const { context, positionals } = input;
  const format = outputFormat(input);
  const url = positionals.at(-1) ?? "";
  const method = (positionals.length > 1 ? (positionals[0] ?? "GET") : "GET").toUpperCase();
  if (!/^https?:\/\//i.test(url)) {
    const hint = "Write it with scheme and host, like http://shop.example.org/cart.";
    throw new AgentError("usage", `cannot explain ${JSON.stringify(url)}: it is no http or https URL`, { hint });
  }
  const query = new URLSearchParams({ method, url, ...(input.flag("live") ? { live: "1" } : {}) });
  for (const header of input.texts("header")) query.append("header", header);
  const report = await askAgent<ExplainReport>(findSocket(input), `/v1/explain?${query.toString()}`, context.signal);
  const text = format === "json" ? JSON.stringify(report, null, 2) : explainLines(report, Date.now()).join("\n");
  context.out(`${text}\n`);
  return report.live !== null && report.live.differences.length > 0 ? EXIT.failed : EXIT.ok;
}

export function explainLines(report: ExplainReport, now: number): readonly string[] {
  const steps = report.steps.map(({ step, value, why }, index) => [`${index + 1} ${step}`, value, why]);
  const lines = [...table(steps), clean(`would ${answerText(report.answer)}`)];
  lines.push(...liveLines(report.live, now));
  const losers = report.candidates.filter((candidate) => candidate.lost !== null);
  if (losers.length > 0) {
    const rows = losers.map(({ object, host, path, pathType, lost }) => {
      return [object, host === "_" ? "(any)" : host, `${pathType} ${path}`, lost ?? ""];
    });
    lines.push("", ...table([["LOST", "HOST", "PATH", "WHY"], ...rows]));
  }
  if (report.staleSince !== null) {
    lines.push(
      "",
      `# Health:`,
      `#   the source is away for ${ageText(now - report.staleSince)}: this is what was known then`,
    );
  }
  return lines;
}

function liveLines(live: ExplainLive | null, now: number): readonly string[] {
  if (live === null) return [];
  const { ejected = [], lastRequestAt } = live;
  const out = ejected.length === 0 ? [] : [clean(`ejected for now, for they failed: ${ejected.join(" ")}`)];
  if (lastRequestAt === null) out.push("no request of this route since nginx started");
  else if (lastRequestAt !== undefined) out.push(`last request of this route ${ageText(now - lastRequestAt)} ago`);
  if (live.differences.length === 0) return ["nginx agrees", ...out];
  const rows = live.differences.map(({ what, model, nginx }) => [what, model, nginx]);
  const hints = new Set(live.differences.map(({ hint }) => clean(hint)));
  return ["", ...table([["DIFFERS", "MODEL", "NGINX"], ...rows]), ...hints, ...out];
}

function answerText(answer: ExplainAnswer): string {
  switch (answer.kind) {
    case "proxy":
      return `send it to ${answer.service}: ${answer.peers.join(" ")}`;
    case "redirect":
      return `answer ${answer.status} to ${answer.location}`;
    case "refuse":
      return `answer ${answer.status}: ${answer.reason}`;
  }
}
