// Filters of routes with everything filled in.

import type { SplitChoiceValue } from "../../../agent/render/documents.ts";

/** An alternative that nothing leads to, but for what is said. */
export function choice(backend: string, change: Partial<SplitChoiceValue> = {}): SplitChoiceValue {
  const [, service = ""] = backend.split("/");
  return {
    backend,
    ingress: `${service}-canary`,
    service,
    profile: "http",
    variant: "",
    tls_name: "",
    balance: { kind: "balance", by: "round_robin" },
    header: "",
    value: "",
    pattern: "",
    cookie: "",
    weight: 0,
    total: 100,
    ...change,
  };
}
