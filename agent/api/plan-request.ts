// The body of POST /v1/plan → a PlanRequest. Whoever may use the socket is trusted with the objects: they meet a store
// that is thrown away. What is checked is what would else fail far from here.

import { AgentError, errorText } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import type { GivenObjects, PlanRequest } from "./wire.ts";

/** Throws AgentError `usage` for anything else, and for another version. */
export function parsePlanRequest(body: string): PlanRequest {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (thrown) {
    throw refused(`the body is no JSON: ${errorText(thrown)}`);
  }
  if (!isRecord(value)) throw refused("the body is no object");
  const { version, mode, values } = value;
  if (version !== VERSION) {
    const message = `cannot plan: version ${String(version)} asks, and the agent is of version ${VERSION}`;
    throw new AgentError("usage", message, { hint: "Restart the agent; `headgate version` shows both." });
  }
  if (mode !== "overlay" && mode !== "replace") throw refused("`mode` is neither overlay nor replace");
  if (typeof values !== "boolean") throw refused("`values` is no boolean");
  return { version, mode, values, given: given(value, "given"), deletions: given(value, "deletions") };
}

function given(body: Readonly<Record<string, unknown>>, field: string): GivenObjects {
  const value = body[field];
  const { objects, refusals } = isRecord(value) ? value : {};
  const fits = (list: unknown, inner: string): boolean =>
    Array.isArray(list) && list.every((entry: unknown) => isRecord(entry) && typeof entry[inner] === "object");
  if (!fits(objects, "meta") || !fits(refusals, "faults")) throw refused(`\`${field}\` has no objects and refusals`);
  return value as GivenObjects; // the same version trimmed them
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(message: string): AgentError {
  return new AgentError("usage", `cannot plan: ${message}`, { hint: "Ask with `headgate plan`." });
}
