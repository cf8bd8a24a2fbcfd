// What of the configuration, and of this machine, the model depends on.

import { networkInterfaces } from "node:os";
import type { Config } from "../config/config.ts";
import type { ModelSettings } from "../model/input.ts";

export function modelSettings(config: Config): ModelSettings {
  const { ingress } = config;
  return {
    ingressClasses: ingress.classes,
    classless: ingress.classless,
    sslRedirect: ingress.sslRedirect,
    forceSslRedirect: ingress.forceSslRedirect,
    defaultBackend: ingress.defaultBackend,
    defaultCertificate: ingress.defaultCertificate,
    allowLocalEndpoints: config.endpoints.allowLocal,
    hostAddresses: Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
  };
}
