// Who is asked for a user and a password: auth-type, auth-secret, auth-secret-type and auth-realm.

import type { ObjectRef } from "../../objects/objects.ts";
import type { Closed, Filter, Problem, UsersKey, UsersLayout } from "../edge-model.ts";
import { problemOf } from "../problems.ts";
import { usersOf } from "../users.ts";
import { type Draft, type Entry, first, shown } from "./annotation-values.ts";
import type { Claims } from "./claims.ts";
import type { Place } from "./route-backend.ts";

/** What the annotations ask for, before the Secret is looked at. */
export interface BasicAuth {
  readonly realm: string;
  /** "<namespace>/<name>" */
  readonly secret: string;
  readonly layout: UsersLayout;
  /** The annotation that names the Secret. */
  readonly key: string;
}

const REALM = "Authentication required";
const REALM_LENGTH_MAX = 64;
const LAYOUTS: readonly UsersLayout[] = ["auth-file", "auth-map"];

/** null: nobody is asked. Whatever cannot be understood closes. */
export function readBasicAuth(draft: Draft, namespace: string): BasicAuth | null {
  const type = first(draft, "auth-type");
  const secret = first(draft, "auth-secret");
  const layout = first(draft, "auth-secret-type");
  const realm = readRealm(draft, type !== null);
  if (type === null) {
    const alone = secret ?? layout;
    if (alone !== null) closes(draft, alone, "asks for nothing without auth-type", 'add auth-type: "basic"');
    return null;
  }
  const way = type.value.trim().toLowerCase();
  if (way !== "basic") {
    closes(draft, type, `${shown(type.value)} is no way to sign in here`, 'use "basic", over https');
    return null;
  }
  if (secret === null) {
    closes(draft, type, "needs auth-secret", "name the Secret that holds the users in auth-secret");
    return null;
  }
  const kind = LAYOUTS.find((known) => known === (layout?.value.trim() ?? "auth-file"));
  if (kind === undefined) {
    closes(draft, layout ?? type, `${shown(layout?.value ?? "")} is no layout`, `use one of ${LAYOUTS.join(", ")}`);
  }
  const [, other, name] = /^(?:([-a-z0-9]{1,63})\/)?([-a-z0-9.]{1,253})$/.exec(secret.value.trim()) ?? [];
  if (name === undefined || (other !== undefined && other !== namespace)) {
    const message = `${shown(secret.value)} is no Secret of namespace ${namespace}`;
    closes(draft, secret, message, "name a Secret beside the Ingress");
    return null;
  }
  return kind === undefined ? null : { realm, secret: `${namespace}/${name}`, layout: kind, key: secret.key };
}

function closes(draft: Draft, { key }: Entry, message: string, fix: string): void {
  draft.closing.push({ key, message: `${message}: its routes answer 503`, fix });
}

function readRealm(draft: Draft, used: boolean): string {
  const entry = first(draft, "auth-realm");
  const value = entry?.value.trim() ?? "";
  if (entry === null || value === "") return REALM;
  const good = value.length <= REALM_LENGTH_MAX && !/\p{Cc}/u.test(value);
  if (good && used) return value;
  const message = good
    ? "asks for nothing without auth-type"
    : `${shown(value)} cannot be sent: "${REALM}" is used instead`;
  const fix = good ? "remove it" : `write at most ${REALM_LENGTH_MAX} printable characters`;
  draft.invalid.push({ key: entry.key, message, fix });
  return REALM;
}

// Names the document of the users that a wish is for.
function usersKey({ secret, layout }: BasicAuth): UsersKey {
  return `${secret}/${layout}`;
}

/** The guard of a route. */
export function basicAuthFilter(wish: BasicAuth): Extract<Filter, { kind: "basic_auth" }> {
  return { kind: "basic_auth", realm: wish.realm, users: usersKey(wish) };
}

/** Closes a route whose users are not there; it is told once for each Ingress and host. */
export function resolveUsers({ input, name: host, problems }: Place, { ingress, policy }: Claims): Closed | null {
  const wish = policy.basicAuth;
  if (wish === null) return null;
  const secret = input.secret(wish.secret);
  const fault = secret === undefined ? "is not there" : usersOf(secret, wish.layout).fault;
  if (fault === null) return null;
  const reason = `Secret ${wish.secret} of auth-secret ${fault}`;
  const field = `metadata.annotations["${wish.key}"]`;
  const isTold = (problem: Problem): boolean => problem.field === field && isOf(problem.object, ingress.meta);
  if (!problems.some(isTold)) {
    const fix =
      wish.layout === "auth-file"
        ? `create it with \`htpasswd -c -B -C 10 auth USER\` and \`kubectl create secret generic NAME --from-file=auth\``
        : "create it with a key for each user, and as its value the hash of `htpasswd -n -B -C 10 USER`";
    problems.push(
      problemOf(ingress, {
        code: secret === undefined ? "secret-missing" : "secret-invalid",
        severity: "error",
        field,
        message: `${reason}: its routes answer 503`,
        fix,
        hosts: [host],
      }),
    );
  }
  return { reason };
}

function isOf(
  ref: ObjectRef | null,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): boolean {
  return ref?.kind === "Ingress" && ref.namespace === namespace && ref.name === name;
}
