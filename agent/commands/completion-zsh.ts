// The completion script for zsh, for compsys (_arguments, _describe).

import { type Completed, spellings, valuesOf } from "./completion-table.ts";

export function zshScript(table: readonly Completed[]): string {
  return [
    "#compdef headgate",
    "# zsh completion of headgate: made by `headgate completion zsh`.",
    "_headgate() {",
    "    local -a commands",
    "    commands=(",
    ...table.map(({ name, summary }) => `        ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}`),
    "    )",
    "    if (( CURRENT == 2 )); then",
    "        _describe command commands",
    "        return",
    "    fi",
    "    local command=$words[2]",
    "    shift words",
    "    (( CURRENT-- ))",
    '    case "$command" in',
    ...table.flatMap(commandCase),
    "    esac",
    "}",
    "compdef _headgate headgate",
    "",
  ].join("\n");
}

function commandCase({ name, options, positionals }: Completed): readonly string[] {
  const rest = positionals === "files" ? "*:file:_files" : `*:word:(${positionals.join(" ")})`;
  const specs = options.flatMap((option) => {
    const values = valuesOf(option);
    const action = values === "files" ? "_files" : values === "none" ? " " : `(${values.join(" ")})`;
    const value = option.value === null ? "" : `:${option.value}:${action}`;
    const repeated = option.multiple === true ? "*" : "";
    return spellings(option).map((spelling) => quoted(`${repeated}${spelling}[${bracketed(option.help)}]${value}`));
  });
  return [`        ${name})`, `            _arguments -s ${[...specs, quoted(rest)].join(" ")}`, "            ;;"];
}

/** Text inside [] of a specification. */
function bracketed(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, "\\$&");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
