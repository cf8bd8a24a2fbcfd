// Settings of how services are asked whether a request may pass.

import { type Setting, setting } from "./setting.ts";
import { count } from "./setting-kinds.ts";

export const EXTERNAL_AUTH_SETTINGS: readonly Setting[] = [
  setting("externalAuth.connectTimeoutMs", count(10, 60_000), "to connect to a service that is asked", {
    default: 2_000,
  }),
  setting("externalAuth.timeoutMs", count(10, 60_000), "for its whole answer; then the request gets 503", {
    default: 10_000,
  }),
  setting(
    "externalAuth.authorities",
    { kind: "path" },
    "PEM file of authorities: certificates of DNS names that are asked over https must be of them",
    { default: null, nullable: true },
  ),
];
