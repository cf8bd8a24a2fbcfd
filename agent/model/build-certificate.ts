// A Secret → the certificate that the data plane holds.

import type { BuiltCertificate, Problem } from "./edge-model.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemOf } from "./problems.ts";

const DAY_MS = 86_400_000;
/** ACME clients renew 30 days before; 14 means that they have failed for a while. */
const EXPIRING_DAYS = 14;

/**
 * Builds one certificate, `secretKey` "<namespace>/<secret>", `now` in milliseconds since 1970. Null where the Secret
 * is not used, not there or no key pair; the Ingresses that name it have that as their problem, see buildHost.
 * An expired certificate is served: a visitor's warning says more than a failed handshake.
 */
export function buildCertificate(
  input: ModelInput,
  settings: ModelSettings,
  secretKey: string,
  now: number,
): BuiltCertificate {
  const hosts = input.hostsOfSecret(secretKey);
  const used = hosts.length > 0 || settings.defaultCertificate === secretKey;
  const secret = used ? input.secret(secretKey) : undefined;
  if (secret === undefined || secret.keyPair.kind === "bad") return { certificate: null, problems: [] };
  const { certificate, key, names, notBefore, notAfter, fingerprint } = secret.keyPair;
  const problems: Problem[] = [];
  const validity = judgeValidity(notBefore, notAfter, now);
  if (validity !== null) {
    const fix = "renew it; with cert-manager see `kubectl describe certificate`";
    problems.push(problemOf(secret, { ...validity, field: 'data["tls.crt"]', fix, hosts }));
  }
  return {
    certificate: { key: secretKey, certificate, privateKey: key, names, notBefore, notAfter, fingerprint },
    problems,
  };
}

function judgeValidity(
  notBefore: number,
  notAfter: number,
  now: number,
): Pick<Problem, "code" | "severity" | "message"> | null {
  if (now >= notAfter) {
    return { code: "certificate-expired", severity: "error", message: `expired ${days(now - notAfter)} ago` };
  }
  if (now < notBefore) {
    const message = `is not valid for another ${days(notBefore - now)}`;
    return { code: "certificate-expired", severity: "error", message };
  }
  if (notAfter - now < EXPIRING_DAYS * DAY_MS) {
    return { code: "certificate-expiring", severity: "warning", message: `expires in ${days(notAfter - now)}` };
  }
  return null;
}

function days(milliseconds: number): string {
  const count = Math.floor(milliseconds / DAY_MS);
  return count === 0 ? "less than a day" : count === 1 ? "1 day" : `${count} days`;
}
