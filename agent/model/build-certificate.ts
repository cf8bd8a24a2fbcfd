// A Secret → what the data plane holds of it: its certificate, and the users in it.

import type { BuiltCertificate, Problem, Users } from "./edge-model.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemOf } from "./problems.ts";
import { usersOf, usersProblems } from "./users.ts";

const DAY_MS = 86_400_000;
/** ACME clients renew 30 days before; 14 means that they have failed for a while. */
const EXPIRING_DAYS = 14;

/**
 * Builds what one Secret gives, `secretKey` "<namespace>/<secret>", `now` in milliseconds since 1970. The certificate
 * is null where the Secret is not used, not there or no key pair; the Ingresses that name it have that as their problem, see buildHost.
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
  if (secret === undefined) return { certificate: null, users: [], problems: [] };
  const problems: Problem[] = [];
  const users: Users[] = [];
  for (const layout of input.usersLayouts(secretKey)) {
    const read = usersOf(secret, layout);
    if (read.fault === null) users.push({ key: `${secretKey}/${layout}`, users: read.users });
    problems.push(...usersProblems(secret, layout, hosts));
  }
  if (secret.keyPair.kind === "bad") return { certificate: null, users, problems };
  const { certificate, key, names, notBefore, notAfter, fingerprint } = secret.keyPair;
  const validity = judgeValidity(notBefore, notAfter, now);
  if (validity !== null) {
    const fix = "renew it; with cert-manager see `kubectl describe certificate`";
    problems.push(problemOf(secret, { ...validity, field: 'data["tls.crt"]', fix, hosts }));
  }
  return {
    certificate: { key: secretKey, certificate, privateKey: key, names, notBefore, notAfter, fingerprint },
    users,
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
