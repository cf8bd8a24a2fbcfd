// nginx alone on a test machine: backends that answer in microseconds, and the hand-written side of comparisons.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:net";
import { type Machine, startMachine } from "../../edges/machine.ts";
import type { Running } from "../../edges/sandbox.ts";
import { eventually } from "../../e2e/support/eventually.ts";

export interface QuickBackend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

const PORT = 8080;
/** With ten thousand server blocks it takes a while, and longer where others are at work. */
const LISTENS_WITHIN_MS = 180_000;

/** A machine whose nginx answers every request with its name. */
export async function startQuickBackend(name: string): Promise<QuickBackend> {
  const machine = await startMachine({ name, suite: "trixie" });
  try {
    const text = `${frame(machine, 1, 1024)}
http {
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    server {
        listen 0.0.0.0:${PORT};
        location / {
            return 200 "${name}";
        }
    }
}
`;
    await startNginx(machine, "backend", text, PORT);
  } catch (error) {
    await machine.stop();
    throw error;
  }
  return { name, address: machine.address, port: PORT, stop: () => machine.stop() };
}

/** What every nginx.conf of ours begins with. */
export function frame(machine: Machine, workers: number, connections: number): string {
  return `daemon off;
user www-data;
worker_processes ${workers};
worker_rlimit_nofile ${connections * 2 + 256};
error_log ${join(machine.scratch, "hand-written-error.log")} warn;
events {
    worker_connections ${connections};
}`;
}

/** Starts nginx with this text as its configuration and waits until it listens. */
export async function startNginx(machine: Machine, name: string, text: string, port: number): Promise<Running> {
  const directory = join(machine.scratch, name);
  await mkdir(directory, { recursive: true });
  const file = join(directory, "nginx.conf");
  await writeFile(file, `pid ${join(directory, "nginx.pid")};\n${text}`);
  const running = await machine.spawn(["nginx", "-c", file]);
  try {
    const ended = running.exited.then(() => Promise.reject(new Error("it ended")));
    const listens = eventually(
      `nginx ${name} listens on ${port}`,
      () => canConnect(machine.address, port),
      LISTENS_WITHIN_MS,
    );
    await Promise.race([listens, ended]);
  } catch (cause) {
    throw new Error(`nginx ${name} does not start: ${running.output()}`, { cause });
  }
  return running;
}

function canConnect(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port }, () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
