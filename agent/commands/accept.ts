// `headgate accept [KIND]`: believe a list of the API server that lacks most of what is known.

import { AgentError } from "../lib/errors.ts";
import { askAccept, findSocket } from "./ask-agent.ts";
import { EXIT, OUTPUT_OPTION, SOCKET_OPTIONS } from "./command.ts";
import type { Command, CommandInput } from "./command.ts";
import { outputFormat } from "./output-format.ts";
import { clean, counted } from "./text.ts";

export const acceptCommand: Command = {
  name: "accept",
  summary: "Believe a list of the API server that lacks most of what is known",
  positionals: "[KIND]",
  positionalsMin: 0,
  positionalsMax: 1,
  completes: ["Ingress", "Service", "EndpointSlice", "Endpoints"],
  options: [OUTPUT_OPTION, ...SOCKET_OPTIONS],
  details: [
    "`headgate status` names what is held back, and until when. Without KIND all of it is let through.",
    "Routes and endpoints that the list lacks are gone at once; run it only when they are really gone.",
  ],
  run: runAccept,
};

async function runAccept(input: CommandInput): Promise<number> {
  const { context, positionals } = input;
  const format = outputFormat(input);
  const kind = positionals[0] ?? null;
  if (kind !== null && !/^[A-Za-z]{1,63}$/.test(kind)) {
    const hint = "Write it like EndpointSlice; `headgate status` names the kinds that are held back.";
    throw new AgentError("usage", `cannot accept ${JSON.stringify(kind)}: it is no kind of objects`, { hint });
  }
  const report = await askAccept(findSocket(input), { kind }, context.signal);
  if (format === "json") {
    context.out(`${JSON.stringify(report, null, 2)}\n`);
    return EXIT.ok;
  }
  if (report.accepted.length === 0) context.error("Nothing is held back\n");
  for (const { kind: name, objects } of report.accepted) {
    context.out(`${clean(name)}: ${counted(objects, "object is", "objects are")} gone now\n`);
  }
  return EXIT.ok;
}
