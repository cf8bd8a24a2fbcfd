import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMetrics } from "../../../agent/api/metrics.ts";
import { buildStatusReport } from "../../../agent/api/status-report.ts";
import { statusInput } from "./support.ts";

test("every metric of the agent stands in docs/observability.md with its type, and none has the name of one of nginx", async () => {
  const text = await createMetrics(
    () => buildStatusReport(statusInput()),
    () => [],
  ).text();
  const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name, type]) => `${name} ${type}`)
    .filter((each) => !each.startsWith("headgate_agent_"));
  const docs = readFileSync(join(import.meta.dirname, "../../../docs/observability.md"), "utf8");
  const [nginxs = "", ours = ""] = docs.split("### Of the agent");
  const documented = (part: string): readonly string[] =>
    [...part.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => `${name} ${type}`);
  assert.deepEqual(documented(ours).toSorted(), told.toSorted());
  const names = new Set(told.map((each) => each.split(" ")[0]));
  assert.deepEqual(
    documented(nginxs).filter((each) => names.has(each.split(" ")[0])),
    [],
  );
});
