// Problems: what an object's owner should mend.

import type { KubernetesObject, Meta, ObjectRef } from "../objects/objects.ts";
import { refOf } from "../objects/objects.ts";
import type { Refusal } from "../store/source.ts";
import type { Problem, Severity } from "./edge-model.ts";
import type { ProblemCode } from "./problem-code.ts";

export interface ProblemText {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly field: string;
  readonly message: string;
  readonly fix: string;
  readonly hosts: readonly string[];
}

/** A problem of an object that we have. */
export function problemOf(object: KubernetesObject, text: ProblemText): Problem {
  return problemAt(refOf(object), whereOf(object.meta), text);
}

/** A problem of an object that may not be there. */
export function problemAt(object: ObjectRef | null, where: string, text: ProblemText): Problem {
  return {
    code: text.code,
    severity: text.severity,
    object,
    where,
    field: text.field,
    message: text.message,
    fix: text.fix,
    hosts: text.hosts,
  };
}

/** "shop.yaml:12", or "" for an object from a cluster. */
function whereOf(meta: Meta): string {
  return meta.position === null ? "" : `${meta.position.file}:${meta.position.line}`;
}

/** The problems of objects that could not be read: one for each fault. */
export function refusalProblems(refusals: readonly Refusal[]): readonly Problem[] {
  return refusals.flatMap((refusal) =>
    refusal.faults.map((fault) =>
      problemAt(refusal.ref, refusal.where, {
        code: "object-refused",
        severity: "error",
        field: fault.field,
        message: fault.message,
        fix: fault.fix,
        hosts: [],
      }),
    ),
  );
}
