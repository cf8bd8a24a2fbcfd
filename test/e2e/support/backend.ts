// Backends: real processes in network namespaces with addresses that the edge can route to, as Pods have.

import { join } from "node:path";
import { type Namespace, NODE, startNamespace } from "../../edges/machine.ts";
import { eventually } from "./eventually.ts";

export interface Backend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Answers at one more port, with the same name. */
  serve(port: number): Promise<void>;
  stop(): Promise<void>;
}

const PORT = 8080;

export function startBackend(name: string): Promise<Backend> {
  return startBackendAt(name, PORT);
}

export async function startBackendAt(name: string, port: number): Promise<Backend> {
  const namespace = await startNamespace({ name });
  try {
    await serve(namespace, name, port);
  } catch (error) {
    await namespace.stop();
    throw error;
  }
  return {
    name,
    address: namespace.address,
    port,
    serve: (more) => serve(namespace, name, more),
    stop: () => namespace.stop(),
  };
}

async function serve(namespace: Namespace, name: string, port: number): Promise<void> {
  const program = join(import.meta.dirname, "backend-program.ts");
  const running = await namespace.spawn([NODE, program, name, String(port)]);
  await eventually(`backend ${name} listens: ${running.output()}`, () => running.output().includes("listening"));
}
