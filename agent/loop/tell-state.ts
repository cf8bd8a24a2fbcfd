// What the data plane says of itself at an audit → conditions. Each call says all there is now.

import type { HealthRegistry } from "../health/registry.ts";
import type { DataPlaneState } from "../nginx/data-plane.ts";

/** Share of a shared dict in use above which `status` warns. */
const MEMORY_WATERMARK = 0.7;
const MEMORY_HINT =
  "The agent sizes shared memory from what it holds and grows it by a reload. If this stays, look for configuration-rejected in `headgate status`.";
/** How many problems are told in words; the others are in nginx's error log. */
const PROBLEMS_TOLD = 3;

export function tellMemory(health: HealthRegistry, { memory }: DataPlaneState): void {
  for (const [dict, { capacity, free }] of Object.entries(memory)) {
    if (free >= capacity * (1 - MEMORY_WATERMARK)) health.clear("memory-low", dict);
    else {
      health.set({
        code: "memory-low",
        subject: dict,
        severity: "warning",
        message: `shared dict ${dict} has ${Math.round(free / 1024)} of ${Math.round(capacity / 1024)} kB left`,
        hint: MEMORY_HINT,
      });
    }
  }
}

/** A push met a dict without room. */
export function tellFull(health: HealthRegistry): void {
  health.set({
    code: "memory-low",
    subject: "documents",
    severity: "error",
    message: "the shared dict of documents is full: new documents are refused, those before them stay",
    hint: MEMORY_HINT,
  });
}

/** nginx keeps a problem for some minutes; the condition ends with the last one. */
export function tellProblems(health: HealthRegistry, { problems }: DataPlaneState): void {
  if (problems.length === 0) {
    health.clear("dataplane-problem");
    return;
  }
  const more = problems.length - PROBLEMS_TOLD;
  const told = problems.slice(0, PROBLEMS_TOLD).join("; ");
  health.set({
    code: "dataplane-problem",
    subject: "",
    severity: "warning",
    message: more > 0 ? `${told}; and ${more} more` : told,
    hint: "nginx found it within the last minutes. What it names is served as it was, or answers 503; its error log has the rest.",
  });
}
