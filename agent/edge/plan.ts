// `headgate plan`: the change tried on a copy of what this edge knows. One at a time; nothing of the edge is changed.

import { buildPlanReport } from "../trial/plan-report.ts";
import { tryChange, type Tried } from "../trial/try-change.ts";
import type { PlanReport, PlanRequest } from "../api/wire.ts";
import { AgentError } from "../lib/errors.ts";
import { OneAtATime } from "../lib/one-at-a-time.ts";
import { documentId } from "../plan/plan-documents.ts";
import type { Edge } from "./edge.ts";

/** Each that waits holds its objects in memory. */
const PLANS_MAX = 4;

/** Plans one after the other: each takes a share of the time that pushes need too. */
export class Planner {
  readonly #edge: Edge;
  readonly #plans = new OneAtATime(PLANS_MAX);

  constructor(edge: Edge) {
    this.#edge = edge;
  }

  /** Throws AgentError `aborted` before the objects are known or when too many wait, and the reason of `signal`. */
  async plan(request: PlanRequest, signal: AbortSignal): Promise<PlanReport> {
    const plan = this.#plans.run(() => this.#plan(request, signal));
    if (plan !== null) return await plan;
    throw new AgentError("aborted", `cannot plan: ${PLANS_MAX} plans are being made or wait already`, {
      hint: "Try again in a moment.",
    });
  }

  async #plan(request: PlanRequest, signal: AbortSignal): Promise<PlanReport> {
    signal.throwIfAborted();
    const edge = this.#edge;
    if (!edge.store.synced()) {
      throw new AgentError("aborted", "cannot plan: the agent does not know its objects yet", {
        hint: "See `headgate status` for the source.",
      });
    }
    const { config } = edge.prepared;
    // Taken in one step: what comes while the change is tried is not part of it.
    const bytes = edge.documents.bytes;
    const { staleSince } = edge;
    const base = {
      // A copy: addresses of the machine are asked for anew in the original.
      settings: { ...edge.settings },
      objects: edge.store.objects(),
      names: new Map(edge.names.views),
      refusals: edge.store.refusals(),
      source: config.source.kind,
      now: Date.now(),
      builder: edge.builder,
    };
    const tried = await tryChange(base, request, signal);
    const configuration = edge.configurator.forecast(edge.sizeOf(tried.whole, bytes + growth(tried)));
    return buildPlanReport({ edge: config.edge, staleSince, tried, configuration, values: request.values });
  }
}

/** How much more the data plane holds right after the push: what waits for its grace is still there. */
function growth({ lines, atOnce, before }: Tried): number {
  let characters = 0;
  for (const line of lines.slice(0, atOnce)) {
    characters += (line.text?.length ?? 0) - (before.get(documentId(line))?.text.length ?? 0);
  }
  return characters;
}
