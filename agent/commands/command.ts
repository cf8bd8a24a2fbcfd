// What a command is: one entry of the table that parses, documents and runs it.

/** Exit codes of every command but `check`. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** No agent answers, as `systemctl status` has it. */
  notRunning: 3,
  /** It runs and something is wrong; only where --check asks for it. */
  degraded: 4,
} as const;

/** Where a command writes and what it may know of the process. */
export interface CommandContext {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly cwd: string;
  readonly terminal: boolean;
  /** Size of the terminal as it is now; what is no terminal has no limits. */
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly signal: AbortSignal;
}

export interface CommandOption {
  readonly name: string;
  readonly short: string | null;
  /** null for a flag without a value. */
  readonly value: string | null;
  readonly help: string;
  /** All the values there are; for `completion`. */
  readonly choices?: readonly string[];
  /** May be given more than once. */
  readonly multiple?: boolean;
}

export interface CommandInput {
  readonly context: CommandContext;
  /** The value of an option, undefined where it was not given. */
  readonly text: (option: string) => string | undefined;
  readonly flag: (option: string) => boolean;
  /** Every value of an option that may be repeated. */
  readonly texts: (option: string) => readonly string[];
  readonly positionals: readonly string[];
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Like "METHOD URL"; "" for none. */
  readonly positionals: string;
  readonly positionalsMin: number;
  readonly positionalsMax: number;
  /** What a positional can be, for `completion`: words, or the names of files. */
  readonly completes?: readonly string[] | "files";
  readonly options: readonly CommandOption[];
  /** What the help says beyond the options, line by line. */
  readonly details: readonly string[];
  /** Exit code for everything that failed, where it is not the usual one. */
  readonly failedExit?: number;
  /** Gives the exit code. Throws AgentError for what failed. */
  readonly run: (input: CommandInput) => Promise<number>;
}

export const SOCKET_OPTIONS: readonly CommandOption[] = [
  { name: "socket", short: null, value: "PATH", help: "socket of the agent (HEADGATE_SOCKET)" },
  { name: "state-dir", short: null, value: "DIR", help: "state folder of the agent (HEADGATE_STATE_DIR)" },
];

export const OUTPUT_OPTION: CommandOption = {
  name: "output",
  short: "o",
  value: "FORMAT",
  help: "text or json",
  choices: ["text", "json"],
};
