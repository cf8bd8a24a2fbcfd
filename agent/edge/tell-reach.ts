// What reach says, in words for `status`.

import type { HealthRegistry } from "../health/registry.ts";
import type { Finding, ReachReport } from "../reach/reach-probe.ts";

const SHOWN_MAX = 3;

/** Turns a report into conditions: one when nothing answers, one for each Service when only some do not. */
export function tellReach(health: HealthRegistry, { sampled, unreachable }: ReachReport): void {
  const all = sampled > 0 && unreachable.length === sampled;
  const wanted = new Map(
    all ? [["", unreachable] as const] : unreachable.slice(0, SHOWN_MAX).map((one) => [one.service, [one]] as const),
  );
  for (const subject of health.subjects("peers-unreachable")) {
    if (!wanted.has(subject)) health.clear("peers-unreachable", subject);
  }
  for (const [subject, findings] of wanted) {
    health.set({
      code: "peers-unreachable",
      subject,
      severity: all ? "error" : "warning",
      message: messageOf(all, findings),
      hint: hintOf(all, findings),
    });
  }
}

const WORDS: Readonly<Record<string, string>> = {
  pod: "the addresses of Pods",
  nodePort: "its port on the nodes",
  clusterIP: "its cluster IP",
};

function messageOf(all: boolean, findings: readonly Finding[]): string {
  const [first] = findings;
  const where = `Service ${first?.service ?? ""} at ${first?.tried.join(", ") ?? ""}`;
  const modes = [...new Set(findings.map(({ mode }) => WORDS[mode] ?? mode))].join(" or ");
  return all
    ? `nothing answers at ${modes}: ${findings.length} ${findings.length === 1 ? "Service was" : "Services were"} tried (${where})`
    : `${where}, ${modes}, does not answer`;
}

function hintOf(all: boolean, findings: readonly Finding[]): string {
  const mode = mostNamed(findings.flatMap(({ answering }) => answering));
  if (mode !== null) {
    // A Service that says its mode itself does not follow the configuration.
    return all && !findings.every(({ annotated }) => annotated)
      ? `${mode} answers: set \`endpoints.mode: ${mode}\` in the configuration file.`
      : `${mode} answers: annotate the Service with headgate.dev/endpoints: ${mode}.`;
  }
  const unknown = [...new Set(findings.flatMap((finding) => finding.unknown))];
  const told =
    unknown.length === 0
      ? "No other mode answers either."
      : `Whether ${unknown.join(" or ")} would answer is not known: Nodes were not read, which takes list and watch on nodes.`;
  return `${told} Look for a route and for firewalls between this machine and the cluster; docs/backends.md has what each mode needs.`;
}

function mostNamed(modes: readonly string[]): string | null {
  const counts = new Map<string, number>();
  for (const mode of modes) counts.set(mode, (counts.get(mode) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  return most === undefined ? null : most[0];
}
