// Problems of the model → problems on the wire, the same for `status`, `plan` and `lint`.

import type { Problem } from "../model/edge-model.ts";
import { compareText, refText } from "../objects/objects.ts";
import type { ProblemStatus } from "./wire.ts";

/** Errors first, then by object. The same fault seen from several hosts is one problem with several hosts. */
export function problemStatuses(problems: Iterable<Problem>): readonly ProblemStatus[] {
  const merged = new Map<string, ProblemStatus>();
  for (const problem of problems) {
    const object = problem.object === null ? "" : refText(problem.object);
    const key = [problem.code, object, problem.where, problem.field, problem.message].join("\n");
    const others = merged.get(key)?.hosts ?? [];
    merged.set(key, {
      code: problem.code,
      severity: problem.severity,
      object,
      where: problem.where,
      field: problem.field,
      message: problem.message,
      fix: problem.fix,
      hosts: [...new Set([...others, ...problem.hosts])].toSorted(compareText),
    });
  }
  return [...merged.values()].toSorted(
    (a, b) =>
      compareText(a.severity, b.severity) ||
      compareText(a.object, b.object) ||
      compareText(a.where, b.where) ||
      compareText(a.field, b.field),
  );
}
