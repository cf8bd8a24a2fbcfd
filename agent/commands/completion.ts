// `headgate completion SHELL`: a script for the shell, generated from the table of commands.

import { AgentError } from "../lib/errors.ts";
import { bashScript } from "./completion-bash.ts";
import { fishScript } from "./completion-fish.ts";
import { zshScript } from "./completion-zsh.ts";
import { EXIT } from "./command.ts";
import type { Command } from "./command.ts";
import type { Completed } from "./completion-table.ts";

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** `table` is asked when the command runs: this command is in it. */
export function completionCommand(table: () => readonly Completed[]): Command {
  return {
    name: "completion",
    summary: "A completion script for a shell",
    positionals: "bash|zsh|fish",
    positionalsMin: 1,
    positionalsMax: 1,
    completes: Object.keys(SHELLS),
    options: [],
    details: [
      "bash: source <(headgate completion bash)",
      "zsh:  source <(headgate completion zsh), after compinit",
      "fish: headgate completion fish | source",
    ],
    run: ({ positionals, context }) => {
      const shell = positionals[0] ?? "";
      const script = Object.entries(SHELLS).find(([name]) => name === shell)?.[1];
      if (script === undefined) {
        throw new AgentError("usage", `cannot complete for ${JSON.stringify(shell)}: it is no shell that is known`, {
          hint: `Name one of ${Object.keys(SHELLS).join(", ")}.`,
        });
      }
      context.out(script(table()));
      return Promise.resolve(EXIT.ok);
    },
  };
}
