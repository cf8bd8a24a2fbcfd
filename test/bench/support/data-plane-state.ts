// What the data plane says of itself on its push socket.

import { join } from "node:path";
import type { Edge } from "../../e2e/support/edge.ts";

export interface DataPlaneState {
  /** Differs after a restart with new memory. */
  readonly epoch: string;
  /** Each worker and the generation of the configuration it runs, sorted: a reload changes all of it. */
  readonly workers: readonly { readonly pid: number; readonly configuration: number }[];
}

export async function dataPlaneState(edge: Edge): Promise<DataPlaneState> {
  const socket = join(edge.stateDir, "run/push/push.sock");
  const { stdout } = await edge.machine.exec(["curl", "-sSf", "--unix-socket", socket, "http://nginx/v1/state"]);
  const state = JSON.parse(stdout) as DataPlaneState; // the push API's own answer
  return { epoch: state.epoch, workers: state.workers.toSorted((a, b) => a.pid - b.pid) };
}
