// Values of annotations in which nginx's variables stand.

/** Text and "$variable" in turn, names in lower case and without braces: "a${B}c" → ["a", "$b", "c"]. */
export function textAndVariables(value: string): readonly string[] {
  const parts = value.match(/\$\{\w+\}|\$\w+|[^$]+|\$/g) ?? [];
  return parts.map((part) => (part.startsWith("$") ? `$${part.replaceAll(/[${}]/g, "").toLowerCase()}` : part));
}
