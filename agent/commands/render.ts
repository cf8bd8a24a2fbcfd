// `headgate render`: what nginx gets, as files and documents.

import type { RenderReport } from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { askAgent, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { clean } from "./text.ts";

export const renderCommand: Command = {
  name: "render",
  summary: "What nginx gets: its files, and the documents that are pushed",
  positionals: "[PART]",
  positionalsMin: 0,
  positionalsMax: 1,
  options: [OUTPUT_OPTION, ...SOCKET_OPTIONS],
  details: [
    "With PART only the files and documents whose name holds it, like shop.example.org or shop/web.",
    "Private keys are never shown; certificates are, by their fingerprint.",
  ],
  run: runRender,
};

async function runRender(input: CommandInput): Promise<number> {
  const { context, positionals } = input;
  const format = outputFormat(input);
  const whole = await askAgent<RenderReport>(findSocket(input), "/v1/render", context.signal);
  const part = positionals[0] ?? "";
  const report: RenderReport = {
    ...whole,
    files: whole.files.filter((file) => file.path.includes(part)),
    documents: whole.documents.filter(({ kind, key }) => `${kind}/${key}`.includes(part)),
  };
  if (part !== "" && report.files.length + report.documents.length === 0) {
    const hint = "See the names of all with `headgate render`.";
    throw new AgentError("usage", `cannot render ${JSON.stringify(part)}: no file or document has it in its name`, {
      hint,
    });
  }
  context.out(format === "json" ? `${JSON.stringify(report, null, 2)}\n` : renderText(report));
  return EXIT.ok;
}

/** Each part under a line that names it. nginx's own lines are shown as they are, but for what a terminal would obey. */
function renderText(report: RenderReport): string {
  const files = report.files.map(
    ({ path, text }) => `# file ${clean(path)}\n${text.trimEnd().split("\n").map(clean).join("\n")}\n`,
  );
  const documents = report.documents.map(({ kind, key, value }) => clean(`${kind} ${key} ${JSON.stringify(value)}`));
  const block = documents.length === 0 ? [] : [`# documents\n${documents.join("\n")}\n`];
  return [...files, ...block].join("\n");
}
