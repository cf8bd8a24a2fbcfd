// The log: one logger per component, constant messages, facts as fields. Everything goes to standard error.

import winston from "winston";

/** Facts of one line. Fixed names: `object`, `host`, `generation`, `durationMs`, `reason`, `error`. */
export type LogFacts = Readonly<Record<string, unknown>>;

export type LogLevel = "error" | "warn" | "info" | "debug";

/** `message` is a constant that starts with a capital; what varies goes into `facts`. error to info are for operators. */
export interface Logger {
  error(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  debug(message: string, facts?: LogFacts): void;
  /** The logger of one component; its name is the field `component`. */
  child(component: string): Logger;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** auto: logfmt on a terminal, JSON lines elsewhere. */
  readonly format: "auto" | "json" | "logfmt";
}

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;

/** Logs to `stream`, the process's standard error but in tests. A stream that breaks loses lines, never the process. */
export function createLogger(
  options: LogOptions,
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean } = process.stderr,
): Logger {
  const json = options.format === "json" || (options.format === "auto" && stream.isTTY !== true);
  stream.on("error", () => {});
  const root = winston.createLogger({
    levels: LEVELS,
    level: options.level,
    format: winston.format.printf((info) => {
      const { level, message, ...facts } = info;
      const line = { time: new Date().toISOString(), level, message, ...plainFacts(facts) };
      return json ? JSON.stringify(line) : logfmt(line);
    }),
    transports: [new winston.transports.Stream({ stream })],
  });
  return wrap(root);
}

function wrap(inner: winston.Logger): Logger {
  return {
    error: (message, facts) => void inner.log({ ...facts, level: "error", message }),
    warn: (message, facts) => void inner.log({ ...facts, level: "warn", message }),
    info: (message, facts) => void inner.log({ ...facts, level: "info", message }),
    debug: (message, facts) => void inner.log({ ...facts, level: "debug", message }),
    child: (component) => wrap(inner.child({ component })),
  };
}

/** Errors become their text, so that a line never holds "{}"; the code and hint of ours come along. */
function plainFacts(facts: LogFacts): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined) continue;
    plain[name] = value instanceof Error ? errorFact(value) : typeof value === "bigint" ? String(value) : value;
  }
  return plain;
}

function errorFact(error: Error): string {
  const hint = "hint" in error && typeof error.hint === "string" ? ` ${error.hint}` : "";
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return `${error.message}${cause}${hint}`;
}

function logfmt(line: Readonly<Record<string, unknown>>): string {
  return Object.entries(line)
    .map(([name, value]) => `${name}=${logfmtValue(value)}`)
    .join(" ");
}

/** Anything but plain words is quoted as JSON, so a line stays a line whatever a tenant wrote. */
function logfmtValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[\w.:/@*+,%()[\]-]+$/.test(text) ? text : JSON.stringify(text);
}
