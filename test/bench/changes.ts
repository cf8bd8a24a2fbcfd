// The figures about changes, on one stage.

import { measureChurn } from "./churn.ts";
import { measureEndpointLatency } from "./endpoint-latency.ts";
import { measureNewIngress } from "./new-ingress.ts";
import type { Result } from "./support/result.ts";
import { startStage } from "./support/stage.ts";

const SHORT = {
  latency: { runs: 1, samplesPerRun: 60 },
  ingresses: 20,
  churn: { endpoints: 200, routes: 40, certificates: 10 },
};
const FULL = {
  latency: { runs: 3, samplesPerRun: 300 },
  ingresses: 100,
  churn: { endpoints: 1000, routes: 200, certificates: 50 },
};

export async function measureChanges(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  const sizes = options.short ? SHORT : FULL;
  const stage = await startStage();
  try {
    done(await measureEndpointLatency(stage, sizes.latency));
    done(await measureNewIngress(stage, sizes.ingresses));
    done(await measureChurn(stage, sizes.churn));
  } finally {
    await stage.stop();
  }
}
