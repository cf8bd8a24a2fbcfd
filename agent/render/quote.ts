// The only ways a string gets into an nginx file. A filter answers with `Raw`; anything else is refused by the engine.

/** Text that was checked and quoted for its place. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

const TOKEN = /^[A-Za-z0-9_.:@/*~^+=\-[\]]+$/;
const CONTROL = /[\u0000-\u001f\u007f]/;

/** A bare word: names, addresses, numbers with units. Throws on anything that nginx could read as more than one word. */
export function tok(value: unknown): Raw {
  const text = textOf(value);
  if (!TOKEN.test(text)) {
    throw new TypeError(`${JSON.stringify(text)} cannot stand unquoted in an nginx file`);
  }
  return new Raw(text);
}

/**
 * A quoted argument. "$" is refused and not escaped: some directives read it as a variable and some do not, and
 * nothing that is rendered needs it.
 */
export function q(value: unknown): Raw {
  return new Raw(`"${escaped(value, /\$/)}"`);
}

/** A string inside a Lua block. */
export function lua(value: unknown): Raw {
  return new Raw(`"${escaped(value, null)}"`);
}

const HOST_NAME = /^(\*\.)?(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*$/;

/**
 * A host in `server_name`. A wildcard stands for one label, which nginx's own does not: it becomes an expression, of
 * characters that mean nothing to nginx's parser between quotes.
 */
export function serverName(value: unknown): Raw {
  const text = textOf(value);
  if (!HOST_NAME.test(text)) throw new TypeError(`${JSON.stringify(text)} is no host name`);
  if (!text.startsWith("*.")) return new Raw(`"${text}"`);
  return new Raw(`"~^[^.]+[.]${text.slice(2).replaceAll(".", "[.]")}$"`);
}

/** A log_format of the operator's own: variables stay variables; what would end its quotes is refused. */
export function logFormat(value: unknown): Raw {
  const text = textOf(value);
  if (CONTROL.test(text) || /['\\]/.test(text)) {
    throw new TypeError(`${JSON.stringify(text)} has a character that no log format can hold here`);
  }
  return new Raw(`'${text}'`);
}

const HEADER_VARIABLE = /\$(host|remote_addr|request_id|request_method|request_uri|scheme|server_port)\b/g;

/** The value of a header: the variables of the list stay variables, any other "$" is refused. */
export function header(value: unknown): Raw {
  const text = textOf(value);
  escaped(text.replaceAll(HEADER_VARIABLE, ""), /\$/);
  const quoted = escaped(text, null).replaceAll(HEADER_VARIABLE, (_whole, name: string) =>
    name === "request_id" ? "${hg_request_id}" : `\${${name}}`,
  );
  return new Raw(`"${quoted}"`);
}

/** A name of a variable of nginx, with its "$". */
export function variable(value: unknown): Raw {
  const text = textOf(value);
  if (!/^\$[a-z][a-z0-9_]*$/.test(text)) throw new TypeError(`${JSON.stringify(text)} is no variable`);
  return new Raw(text);
}

/** What `{{ }}` may print: checked text, numbers and booleans. Throws on plain strings, so that no filter is forgotten. */
export function printable(value: unknown): string {
  if (value instanceof Raw || typeof value === "boolean" || Number.isSafeInteger(value)) {
    return String(value);
  }
  throw new TypeError(`${JSON.stringify(value)} is printed without tok, q or lua`);
}

function textOf(value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number") {
    throw new TypeError(`a field of the view is ${String(value)} and not text`);
  }
  return String(value);
}

function escaped(value: unknown, refused: RegExp | null): string {
  const text = textOf(value);
  if (CONTROL.test(text) || refused?.test(text) === true) {
    throw new TypeError(`${JSON.stringify(text)} has a character that no nginx file can hold here`);
  }
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
}
