// What the data plane says of itself on its push socket.

import { join } from "node:path";
import type { Edge } from "../../e2e/support/edge.ts";

export interface DataPlaneState {
  /** Differs after a restart with new memory. */
  readonly epoch: string;
  /** Each worker and the generation of the configuration it runs, sorted: a reload changes all of it. */
  readonly workers: readonly { readonly pid: number; readonly configuration: number }[];
  /** Of shared memory by dict, in bytes. */
  readonly memory: Readonly<Record<string, { readonly capacity: number; readonly free: number }>>;
}

export async function dataPlaneState(edge: Edge): Promise<DataPlaneState> {
  const state = (await ask(edge, "/v1/state")) as DataPlaneState; // docs/dataplane-api.md
  return { epoch: state.epoch, memory: state.memory, workers: state.workers.toSorted((a, b) => a.pid - b.pid) };
}

/** Epoch and workers as text: other text means that nginx was reloaded, or that one of its processes ended. */
export async function workersOf(edge: Edge): Promise<string> {
  const { epoch, workers } = await dataPlaneState(edge);
  return JSON.stringify({ epoch, workers });
}

/** Documents that nginx has taken in since it started. */
export async function pushesApplied(edge: Edge): Promise<number> {
  const { stdout } = await edge.machine.exec(callOf(edge, "/v1/metrics"));
  const value = /^headgate_pushed_documents_total\{result="applied"\} (\d+)$/m.exec(stdout)?.[1];
  if (value === undefined) throw new Error("the metrics do not tell how many documents were applied");
  return Number(value);
}

/** A read on the push socket, by its path and query; what it answers is in docs/dataplane-api.md. */
export async function ask(edge: Edge, path: string): Promise<unknown> {
  return JSON.parse((await edge.machine.exec(callOf(edge, path))).stdout);
}

function callOf({ stateDir }: Edge, path: string): readonly string[] {
  return ["curl", "-sSf", "--unix-socket", join(stateDir, "run/push/push.sock"), `http://nginx${path}`];
}
