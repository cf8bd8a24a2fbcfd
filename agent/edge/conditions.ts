// Events of the rooms → conditions of the health registry, in words for operators.

import type { Condition, HealthRegistry } from "../health/registry.ts";
import type { RefusedEvents } from "../kubernetes/event-writer.ts";
import { AgentError, errorText } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { LimitFault } from "../nginx/machine-limits.ts";
import type { NginxFacts } from "../nginx/probe-nginx.ts";
import type { Traffic } from "../render/traffic.ts";
import type { LoadedSnapshot } from "../snapshot/snapshot-files.ts";
import type { ShrinkHold } from "../store/shrink-guard.ts";
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

export function tellEvents(health: HealthRegistry, refused: RefusedEvents | null): void {
  if (refused === null) {
    health.clear("events-refused");
    return;
  }
  const [first = "", ...more] = refused.namespaces;
  const where = more.length === 0 ? first : `${first} and ${more.length} more`;
  health.set({
    code: "events-refused",
    subject: "",
    severity: "info",
    message: `cannot write Events in ${where}: ${refused.message}`,
    hint: refused.hint,
  });
}

/** Each call says all holds there are now. */
export function tellShrunk(health: HealthRegistry, holds: readonly ShrinkHold[]): void {
  const now = new Set<string>(holds.map(({ kind }) => kind));
  for (const subject of health.subjects("source-shrunk")) {
    if (!now.has(subject)) health.clear("source-shrunk", subject);
  }
  for (const { kind, left, total, held, since, until } of holds) {
    health.set({
      code: "source-shrunk",
      subject: kind,
      severity: "warning",
      message:
        `${kind}: ${count(left)} of ${count(total)} left in the source's list of ${isoText(since)}; ` +
        `the ${count(held)} that are missing are served until ${isoText(until)}`,
      hint: `If they are really gone, run \`headgate accept ${kind}\`; else look at what the API server lists.`,
    });
  }
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function isoText(time: number): string {
  return new Date(time).toISOString();
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

/** What the configuration asks for and this machine does not give, or what should not be asked for. */
export function tellTraffic(
  health: HealthRegistry,
  traffic: Traffic,
  { facts, limits }: { readonly facts: NginxFacts; readonly limits: readonly LimitFault[] },
): void {
  for (const code of ["limits-low", "tls-weak", "nginx-limited"] as const) {
    for (const subject of health.subjects(code))
      if (code !== "nginx-limited" || subject === "brotli") health.clear(code, subject);
  }
  for (const { subject, message, hint } of limits) {
    health.set({ code: "limits-low", subject, severity: "warning", message, hint });
  }
  const weak = traffic.tls.protocols.filter((protocol) => protocol === "TLSv1" || protocol === "TLSv1.1");
  if (weak.length > 0) {
    health.set({
      code: "tls-weak",
      subject: "",
      severity: "warning",
      message: `clients may speak ${weak.join(" and ")}, which is broken (RFC 8996)`,
      hint: "Remove it from tls.protocols as soon as no client needs it.",
    });
  }
  if (traffic.http.brotli !== null && facts.brotliModule === null) {
    health.set({
      code: "nginx-limited",
      subject: "brotli",
      severity: "warning",
      message: "http.brotli is on, and this nginx has no brotli: answers are not compressed with it",
      hint: "Install it: `apt install libnginx-mod-http-brotli-filter`, and restart the agent.",
    });
  }
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

interface Full {
  readonly wanted: number;
  readonly most: number;
}

export function tellProfilesFull(health: HealthRegistry, { wanted, most }: Full): void {
  if (wanted <= most) return health.clear("profiles-full");
  health.set({
    code: "profiles-full",
    subject: "",
    severity: "error",
    message: `routes verify backends by ${wanted} different sets of authorities, more than ${most}: the last ones answer 503`,
    hint: "Use the same ca.crt in the Secrets of proxy-ssl-secret where the authority is the same.",
  });
}

export function tellVariantsFull(health: HealthRegistry, { wanted, most }: Full): void {
  if (wanted <= most) return health.clear("variants-full");
  health.set({
    code: "variants-full",
    subject: "",
    severity: "warning",
    message: `routes ask for ${wanted} different sets of sizes, buffers and intercepted errors, more than ${most}: some are served as the configuration has it`,
    hint: "Use the same proxy-body-size, proxy-buffer-size, proxy-buffering, proxy-request-buffering and custom-http-errors on more Ingresses.",
  });
}

export function tellPolicies(health: HealthRegistry, { wanted, most }: Full): void {
  if (wanted <= most) return health.clear("client-policies-full");
  health.set({
    code: "client-policies-full",
    subject: "",
    severity: "error",
    message: `hosts ask for client certificates by ${wanted} different policies, more than ${most}: the last ones answer 503`,
    hint: "Use the same ca.crt, auth-tls-verify-client and auth-tls-verify-depth where the authority is the same.",
  });
}

export function logCondition(log: Logger, condition: Condition, began: boolean): void {
  const fields = { code: condition.code, subject: condition.subject, text: condition.message };
  if (!began) log.info("Condition ended", fields);
  else if (condition.severity === "error") log.error("Condition began", fields);
  else log.warn("Condition began", fields);
}
