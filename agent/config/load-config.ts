// File, environment and flags → Config. Flags win over variables, variables over the file, the file over defaults.
// Everything that is wrong is said at once, with the key and where it stands.

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_CONFIG_FILE } from "../lib/default-paths.ts";
import { didYouMean } from "../lib/spelling.ts";
import { AgentError, errorText } from "../lib/errors.ts";
import { buildConfig } from "./build-config.ts";
import { checkValue } from "./check-value.ts";
import type { Config } from "./config.ts";
import { parseConfigFile } from "./config-file.ts";
import { runOptions, SETTINGS } from "./settings.ts";
import type { Layers, Origin, Setter, Surroundings } from "./build-config.ts";

type Fault = { readonly where: string; readonly key: string; readonly message: string; readonly fix: string };
type Flags = Readonly<Record<string, unknown>>;
/** What was read so far. */
interface Reading {
  readonly layers: Layers;
  readonly faults: Fault[];
}

const FILE_BYTES_MAX = 1024 * 1024;

/**
 * `argv` is what follows `headgate run`. Throws AgentError `usage` for a command line that cannot be understood,
 * and `config-invalid` with one line per fault for everything else.
 */
export async function loadConfig(argv: readonly string[], surroundings: Surroundings): Promise<Config> {
  const flags = parseFlags(argv);
  const reading: Reading = { layers: new Map(), faults: [] };
  const { layers, faults } = reading;
  await readFileLayer(flags, surroundings, reading);
  readEnvLayer(surroundings, reading);
  readFlagLayer(flags, surroundings, reading);
  const config = buildConfig(layers, surroundings, (origin, key, message, fix) => {
    faults.push({ where: origin, key, message, fix });
  });
  if (faults.length > 0 || config === null) throw invalid(faults);
  return config;
}

function parseFlags(argv: readonly string[]): Flags {
  try {
    return parseArgs({ args: [...argv], options: runOptions(), strict: true, allowPositionals: false }).values;
  } catch (thrown) {
    const unknown = /'(-[^']*)'/.exec(errorText(thrown))?.[1];
    const known = Object.keys(runOptions()).map((option) => `--${option}`);
    const meant = unknown === undefined || known.includes(unknown) ? null : didYouMean(unknown, known);
    const message = (errorText(thrown).split(". ")[0] ?? "").replace(/\.$/, "");
    const hint = meant === null ? "Run `headgate run --help` for the options." : `Did you mean \`${meant}\`?`;
    throw new AgentError("usage", `cannot understand the command line: ${message}`, { hint, cause: thrown });
  }
}

async function readFileLayer(flags: Flags, around: Surroundings, reading: Reading): Promise<void> {
  const named = typeof flags["config"] === "string" ? flags["config"] : around.env["HEADGATE_CONFIG"];
  const path = resolve(around.cwd, named === undefined || named === "" ? DEFAULT_CONFIG_FILE : named);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    const missing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    if (missing && (named === undefined || named === "")) return;
    throw new AgentError("config-invalid", `cannot read configuration file: ${path}: ${errorText(thrown)}`, {
      hint: missing ? "Give the right path with --config." : `Check it with \`ls -l ${path}\`.`,
      cause: thrown,
    });
  }
  if (text.length > FILE_BYTES_MAX) {
    const hint = "Give the right file with --config.";
    throw new AgentError("config-invalid", `cannot read configuration file: ${path}: over 1 MiB`, { hint });
  }
  const parsed = parseConfigFile(text);
  for (const fault of parsed.faults) reading.faults.push({ ...fault, where: `${path}:${fault.line}` });
  for (const { key, value, line } of parsed.values) {
    set(reading, key, value, { rank: 1, where: `${path}:${line}`, folder: dirname(path), textual: false });
  }
}

function readEnvLayer(around: Surroundings, reading: Reading): void {
  for (const { key, env } of SETTINGS) {
    const value = env === null ? undefined : around.env[env];
    if (value === undefined || value === "" || env === null) continue;
    set(reading, key, value, { rank: 2, where: env, folder: around.cwd, textual: true });
  }
}

function readFlagLayer(flags: Flags, around: Surroundings, reading: Reading): void {
  for (const { key, flag } of SETTINGS) {
    const value = flag === null ? undefined : flags[flag];
    if (value === undefined || flag === null) continue;
    set(reading, key, value, { rank: 3, where: `--${flag}`, folder: around.cwd, textual: true });
  }
}

/** Layers are set from the lowest to the highest, so the last word stands. A bad value is a fault, even if outvoted. */
function set({ layers, faults }: Reading, key: string, raw: unknown, origin: Origin): void {
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  if (setting === undefined) {
    const setter: Setter = { value: true, origin };
    layers.set(key, setter);
    return;
  }
  const checked = checkValue(setting, raw, origin);
  if (checked.ok) layers.set(key, { value: checked.value, origin });
  else faults.push({ where: origin.where, key, message: checked.message, fix: checked.fix });
}

function invalid(faults: readonly Fault[]): AgentError {
  const lines = faults.map(({ where, key, message, fix }) => {
    const subject = [where, key === "" ? "" : `\`${key}\``].filter((part) => part !== "").join(": ");
    return `${subject === "" ? "" : `${subject} `}${message}: ${fix}`;
  });
  const only = lines.length === 1 ? lines[0] : undefined;
  const text = only ?? `${lines.length} faults\n${lines.map((line) => `  ${line}`).join("\n")}`;
  return new AgentError("config-invalid", `cannot use the configuration: ${text}`, {
    hint: "See docs/configuration.md for every key.",
  });
}
