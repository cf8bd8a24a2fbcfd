// Filters of routes with everything filled in.

import type { FilterValue, SplitChoiceValue } from "../../../agent/render/documents.ts";

export type AffinityValue = Extract<FilterValue, { kind: "affinity" }>;

/** Session affinity by a cookie for the whole host. */
export function affinity(change: Partial<AffinityValue> = {}): AffinityValue {
  return {
    kind: "affinity",
    name: "INGRESSCOOKIE",
    mode: "balanced",
    salt: "uid-1",
    path: "/",
    domain: "",
    max_age_s: 0,
    expires_s: 0,
    same_site: "",
    same_site_conditional: false,
    secure: "https",
    change_on_failure: false,
    canaries: "sticky",
    ...change,
  };
}

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
