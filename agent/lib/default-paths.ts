// Where Headgate keeps its things when nobody says otherwise. Agent and CLI must agree on it, so it stands once.

import { homedir } from "node:os";
import { join } from "node:path";

/** The file that is read when neither --config nor HEADGATE_CONFIG names one, if it is there. */
export const DEFAULT_CONFIG_FILE = "/etc/headgate/config.yaml";

/** `sun_path` of a unix socket holds 108 bytes with its ending zero. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** /var/lib/headgate for root, $XDG_STATE_HOME/headgate (~/.local/state/headgate) for everybody else. */
export function defaultStateDir(env: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (uid === 0) return "/var/lib/headgate";
  const stateHome = env["XDG_STATE_HOME"];
  if (stateHome !== undefined && stateHome.startsWith("/")) return join(stateHome, "headgate");
  const home = env["HOME"];
  return join(home !== undefined && home !== "" ? home : homedir(), ".local/state/headgate");
}

export function defaultRunDir(stateDir: string): string {
  return join(stateDir, "run");
}

/** The socket that the CLI talks to. */
export function defaultAgentSocket(runDir: string): string {
  return join(runDir, "agent.sock");
}
