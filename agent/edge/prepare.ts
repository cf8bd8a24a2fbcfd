// What must be known or made before an edge can be put together: folders, the probe of nginx, the last snapshot.

import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import type { NameRecord } from "../dns/answers.ts";
import type { Logger } from "../lib/log.ts";
import { GenerationCounter } from "../lib/generation-counter.ts";
import { type CertificateFiles, ensureSelfSigned } from "../certificates/self-signed.ts";
import { luaDigest } from "../nginx/lua-digest.ts";
import { type NginxPaths, nginxPaths } from "../nginx/nginx-paths.ts";
import { snapshotDir } from "../nginx/nginx-view.ts";
import { type NginxFacts, probeNginx } from "../nginx/probe-nginx.ts";
import { assertReachable, workerUser } from "../nginx/worker-user.ts";
import { type LoadedSnapshot, loadSnapshot } from "../snapshot/snapshot-files.ts";
import { knownNames } from "./names.ts";

export interface Surroundings {
  readonly config: Config;
  readonly log: Logger;
  /** Folder that holds lua/ and nginx/. */
  readonly root: string;
}

export interface Prepared extends Surroundings {
  readonly paths: NginxPaths;
  /** null: nginx's workers keep the agent's user. */
  readonly workerUser: string | null;
  readonly facts: NginxFacts;
  readonly counter: GenerationCounter;
  readonly loaded: LoadedSnapshot;
  readonly luaDigest: string;
  /** Addresses of names, as they were known last. */
  readonly names: readonly NameRecord[];
  readonly defaultCertificate: CertificateFiles;
}

/** Throws AgentError: nginx-missing, state-unwritable. */
export async function prepare(surroundings: Surroundings, signal: AbortSignal): Promise<Prepared> {
  const { config } = surroundings;
  const paths = nginxPaths(config.stateDir, config.runDir);
  const user = await workerUser();
  for (const folder of [config.stateDir, paths.runDir, paths.prefix, dirname(paths.errorLog)]) {
    // Traversable, because workers of another user open files of theirs below; what is secret is closed by itself.
    await mkdir(folder, { recursive: true, mode: 0o755 });
  }
  for (const folder of [dirname(paths.pushSocket), snapshotDir(config.stateDir)]) {
    await mkdir(folder, { recursive: true, mode: 0o750 });
  }
  if (user !== null) await assertReachable(config.stateDir, user);
  const counter = await GenerationCounter.open(join(config.stateDir, "generation"));
  const loaded = await loadSnapshot(snapshotDir(config.stateDir));
  if (loaded.snapshot !== null) await counter.raisePast(loaded.snapshot.generation);
  return {
    ...surroundings,
    paths,
    workerUser: user,
    facts: await probeNginx(config.nginx.binary, signal),
    counter,
    loaded,
    luaDigest: await luaDigest(join(surroundings.root, "lua")),
    names: await knownNames(config),
    defaultCertificate: await ensureSelfSigned(join(config.stateDir, "certificates")),
  };
}
