// An edge on manifests, with nginx set up for what is measured.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Edge, HTTP_PORT, HTTPS_PORT } from "../../e2e/support/edge.ts";

/** Starts the agent of a prepared edge (`portFlags: false`) on its manifests; peers may be on loopback. `sections` are further ones of its configuration. */
export async function runOnManifests(
  edge: Edge,
  nginx: Readonly<Record<string, number>>,
  sections: Readonly<Record<string, object>> = {},
): Promise<void> {
  const { scratch } = edge.machine;
  const file = join(scratch, "config.yaml");
  const config = {
    listeners: { httpPort: HTTP_PORT, httpsPort: HTTPS_PORT },
    nginx: { ...nginx, accessLog: join(scratch, "access.log") },
    endpoints: { allowLocal: true },
    ...sections,
  };
  await writeFile(file, JSON.stringify(config)); // JSON is YAML
  await edge.run(["--config", file, "--manifests", edge.manifestDir, "--log-level", "info"]);
}
