// Client certificates of one host, over all Ingresses that route it.
//
// The handshake knows no path: one policy holds for the whole host, as in ingress-nginx. It is that of the oldest
// Ingress that has one, among those of the namespace that the host's oldest Ingress is of: another namespace could else
// lock a host by naming it. An Ingress that asks for something else is closed, and never served by a weaker policy.

import { type Ingress, refOf, refText } from "../objects/objects.ts";
import type { ClientPolicy, Closed, Filter, Problem } from "./edge-model.ts";
import { ANY_HOST } from "./hosts.ts";
import type { Claims } from "./ingress/claims.ts";
import type { ClientCertificateWish } from "./ingress/client-certificates.ts";
import type { ModelInput } from "./input.ts";
import { problemOf } from "./problems.ts";

type Guard = Extract<Filter, { kind: "client_certificate" }>;

export interface HostCertificates {
  /** null: no certificates are asked for, or the host is closed for want of their authorities. */
  readonly policy: ClientPolicy | null;
  /** The guard of the routes of an Ingress. */
  readonly guardOf: (claims: Claims) => Guard | null;
  readonly closedOf: (ingress: Ingress) => Closed | null;
}

const NONE: HostCertificates = { policy: null, guardOf: () => null, closedOf: () => null };

/** Decides for a host; `routing`: oldest first. What is wrong is added to `problems`. */
export function hostCertificates(
  input: ModelInput,
  name: string,
  routing: readonly Claims[],
  problems: Problem[],
): HostCertificates {
  const asking = routing.filter(({ policy }) => policy.clientCertificates !== null);
  if (asking.length === 0) return NONE;
  if (name === ANY_HOST) return closedWithoutName(asking, problems);
  const owner = routing[0]?.ingress.meta.namespace;
  const deciding = asking.find(({ ingress }) => ingress.meta.namespace === owner) ?? null;
  const wish = deciding?.policy.clientCertificates ?? null;
  // Values that cannot be used were told with the Ingress's other annotations.
  if (wish === "closed")
    return { ...NONE, closedOf: () => ({ reason: "the client certificates of its host are not known" }) };
  const made = deciding === null || wish === null ? null : makePolicy(input, wish);
  if (deciding !== null && wish !== null && made?.kind === "fault") {
    problems.push(secretProblem(deciding.ingress, wish, name, made));
    return { ...NONE, closedOf: () => ({ reason: made.message }) };
  }
  const policy = made?.kind === "policy" ? made.policy : null;
  const losers = new Map<Ingress, Closed>();
  for (const claims of asking) {
    const own = claims.policy.clientCertificates;
    if (claims === deciding || own === "closed" || own === null) continue;
    if (wish !== null && policy !== null && isSame(input, own, wish, policy)) continue;
    losers.set(claims.ingress, { reason: "it asks for other client certificates than its host" });
    problems.push(conflict(claims.ingress, deciding?.ingress ?? null, name));
  }
  return {
    policy,
    guardOf: ({ policy: { clientCertificates: own } }) =>
      policy === null || wish === null ? null : guard(policy, own === null || own === "closed" ? wish : own),
    closedOf: (ingress) => losers.get(ingress) ?? null,
  };
}

function guard(policy: ClientPolicy, { match, errorPage, pass }: ClientCertificateWish): Guard {
  const { name, verify } = policy;
  return { kind: "client_certificate", policy: name, verify, match, error_page: errorPage, pass };
}

type Made =
  | { readonly kind: "policy"; readonly policy: ClientPolicy }
  | { readonly kind: "fault"; readonly code: "secret-missing" | "secret-invalid"; readonly message: string };

function makePolicy(input: ModelInput, { secret: key, verify, depth }: ClientCertificateWish): Made {
  const secret = input.secret(key);
  if (secret === undefined) {
    return { kind: "fault", code: "secret-missing", message: `there is no Secret ${key} of auth-tls-secret` };
  }
  const { authorities, clientTrust } = secret;
  if (authorities === null) {
    const message = `Secret ${key} of auth-tls-secret has no ca.crt with PEM certificates`;
    return { kind: "fault", code: "secret-invalid", message };
  }
  // Absent: a snapshot of an older agent, which did not look. Without its list a revoked certificate would do.
  if (clientTrust === undefined || clientTrust === null) {
    const message = `Secret ${key} of auth-tls-secret has a ca.crl that is no PEM revocation list`;
    return { kind: "fault", code: "secret-invalid", message };
  }
  const { digest, revocations } = clientTrust;
  const name = `mtls-${digest.slice(0, DIGEST_LENGTH)}-${VERIFY_CODES[verify]}${depth}`;
  return { kind: "policy", policy: { name, verify, depth, authorities, revocations } };
}

/** 96 bits; with them a name has the 32 characters that a context of TLS sessions may have. */
const DIGEST_LENGTH = 24;
const VERIFY_CODES = { on: "n", optional: "o", optional_no_ca: "a" } as const satisfies Record<
  ClientPolicy["verify"],
  string
>;

function isSame(
  input: ModelInput,
  own: ClientCertificateWish,
  wish: ClientCertificateWish,
  policy: ClientPolicy,
): boolean {
  const made = makePolicy(input, own);
  return made.kind === "policy" && made.policy.name === policy.name && own.match === wish.match;
}

function closedWithoutName(asking: readonly Claims[], problems: Problem[]): HostCertificates {
  const namespaces = new Set(asking.map(({ ingress }) => ingress.meta.namespace));
  for (const { ingress } of asking) {
    problems.push(
      problemOf(ingress, {
        code: "annotation-closes-route",
        severity: "error",
        field: FIELD,
        message:
          "client certificates are asked for by the name in the handshake, and a rule has no host: it answers 503",
        fix: "give the rule a host, or move it to an Ingress without the annotation",
        hosts: [ANY_HOST],
      }),
    );
  }
  const reason = "client certificates need a host name";
  return { ...NONE, closedOf: ({ meta }) => (namespaces.has(meta.namespace) ? { reason } : null) };
}

const FIELD = "metadata.annotations[auth-tls-secret]";

function secretProblem(
  ingress: Ingress,
  { secret }: ClientCertificateWish,
  name: string,
  { code, message }: Extract<Made, { kind: "fault" }>,
): Problem {
  return problemOf(ingress, {
    code,
    severity: "error",
    field: FIELD,
    message: `${message}: host ${name} answers 503`,
    fix: `store the authority's certificate as ca.crt in Secret ${secret}, and revoked ones as ca.crl or not at all`,
    hosts: [name],
  });
}

function conflict(loser: Ingress, winner: Ingress | null, name: string): Problem {
  const message =
    winner === null
      ? `host ${name} is of another namespace, which asks for no client certificates: this Ingress answers 503 there`
      : `host ${name} has the client certificates of ${refText(refOf(winner))}, not those of this Ingress: it answers 503 there`;
  return problemOf(loser, {
    code: "client-certificates-conflict",
    severity: "error",
    field: FIELD,
    message,
    fix: "write the same auth-tls-* annotations in both, or give this Ingress a host of its own",
    hosts: [name],
  });
}
