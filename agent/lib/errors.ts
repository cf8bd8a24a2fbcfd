// One error class for everything the agent throws on purpose. A caller branches on `code`, never on text.

/** What failed, as a closed set: each code is one thing an operator can tell apart. */
export type ErrorCode =
  | "config-invalid" // a key of the configuration file, the environment or a flag cannot be used
  | "usage" // the command line cannot be understood
  | "agent-unreachable" // the CLI found no agent on the socket
  | "kubeconfig-invalid" // no usable kubeconfig: missing, malformed, or without a server
  | "apiserver-unreachable" // no connection to the API server, or it died in the middle
  | "apiserver-refused" // the API server answered with an error status
  | "apiserver-garbage" // the API server answered with something that is not the protocol
  | "manifest-unreadable" // a manifest file or directory cannot be read
  | "nginx-missing" // no nginx binary, or one without what Headgate needs
  | "nginx-start" // nginx did not start, or ended
  | "nginx-candidate" // `nginx -t` refused the candidate configuration
  | "nginx-reload" // no new worker answered with the new generation
  | "push-refused" // the data plane refused a document
  | "push-failed" // the push socket did not answer, or not in the protocol
  | "snapshot-damaged" // a snapshot on disk does not match its checksum or schema
  | "state-unwritable" // the state directory cannot be written
  | "aborted"; // the caller gave up

export interface AgentErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
}

/** `message` is "what failed: object: cause"; `hint` says in the imperative what to do, with the command to type. */
export class AgentError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;

  constructor(code: ErrorCode, message: string, options: AgentErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AgentError";
    this.code = code;
    this.hint = options.hint ?? null;
  }
}

/** Also for one that another bundle threw, which has a class of its own. */
export function isAgentError(thrown: unknown): thrown is AgentError {
  return thrown instanceof AgentError || (thrown instanceof Error && thrown.name === "AgentError");
}

/** The text of anything that was thrown, for a message. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
