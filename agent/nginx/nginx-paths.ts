// Where nginx's files lie under the state and run directories.

import { join } from "node:path";

export interface NginxPaths {
  /** Holds one folder per configuration generation and the link `current`. */
  readonly generations: string;
  readonly current: string;
  /** The configuration nginx is started with; follows `current`. */
  readonly mainFile: string;
  /** nginx's own prefix: temporary bodies and the like. */
  readonly prefix: string;
  readonly runDir: string;
  readonly pushSocket: string;
  readonly pidFile: string;
  readonly errorLog: string;
}

/** The push socket has a folder of its own: nginx makes sockets 0666, so the folder is the lock. */
export function nginxPaths(stateDir: string, runDir: string): NginxPaths {
  const generations = join(stateDir, "nginx");
  return {
    generations,
    current: join(generations, "current"),
    mainFile: join(generations, "current", "nginx.conf"),
    prefix: join(runDir, "nginx"),
    runDir,
    pushSocket: join(runDir, "push", "push.sock"),
    pidFile: join(runDir, "nginx.pid"),
    errorLog: join(stateDir, "log", "nginx-error.log"),
  };
}
