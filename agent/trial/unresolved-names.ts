// What nobody can say without asking DNS.

import type { EdgeModel } from "../model/edge-model.ts";
import { compareText } from "../objects/objects.ts";

/** A note for each Service that is another name whose addresses are not known here. */
export function unresolvedNames({ backends }: EdgeModel): readonly string[] {
  return [...backends]
    .flatMap(([service, { externalName }]) =>
      externalName === null || externalName.resolved
        ? []
        : [`Service ${service} is ${externalName.name}, which is not resolved here: its peers show when it is served`],
    )
    .toSorted(compareText);
}
