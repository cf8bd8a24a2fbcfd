// What of the configuration, and of this machine, the model depends on.

import type { ModelSettings } from "../model/input.ts";
import type { Config } from "./config.ts";

/** `hostAddresses` is asked for each time: they change while the agent runs. */
export function modelSettings(config: Config, hostAddresses: () => readonly string[]): ModelSettings {
  const { ingress } = config;
  return {
    ingressClasses: ingress.classes,
    classless: ingress.classless,
    sslRedirect: ingress.sslRedirect,
    forceSslRedirect: ingress.forceSslRedirect,
    defaultBackend: ingress.defaultBackend,
    defaultCertificate: ingress.defaultCertificate,
    allowedResponseHeaders: ingress.allowedResponseHeaders,
    endpointsMode: config.endpoints.mode,
    zone: config.endpoints.zone,
    allowLocalEndpoints: config.endpoints.allowLocal,
    refusedNetworks: config.endpoints.refused,
    externalNames: config.endpoints.externalNames,
    buffersAnswers: config.traffic.proxy.buffering,
    get hostAddresses() {
      return hostAddresses();
    },
  };
}
