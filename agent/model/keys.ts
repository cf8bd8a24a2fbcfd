// All that there is to build.

import type { DirtyKey } from "./edge-model.ts";
import { ANY_HOST } from "./hosts.ts";
import type { ModelInput } from "./input.ts";

/** The keys of everything that objects and settings name now: the full build is the builders over these. */
export function allKeys(input: ModelInput): DirtyKey[] {
  const keys = new Set<DirtyKey>([`host:${ANY_HOST}`]);
  for (const host of input.hostsInUse()) keys.add(`host:${host}`);
  for (const service of input.servicesInUse()) keys.add(`backend:${service}`);
  for (const secret of input.secretsInUse()) keys.add(`certificate:${secret}`);
  return [...keys];
}
