// Is this edge ready for traffic? The checks behind /readyz, as a function of what the loop knows.

import type { SourceState } from "../store/source.ts";
import type { ConditionStatus } from "./wire.ts";

/** `degraded` checks are told and do not make the edge unready. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "degraded" | "failed";
  readonly detail: string;
}

export interface ReadinessInput {
  readonly source: SourceState;
  /** Objects were loaded from the snapshot on disk. */
  readonly snapshotLoaded: boolean;
  readonly nginxRunning: boolean;
  /** The data plane was seen to hold what is wanted, at least once since it started. */
  readonly dataPlaneVerified: boolean;
  readonly conditions: readonly ConditionStatus[];
}

/** A source that went away leaves the edge ready: it serves what it knows, and nothing is won by taking it out. */
export function buildChecks(input: ReadinessInput): readonly Check[] {
  const { source } = input;
  const known = source.synced || input.snapshotLoaded;
  const trouble = source.troubles[0]?.message ?? (source.synced ? "" : "serving the snapshot, not synced yet");
  const checks: Check[] = [
    known
      ? { name: "source", state: trouble === "" ? "ok" : "degraded", detail: trouble }
      : { name: "source", state: "failed", detail: trouble === "" ? "not synced yet" : trouble },
    input.nginxRunning
      ? { name: "nginx", state: "ok", detail: "" }
      : { name: "nginx", state: "failed", detail: "nginx does not answer" },
    input.dataPlaneVerified
      ? { name: "data-plane", state: "ok", detail: "" }
      : { name: "data-plane", state: "failed", detail: "not verified yet" },
  ];
  for (const condition of input.conditions) {
    if (condition.severity === "info") continue;
    checks.push({ name: condition.code, state: "degraded", detail: condition.message });
  }
  return checks;
}

/** The body of /readyz and /healthz: one word, or with `verbose` one line for each check, as the API server has it. */
export function checksText(
  checks: readonly Check[],
  verbose: boolean,
): { readonly ok: boolean; readonly text: string } {
  const ok = checks.every((check) => check.state !== "failed");
  const degraded = checks.some((check) => check.state === "degraded");
  const verdict = ok ? (degraded ? "ok (degraded)" : "ok") : "failed";
  if (!verbose && ok) return { ok, text: `${verdict}\n` };
  const signs = { ok: "[+]", degraded: "[~]", failed: "[-]" } as const;
  const lines = checks.map((check) => {
    const detail = check.detail === "" ? "" : `: ${check.detail}`;
    return `${signs[check.state]}${check.name} ${check.state}${detail}`;
  });
  return { ok, text: `${[...lines, verdict].join("\n")}\n` };
}
