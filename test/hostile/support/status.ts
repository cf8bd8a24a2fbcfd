// What `headgate status` must say about every harm: the object or the place in a file, the field, and the fix.

import assert from "node:assert/strict";
import { request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { ConditionStatus, ProblemStatus, StatusReport } from "../../../agent/api/wire.ts";
import type { Edge } from "../../e2e/support/edge.ts";
import { eventually } from "../../e2e/support/eventually.ts";
import { BYSTANDER } from "./bystander.ts";

export interface ExpectedProblem {
  readonly code: string;
  /** "Ingress shop/victim"; "" where the document cannot say which object it is. */
  readonly object: string;
  /** Where in the files; not judged unless told. */
  readonly where?: RegExp;
  readonly field: RegExp;
  readonly message: RegExp;
}

/**
 * What `headgate status -o json` prints, asked for at the agent's socket: a hundred polls of the command would take
 * more of the machine than all else here. The command itself is run once for each problem.
 */
export function readStatus(edge: Edge): Promise<StatusReport> {
  const { promise, resolve, reject } = Promise.withResolvers<StatusReport>();
  const outgoing = request({ socketPath: join(edge.stateDir, "run/agent.sock"), path: "/v1/status", agent: false });
  outgoing.on("error", reject);
  outgoing.on("response", (response) => {
    json(response).then((report) => resolve(report as StatusReport), reject); // as api/wire.ts has it
  });
  outgoing.end();
  return promise;
}

const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

/** Waits until status says it, in both forms, and judges that it helps and harms nobody's terminal. */
export async function statusSays(edge: Edge, expected: ExpectedProblem): Promise<ProblemStatus> {
  let seen: readonly ProblemStatus[] = [];
  const found = await eventually("status names the problem", async () => {
    seen = (await readStatus(edge)).problems;
    return seen.find((problem) => isIt(problem, expected));
  }).catch((cause: unknown) => {
    throw new Error(`status does not say ${describe(expected)}, but: ${JSON.stringify(seen, null, 1)}`, { cause });
  });
  assert.notEqual(found.fix, "", "it says how to mend it");
  assert.ok(found.field !== "" || found.where !== "", "it says where");
  for (const problem of seen) {
    assert.ok(!problem.hosts.includes(BYSTANDER), `${JSON.stringify(problem)} is none of the bystander's`);
    // The path of a file is as it is: JSON escapes it, and the table below makes it printable.
    const { where: _path, ...written } = problem;
    for (const text of Object.values(written).flat()) assert.doesNotMatch(text, CONTROL);
  }
  const { stdout } = await edge.headgate("status");
  assert.doesNotMatch(stdout, CONTROL);
  const line = stdout.split("\n").find((text) => text.includes(found.code) && text.includes(found.message));
  // A large file that is still being written is another fault a moment later.
  if (line === undefined && !(await readStatus(edge)).problems.some(({ message }) => message === found.message)) {
    return statusSays(edge, expected);
  }
  assert.ok(line?.includes(found.object) === true && line.includes(found.field), `${stdout} has a line about it`);
  assert.ok(line.toLowerCase().includes(found.fix.toLowerCase()), "and the line has the fix");
  return found;
}

function isIt(problem: ProblemStatus, expected: ExpectedProblem): boolean {
  return (
    problem.code === expected.code &&
    problem.object === expected.object &&
    (expected.where ?? /^/).test(problem.where) &&
    expected.field.test(problem.field) &&
    expected.message.test(problem.message)
  );
}

function describe(expected: ExpectedProblem): string {
  const { code, object, field, message } = expected;
  return `${code} of "${object}", field ${String(field)}, message ${String(message)}`;
}

/** Waits until status has a condition of the source whose words match, with a hint. */
export async function sourceTrouble(edge: Edge, message: RegExp, withinMs?: number): Promise<ConditionStatus> {
  let seen: readonly ConditionStatus[] = [];
  const found = await eventually(
    "status names what is wrong with the source",
    async () => {
      seen = (await readStatus(edge)).conditions;
      return seen.find((condition) => condition.code === "source-unreachable" && message.test(condition.message));
    },
    withinMs,
  ).catch((cause: unknown) => {
    throw new Error(`no condition of the source says ${String(message)}, but: ${JSON.stringify(seen)}`, { cause });
  });
  assert.notEqual(found.hint, "");
  assert.doesNotMatch(found.message + found.hint, CONTROL);
  const { stdout } = await edge.headgate("status");
  assert.doesNotMatch(stdout, CONTROL);
  assert.match(stdout, /source-unreachable: /);
  return found;
}
