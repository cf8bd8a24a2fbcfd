// What is wrong with the reading of resources, in words for `status`: one trouble for what hits them all.

import type { SourceTrouble } from "../store/source.ts";
import type { Connection } from "./connection.ts";
import type { ApiFailure } from "./failure.ts";
import type { ReflectorTrouble } from "./reflector.ts";
import { resourceText } from "./resources.ts";
import type { Resource } from "./resources.ts";

export interface ResourceTrouble {
  readonly resource: Resource;
  readonly trouble: ReflectorTrouble;
}

/** Worst first: the credential, the connection, whole kinds, single Secrets (at most `secretsMax`, then their number). */
export function describeTroubles(
  troubles: readonly ResourceTrouble[],
  connection: Connection,
  secretsMax: number,
): readonly SourceTrouble[] {
  const credential = troubles.filter(({ trouble }) => trouble.failure.status === 401);
  const connecting = troubles.filter(({ trouble }) => isConnection(trouble.failure));
  const rest = troubles.filter(({ trouble }) => trouble.failure.status !== 401 && !isConnection(trouble.failure));
  const kinds = rest.filter(({ resource }) => resource.single === null);
  const secrets = rest.filter(({ resource }) => resource.single !== null);
  const described = [
    ...wholeSource(credential, (since, failure) => ({
      message: `credential refused since ${since}, serving what was known: ${failure.message}`,
      hint: `Renew the token or client certificate; see what the server says with \`${kubectl(connection)} get ingresses -A\`.`,
    })),
    ...wholeSource(connecting, (since, failure) => ({
      message: `${connection.server} cannot be read since ${since}, serving what was known: ${failure.message}`,
      hint: failure.hint ?? `See if it answers from this machine: \`${kubectl(connection)} get --raw /livez\`.`,
    })),
    ...kinds.map((one) => oneResource(one, connection)),
    ...secrets.slice(0, secretsMax).map((one) => oneResource(one, connection)),
  ];
  const more = secrets.slice(secretsMax);
  const first = more[0];
  if (first === undefined) return described;
  const { hint } = oneResource(first, connection);
  const since = Math.min(...more.map(({ trouble }) => trouble.since));
  return [
    ...described,
    { resource: "Secret", message: `${more.length} more Secrets or ConfigMaps cannot be read`, since, hint },
  ];
}

function isConnection(failure: ApiFailure): boolean {
  return failure.code === "apiserver-unreachable" || failure.code === "kubeconfig-invalid";
}

/** All troubles of one cause as one, since the oldest of them. */
function wholeSource(
  troubles: readonly ResourceTrouble[],
  text: (since: string, failure: ApiFailure) => { readonly message: string; readonly hint: string },
): readonly SourceTrouble[] {
  const oldest = troubles.toSorted((a, b) => a.trouble.since - b.trouble.since)[0];
  if (oldest === undefined) return [];
  const { since, failure } = oldest.trouble;
  return [{ resource: "", since, ...text(new Date(since).toISOString(), failure) }];
}

function oneResource({ resource, trouble }: ResourceTrouble, connection: Connection): SourceTrouble {
  return {
    resource: resource.kind,
    message: `cannot read ${resourceText(resource)}: ${trouble.failure.message}`,
    since: trouble.since,
    hint: hintFor(resource, trouble.failure, connection),
  };
}

function hintFor(resource: Resource, failure: ApiFailure, connection: Connection): string {
  const { single, rbacName } = resource;
  switch (failure.status) {
    case 403: {
      const scope = single === null ? "-A" : `-n ${single.namespace}`;
      const test = `${kubectl(connection)} auth can-i watch ${rbacName}${single === null ? "" : `/${single.name}`} ${scope}`;
      const whose =
        single === null ? "the ClusterRole of Headgate's user" : "the Role or ClusterRole of Headgate's user";
      return `Give ${whose} the verbs get, list and watch on ${rbacName}; test it with \`${test}\`.`;
    }
    case 404:
      return (
        `This server has no ${rbacName} in ${resource.apiVersion}, nor in an older version that Headgate reads; ` +
        `see what it has with \`${kubectl(connection)} api-resources\`.`
      );
    case 429:
      return "The API server is overloaded or limits this user; Headgate comes back when it is asked to.";
    default:
      return `See what the server answers: \`${kubectl(connection)} get --raw '${resource.path}?limit=1'\`.`;
  }
}

function kubectl(connection: Connection): string {
  return `kubectl ${connection.kubectlFlags}`.trim();
}
