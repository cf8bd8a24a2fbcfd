// The builders of the model with their inputs bound: the one place where they meet objects and settings.

import { buildBackends } from "../model/build-backends.ts";
import { buildCertificate } from "../model/build-certificate.ts";
import { buildHost } from "../model/build-host.ts";
import type { Problem } from "../model/edge-model.ts";
import { classProblems } from "../model/ingress/class-settings.ts";
import { nodeProblems } from "../model/node-problems.ts";
import type { ModelInput, ModelSettings } from "../model/input.ts";
import type { Builders } from "./edge-builder.ts";

/** `now` in milliseconds since 1970: certificates expire. */
export function buildersOf(input: ModelInput, settings: ModelSettings, now: () => number): Builders {
  return {
    host: (name) => buildHost(input, settings, name),
    backends: (service) => buildBackends(input, settings, service),
    certificate: (secret) => buildCertificate(input, settings, secret, now()),
  };
}

/** Problems of objects that no key's value holds. Few and cheap: they are looked for anew each time. */
export function problemsOfNoKey(input: ModelInput, settings: ModelSettings): readonly Problem[] {
  return [...classProblems(input, settings), ...nodeProblems(input, settings)];
}
