// The completion script for bash.

import { type Completed, spellings, valuesOf } from "./completion-table.ts";

/** Words of the table are plain: they need no quoting beyond double quotes. */
export function bashScript(table: readonly Completed[]): string {
  const names = table.map(({ name }) => name).join(" ");
  return [
    "# bash completion of headgate: made by `headgate completion bash`.",
    '_headgate_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }',
    '_headgate_files() { compopt -o filenames 2>/dev/null || :; mapfile -t COMPREPLY < <(compgen -f -- "$1"); }',
    "_headgate() {",
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}",
    "    COMPREPLY=()",
    '    if [ "$COMP_CWORD" -eq 1 ]; then',
    `        _headgate_words "${names}" "$word"`,
    "        return",
    "    fi",
    '    case "$command $before" in',
    ...table.flatMap(valueCases),
    "    esac",
    '    case "$command" in',
    ...table.flatMap(commandCase),
    "    esac",
    "}",
    "complete -F _headgate headgate",
    "",
  ].join("\n");
}

function valueCases({ name, options }: Completed): readonly string[] {
  return options
    .filter(({ value }) => value !== null)
    .map((option) => {
      const pattern = spellings(option)
        .map((spelling) => `"${name} ${spelling}"`)
        .join(" | ");
      const values = valuesOf(option);
      if (values === "none") return `        ${pattern}) return ;;`;
      const action = values === "files" ? '_headgate_files "$word"' : `_headgate_words "${values.join(" ")}" "$word"`;
      return `        ${pattern}) ${action}; return ;;`;
    });
}

function commandCase({ name, options, positionals }: Completed): readonly string[] {
  const words = options.flatMap(spellings).join(" ");
  const others =
    positionals === "files" ? '_headgate_files "$word"' : `_headgate_words "${positionals.join(" ")}" "$word"`;
  return [
    `        ${name})`,
    `            case "$word" in`,
    `                -*) _headgate_words "${words}" "$word" ;;`,
    `                *) ${others} ;;`,
    "            esac",
    "            ;;",
  ];
}
