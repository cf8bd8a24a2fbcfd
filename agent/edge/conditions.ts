// Events of the rooms → conditions of the health registry, in words for operators.

import type { HealthRegistry } from "../health/registry.ts";
import { AgentError, errorText } from "../lib/errors.ts";
import type { NginxFacts } from "../nginx/probe-nginx.ts";
import type { LoadedSnapshot } from "../snapshot/snapshot-files.ts";
import type { SourceState } from "../store/source.ts";

/** Each call says all there is now: what is not in `state` any more ends. */
export function tellSource(health: HealthRegistry, state: SourceState): void {
  const now = new Set(state.troubles.map((trouble) => trouble.resource));
  for (const subject of health.subjects("source-unreachable")) {
    if (!now.has(subject)) health.clear("source-unreachable", subject);
  }
  for (const { resource, message, hint } of state.troubles) {
    health.set({ code: "source-unreachable", subject: resource, severity: "warning", message, hint });
  }
}

export function tellKnowledge(health: HealthRegistry, snapshotAt: number | null): void {
  if (snapshotAt === null) {
    health.clear("knowledge-stale");
    return;
  }
  health.set({
    code: "knowledge-stale",
    subject: "",
    severity: "warning",
    message: `knowledge is of ${new Date(snapshotAt).toISOString()}: the source has not answered since the start`,
    hint: "Traffic is served; changes made since then are not. See the source's condition for the cause.",
  });
}

export function tellConfiguration(health: HealthRegistry, error: AgentError | null): void {
  if (error === null) {
    health.clear("configuration-rejected");
    return;
  }
  health.set({
    code: "configuration-rejected",
    subject: "",
    severity: "error",
    message: error.message,
    hint: error.hint ?? "",
  });
}

export function tellSnapshotWritten(health: HealthRegistry, error: unknown): void {
  if (error === null) {
    health.clear("snapshot-failing");
    return;
  }
  health.set({
    code: "snapshot-failing",
    subject: "",
    severity: "warning",
    message: errorText(error),
    hint: (error instanceof AgentError ? error.hint : null) ?? "",
  });
}

export function tellBeginning(health: HealthRegistry, facts: NginxFacts, loaded: LoadedSnapshot): void {
  for (const limit of facts.limits) {
    health.set({ code: "nginx-limited", subject: limit, severity: "info", message: limit, hint: "" });
  }
  for (const message of loaded.damaged) {
    const hint = "It was skipped; the next change writes a new one.";
    health.set({ code: "snapshot-damaged", subject: message, severity: "warning", message, hint });
  }
}

export function tellNginxDown(health: HealthRegistry, reason: string, errorLog: string): void {
  health.set({
    code: "nginx-down",
    subject: "",
    severity: "error",
    message: `nginx does not serve: ${reason}`,
    hint: `Read ${errorLog}.`,
  });
}

export function tellProfilesFull(health: HealthRegistry, wanted: number, most: number): void {
  health.set({
    code: "profiles-full",
    subject: "",
    severity: "error",
    message: `routes verify backends by ${wanted} different sets of authorities, more than ${most}: the last ones answer 503`,
    hint: "Use the same ca.crt in the Secrets of proxy-ssl-secret where the authority is the same.",
  });
}
