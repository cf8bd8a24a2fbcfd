// One harm of a manifests directory: what is done, what status must say, and who answers meanwhile.

import { type Answers, asBefore, type Site } from "./victim.ts";
import type { ExpectedProblem } from "./status.ts";

export interface Case {
  readonly name: string;
  readonly harm: (site: Site) => Promise<void>;
  /** null: it is no mistake that anybody could see, like a deletion. */
  readonly problem: ExpectedProblem | null;
  readonly answers: Answers;
}

export const INGRESS = "Ingress shop/victim";
export const NOWHERE = /^$/;

/** Everything stays as it was: the object that is harmed keeps its last good state. */
export const LAST_GOOD = asBefore();

/** The victim's manifests with one piece of text replaced. */
export function swap(from: string, to: string): Case["harm"] {
  return (site) => site.write(site.swapped(from, to));
}

/** A path of the victim's Ingress is another one. */
export function sidePath(path: string, pathType = "Prefix"): Case["harm"] {
  return swap("path: /side, pathType: Prefix", `path: ${path}, pathType: ${pathType}`);
}

/** The second host of the victim's Ingress is another one. */
export function sideHost(host: string): Case["harm"] {
  return swap("- host: side.example.test", `- host: ${host}`);
}

/** A further document stands before the victim's own, in the same file. */
export function documentBefore(text: string | Buffer): Case["harm"] {
  return (site) => site.write(Buffer.concat([Buffer.from(text), Buffer.from(`\n---\n${site.text()}`)]));
}
