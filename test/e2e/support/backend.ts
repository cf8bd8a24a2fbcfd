// Backends: real processes in network namespaces with addresses that the edge can route to, as Pods have.

import { join } from "node:path";
import { type Namespace, NODE, startNamespace } from "../../edges/machine.ts";
import { eventually } from "./eventually.ts";

export interface Backend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

const PORT = 8080;

export async function startBackend(name: string): Promise<Backend> {
  const namespace = await startNamespace({ name });
  try {
    await serve(namespace, name);
  } catch (error) {
    await namespace.stop();
    throw error;
  }
  return { name, address: namespace.address, port: PORT, stop: () => namespace.stop() };
}

async function serve(namespace: Namespace, name: string): Promise<void> {
  const program = join(import.meta.dirname, "backend-program.ts");
  const running = await namespace.spawn([NODE, program, name, String(PORT)]);
  await eventually(`backend ${name} listens: ${running.output()}`, () => running.output().includes("listening"));
}
