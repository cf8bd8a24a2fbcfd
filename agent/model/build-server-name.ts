// Which certificate a host gets in TLS handshakes.

import { type Ingress, refOf, refText } from "../objects/objects.ts";
import type { Problem, ServerName } from "./edge-model.ts";
import { ANY_HOST, covers, isBadHostKey } from "./hosts.ts";
import type { Claims, TlsClaim } from "./ingress/claims.ts";
import type { ModelInput, ModelSettings } from "./input.ts";
import { problemAt, problemOf } from "./problems.ts";

interface ServerNameAndProblems {
  readonly serverName: ServerName | null;
  readonly problems: readonly Problem[];
}

/**
 * The server name of one host. The oldest Ingress whose `tls` names the host decides; where none does, a Secret in
 * the `tls` of an Ingress that routes the host, if its certificate covers it (as in ingress-nginx). A Secret that
 * cannot be used leaves the default certificate. A certificate for other names is served and reported: falling back
 * would only exchange one warning in browsers for another, and break clients that pin it.
 * A Secret of another key type (RSA beside ECDSA) stands beside the first where it is of the same namespace and covers
 * the host: a stranger's would be what half of the clients see.
 */
export function hostServerName(
  input: ModelInput,
  settings: ModelSettings,
  name: string,
  all: readonly Claims[],
): ServerNameAndProblems {
  const problems: Problem[] = hostlessProblems(input, name, all);
  if (name === ANY_HOST) {
    const edge = defaultServerName(input, settings);
    return { serverName: edge.serverName, problems: [...problems, ...edge.problems] };
  }
  let winner: { claims: Claims; claim: TlsClaim } | null = null;
  let second: string | null = null;
  for (const claims of all) {
    const claim = claims.tls.get(name);
    if (claim === undefined) continue;
    if (claim.secret !== null && claim.hosts[0] === name)
      problems.push(...secretProblems(input, claims.ingress, claim));
    if (winner === null) {
      winner = { claims, claim };
      problems.push(...nameProblems(input, claims.ingress, claim, name));
    }
    for (const other of entriesOf(claims, claim, name)) {
      if (other.secret === winner.claim.secret || other.secret === second) continue;
      if (second === null && standsBeside(input, winner.claim, other, name)) second = other.secret;
      else problems.push(conflict(claims.ingress, other, winner.claims.ingress, name));
    }
  }
  if (winner !== null) {
    const { secret } = winner.claim;
    const certificate = isUsable(input, secret) ? secret : null;
    return { serverName: { name, certificate, ...(second !== null && { second }) }, problems };
  }
  const covering = coveringSecret(input, name, all);
  return { serverName: covering === null ? null : { name, certificate: covering }, problems };
}

// Of most Ingresses one entry names a host.
function entriesOf({ tlsSecrets }: Claims, first: TlsClaim, name: string): readonly TlsClaim[] {
  if (tlsSecrets.length < 2) return [first];
  return [first, ...tlsSecrets.filter((claim) => claim !== first && claim.hosts.includes(name))];
}

function standsBeside(input: ModelInput, { secret: first }: TlsClaim, { secret }: TlsClaim, name: string): boolean {
  const served = first === null ? undefined : input.secret(first)?.keyPair;
  const other = secret === null ? undefined : input.secret(secret)?.keyPair;
  if (served?.kind !== "good" || other?.kind !== "good") return false;
  const differ = served.keyType !== undefined && other.keyType !== undefined && served.keyType !== other.keyType;
  return differ && namespaceOf(first) === namespaceOf(secret) && covers(other.names, name);
}

function namespaceOf(key: string | null): string | undefined {
  return key?.split("/")[0];
}

// Entries of `tls` that name no host: their Secrets are looked into all the same, under the Ingress's first host.
function hostlessProblems(input: ModelInput, name: string, all: readonly Claims[]): Problem[] {
  return all
    .filter((claims) => claims.hosts.find((host) => !isBadHostKey(host)) === name)
    .flatMap((claims) =>
      claims.tlsSecrets
        .filter((claim) => claim.hosts.length === 0)
        .flatMap((claim) => secretProblems(input, claims.ingress, { ...claim, hosts: [...claims.routed].sort() })),
    );
}

function coveringSecret(input: ModelInput, name: string, all: readonly Claims[]): string | null {
  for (const claims of all) {
    if (!claims.routed.has(name) && !claims.aliases.has(name) && !claims.www.has(name)) continue;
    for (const { secret } of claims.tlsSecrets) {
      const keyPair = secret === null ? undefined : input.secret(secret)?.keyPair;
      if (keyPair?.kind === "good" && covers(keyPair.names, name)) return secret;
    }
  }
  return null;
}

function isUsable(input: ModelInput, secret: string | null): boolean {
  return secret !== null && input.secret(secret)?.keyPair.kind === "good";
}

// Once for the entry of `tls`, under its first host.
function secretProblems(input: ModelInput, ingress: Ingress, claim: TlsClaim): readonly Problem[] {
  const secret = claim.secret === null ? undefined : input.secret(claim.secret);
  if (secret === undefined) {
    return [
      problemOf(ingress, {
        code: "secret-missing",
        severity: "error",
        field: `${claim.field}.secretName`,
        message: `there is no Secret ${claim.secret ?? ""}: the default certificate is used`,
        fix: "create the Secret (type kubernetes.io/tls), or correct the name",
        hosts: claim.hosts,
      }),
    ];
  }
  const bad = secret.keyPair.kind === "bad" ? secret.keyPair : secret.refused;
  if (bad === null) return [];
  const { field, message, fix } = bad;
  const instead = secret.refused === null ? "the default certificate is used" : "the one before it stays in use";
  return [
    problemOf(ingress, {
      code: "secret-invalid",
      severity: "error",
      field: `${claim.field}.secretName`,
      message: `Secret ${claim.secret ?? ""} is no key pair: ${field} ${message}; ${instead}`,
      fix: `in the Secret: ${fix}`,
      hosts: claim.hosts,
    }),
  ];
}

function nameProblems(input: ModelInput, ingress: Ingress, claim: TlsClaim, name: string): readonly Problem[] {
  const keyPair = claim.secret === null ? undefined : input.secret(claim.secret)?.keyPair;
  if (keyPair?.kind !== "good" || covers(keyPair.names, name)) return [];
  const has = keyPair.names.length === 0 ? "no host" : keyPair.names.slice(0, 5).join(", ");
  return [
    problemOf(ingress, {
      code: "certificate-name",
      severity: "warning",
      field: `${claim.field}.secretName`,
      message: `the certificate in Secret ${claim.secret ?? ""} is for ${has}, not for ${name}: browsers will refuse it`,
      fix: `store a certificate that names ${name}`,
      hosts: [name],
    }),
  ];
}

function conflict(loser: Ingress, claim: TlsClaim, winner: Ingress, name: string): Problem {
  const who = winner === loser ? "an entry before this one" : `the older ${refText(refOf(winner))}`;
  return problemOf(loser, {
    code: "certificate-conflict",
    severity: "warning",
    field: `${claim.field}.secretName`,
    message: `host ${name} gets the certificate that ${who} names, not this one`,
    fix: "name the same Secret in both, or one of another key type that covers the host, or remove the host from one",
    hosts: [name],
  });
}

function defaultServerName(input: ModelInput, settings: ModelSettings): ServerNameAndProblems {
  const key = settings.defaultCertificate;
  if (key === null) return { serverName: null, problems: [] };
  const secret = input.secret(key);
  const serverName = secret?.keyPair.kind === "good" ? { name: ANY_HOST, certificate: key } : null;
  const bad = secret?.keyPair.kind === "bad" ? secret.keyPair : (secret?.refused ?? null);
  if (serverName !== null && bad === null) return { serverName, problems: [] };
  const [namespace = "", name = ""] = key.split("/");
  const instead = serverName === null ? "a self-signed certificate is the default" : "the one before it stays in use";
  const problem = problemAt({ kind: "Secret", namespace, name }, "", {
    code: bad === null ? "secret-missing" : "secret-invalid",
    severity: "error",
    field: bad === null ? "ingress.defaultCertificate" : bad.field,
    message: `${bad === null ? "does not exist" : bad.message}: ${instead}`,
    fix: bad === null ? "create the Secret, or correct ingress.defaultCertificate in the configuration" : bad.fix,
    hosts: [],
  });
  return { serverName, problems: [problem] };
}
