// `headgate lint`: manifests judged without an agent, by the agent's own readers and builders.

import { problemStatuses } from "../api/problem-status.ts";
import { type LintReport, WIRE_VERSION } from "../api/wire.ts";
import { loadConfig } from "../config/load-config.ts";
import { modelSettings } from "../config/model-settings.ts";
import { buildersOf, problemsOfNoKey } from "../loop/builders.ts";
import { EdgeBuilder } from "../loop/edge-builder.ts";
import type { ProblemCode } from "../model/problem-code.ts";
import type { ModelInput, ModelSettings } from "../model/input.ts";
import { allKeys } from "../model/keys.ts";
import { refusalProblems } from "../model/problems.ts";
import { type KubernetesObject, refKey, refOf } from "../objects/objects.ts";
import { buildKeys, throwAwayStore, Turns } from "../trial/throw-away.ts";
import { unresolvedNames } from "../trial/unresolved-names.ts";
import { readGiven } from "./read-given.ts";

export interface LintInput {
  readonly paths: readonly string[];
  /** null: the agent's own rules, HEADGATE_CONFIG and the default file. */
  readonly configFile: string | null;
  /** What the manifests name and do not hold is taken to be there. */
  readonly partial: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly cwd: string;
  readonly now: number;
}

/** What only the rest of the objects can tell. */
const ABSENCES: ReadonlySet<ProblemCode> = new Set([
  "service-missing",
  "secret-missing",
  "no-endpoints",
  "nodes-unknown",
]);

/** Throws AgentError: `usage` for paths, `config-invalid` for the configuration, `aborted` when `signal` is. */
export async function lint(input: LintInput, signal: AbortSignal): Promise<LintReport> {
  const settings = await readSettings(input);
  const { given, files } = await readGiven(input.paths);
  const { objects, refusals } = given;
  const turns = new Turns(signal);
  const store = await throwAwayStore({ objects, settings, names: new Map() }, turns);
  const builder = new EdgeBuilder(buildersOf(store, settings, () => input.now));
  const built = await buildKeys(builder, allKeys(store), turns);
  const all = [...refusalProblems(refusals), ...problemsOfNoKey(store, settings), ...built.problems()];
  const problems = input.partial ? all.filter(({ code }) => !ABSENCES.has(code)) : all;
  return {
    apiVersion: WIRE_VERSION,
    files,
    objects: objects.length,
    foreignIngresses: countForeign(objects, store),
    problems: problemStatuses(problems),
    notes: unresolvedNames(builder.model),
  };
}

async function readSettings({ configFile, env, uid, cwd }: LintInput): Promise<ModelSettings> {
  // Whatever source the file names, the objects come from here.
  const argv = ["--manifests", cwd, ...(configFile === null ? [] : ["--config", configFile])];
  const config = await loadConfig(argv, { env, cwd, uid, hostname: "lint", ipv6: true });
  // This machine is not the edge: its addresses say nothing.
  return modelSettings(config, () => []);
}

function countForeign(objects: readonly KubernetesObject[], input: ModelInput): number {
  const ours = new Set<string>();
  for (const host of input.hostsInUse()) {
    for (const ingress of input.ingressesOfHost(host)) ours.add(refKey(refOf(ingress)));
  }
  return objects.filter((object) => object.kind === "Ingress" && !ours.has(refKey(refOf(object)))).length;
}
