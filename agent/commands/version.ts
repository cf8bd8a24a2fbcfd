// `headgate version`: of the CLI, of the agent that runs, and of its nginx.

import type { StatusReport } from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { askAgent, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { table } from "./text.ts";

export const versionCommand: Command = {
  name: "version",
  summary: "Versions of CLI, agent and nginx",
  positionals: "",
  positionalsMin: 0,
  positionalsMax: 0,
  options: [OUTPUT_OPTION, ...SOCKET_OPTIONS],
  details: ["Succeeds without an agent: then only the version of the CLI is known."],
  run: runVersion,
};

async function runVersion(input: CommandInput): Promise<number> {
  const { context } = input;
  const format = outputFormat(input);
  let report: StatusReport | null = null;
  try {
    report = await askAgent<StatusReport>(findSocket(input), "/v1/status", context.signal);
  } catch (thrown) {
    if (!(thrown instanceof AgentError)) throw thrown;
  }
  const versions = { cli: VERSION, agent: report?.version ?? null, nginx: report?.nginxVersion ?? null };
  if (format === "json") context.out(`${JSON.stringify(versions, null, 2)}\n`);
  else {
    const rows = Object.entries(versions).map(([name, version]) => [name.toUpperCase(), version ?? ""]);
    context.out(`${table(rows).join("\n")}\n`);
  }
  return EXIT.ok;
}
