// The completion script for fish.

import { type Completed, valuesOf } from "./completion-table.ts";

export function fishScript(table: readonly Completed[]): string {
  return [
    "# fish completion of headgate: made by `headgate completion fish`.",
    "complete -c headgate -f",
    ...table.map(({ name, summary }) => {
      return `complete -c headgate -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`;
    }),
    ...table.flatMap(commandLines),
    "",
  ].join("\n");
}

function commandLines({ name, options, positionals }: Completed): readonly string[] {
  const only = `complete -c headgate -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
  const words = positionals === "files" ? [`${only} -F`] : [];
  if (positionals !== "files" && positionals.length > 0) words.push(`${only} -a ${quoted(positionals.join(" "))}`);
  return [
    ...words,
    ...options.map((option) => {
      const short = option.short === null ? "" : ` -s ${option.short}`;
      const values = valuesOf(option);
      const value = values === "files" ? " -r -F" : values === "none" ? " -x" : ` -x -a ${quoted(values.join(" "))}`;
      return `${only} -l ${option.name}${short}${option.value === null ? "" : value} -d ${quoted(option.help)}`;
    }),
  ];
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
