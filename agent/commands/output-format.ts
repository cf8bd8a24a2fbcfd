// The -o option of every command that reads.

import { AgentError } from "../lib/errors.ts";
import type { CommandInput } from "./command.ts";

/** Throws AgentError `usage` for any other word. */
export function outputFormat(input: Pick<CommandInput, "text">): "text" | "json" {
  const format = input.text("output") ?? "text";
  if (format === "text" || format === "json") return format;
  throw new AgentError("usage", `cannot write ${JSON.stringify(format)}: formats are text and json`, {
    hint: "Write -o json.",
  });
}
