// Canaries: Ingresses whose Services share the requests of another Ingress's paths. Which path each of them is an
// alternative for, and whether it may get requests at all. The Ingress that has the path decides everything else about
// its requests, so a guard that only the alternative has would be lost: then it gets none.

import { parseAnnotationKey } from "../../objects/annotation-keys.ts";
import { type Ingress, refOf, refText } from "../../objects/objects.ts";
import { printable } from "../../objects/readers.ts";
import type { Alternative } from "../alternative.ts";
import type { Problem, Route } from "../edge-model.ts";
import { problemOf } from "../problems.ts";
import { ANNOTATIONS } from "./annotations.ts";
import { type AlternativeClaim, type Claim, type Claims, slotOf } from "./claims.ts";
import { classSettingsOf } from "./class-settings.ts";
import type { Policy } from "./policy.ts";
import { type Place, resolveBackend, resolveTls } from "./route-backend.ts";

/** What the data plane takes. */
const ALTERNATIVES_MAX = 16;
/** Annotations of an alternative that count, and not those of the Ingress that has the path. */
const OWN = new Set(["load-balance", "upstream-hash-by", "hash-balance-factor", "backend-protocol", "secure-backends"]);

/** An alternative that waits for the route of its path. */
export interface Waiting {
  readonly claims: Claims;
  readonly alternative: AlternativeClaim;
}

/** The alternatives of one host that is being built. */
export interface Alternatives {
  readonly bySlot: ReadonlyMap<string, readonly Waiting[]>;
  /** Those that have found no route yet. */
  readonly unused: Set<Waiting>;
}

/** Those of the Ingresses of a host, which come oldest first. */
export function gatherAlternatives(host: string, all: readonly Claims[]): Alternatives {
  const bySlot = new Map<string, Waiting[]>();
  const unused = new Set<Waiting>();
  for (const claims of all) {
    for (const alternative of claims.alternatives.get(host) ?? []) {
      const waiting = { claims, alternative };
      unused.add(waiting);
      for (const slot of alternative.slots) {
        const known = bySlot.get(slot);
        if (known === undefined) bySlot.set(slot, [waiting]);
        else known.push(waiting);
      }
    }
  }
  return { bySlot, unused };
}

/** Those for the path of a claim, oldest first. */
export function alternativesFor({ bySlot }: Alternatives, claim: Claim): readonly Waiting[] {
  return bySlot.size === 0 ? [] : (bySlot.get(slotOf(claim)) ?? []);
}

/** Gives a route those for its path; what is wrong with them is added to the problems of the place. */
export function shareRoute(
  place: Place & { readonly alternatives: Alternatives },
  main: Claims,
  route: Route,
  waiting: readonly Waiting[],
): Route {
  const alternatives: Alternative[] = [];
  for (const one of waiting) {
    place.alternatives.unused.delete(one);
    const made = alternativeOf(place, main, route, one);
    if (made === null) continue;
    if (alternatives.length < ALTERNATIVES_MAX) alternatives.push(withinShare(place, one, made, alternatives));
    else tell(place, one, `is one of more than ${ALTERNATIVES_MAX} for its path`, "remove some of them");
  }
  return alternatives.length === 0 ? route : { ...route, filters: [...route.filters, { kind: "split", alternatives }] };
}

/** Tells of those for which there was no route. */
export function tellUnused(place: Place & { readonly alternatives: Alternatives }): void {
  for (const one of place.alternatives.unused) {
    const { path } = one.alternative.claim;
    const message = `is an alternative, and no other Ingress has the path ${printable(path, 60)} of this host`;
    tell(
      place,
      one,
      message,
      "create the Ingress it belongs to, with the same host, path and pathType, or remove canary",
    );
  }
}

function alternativeOf(place: Place, main: Claims, route: Route, one: Waiting): Alternative | null {
  const { ingress, policy, guards } = one.claims;
  // What closes it was told where it stands.
  if (guards.closing.length > 0 || policy.canary === null) return null;
  const mainText = refText(refOf(main.ingress));
  const refuse = (message: string, fix: string): null => tell(place, one, message, fix);
  if (route.backend === null) return refuse(`has a path for which ${mainText} names no Service`, "name one there");
  if (ingress.meta.namespace !== main.ingress.meta.namespace) {
    return refuse(`has the path of ${mainText}, of another namespace`, "move it to the namespace of that Ingress");
  }
  const guard = ownGuard(place, main, ingress);
  if (guard !== null) {
    return refuse(
      `restricts access by ${guard}, and ${mainText} does not do the same`,
      "restrict both in the same way",
    );
  }
  const found: Problem[] = [];
  const resolved = resolveBackend({ ...place, problems: found }, ingress, one.alternative.claim);
  const protocol = policy.protocol ?? main.policy.protocol ?? resolved.protocol;
  const tls = resolveTls({ ...place, problems: found }, main, resolved.key, protocol);
  place.problems.push(...found.map((problem) => ({ ...problem, message: withoutAnswer(problem.message) })));
  const { key } = resolved;
  if (key === null || tls.closed !== null) return null;
  if (key === route.backend)
    return refuse(`has the Service and port of ${mainText}`, "name another Service, or remove it");
  if (route.upstreamTls?.verify && tls.upstreamTls === null) {
    const fix = "write backend-protocol: HTTPS or GRPCS on it, or appProtocol on its Service";
    return refuse(`is asked without TLS, and ${mainText} has certificates verified`, fix);
  }
  tellIgnored(place, main, one.claims);
  const balance = policy.balance ?? resolved.balance;
  return {
    ingress: refOf(ingress),
    backend: key,
    protocol,
    upstreamTls: tls.upstreamTls,
    balance,
    rule: policy.canary,
  };
}

function withoutAnswer(message: string): string {
  return message.replace(/(?:its requests|requests to \S+) get 503/, "it gets no traffic");
}

// The younger one loses: what others share already stays as it is.
function withinShare(place: Place, one: Waiting, made: Alternative, before: readonly Alternative[]): Alternative {
  const share = ({ rule }: Alternative): number => rule.weight / rule.total;
  const taken = before.reduce((sum, each) => sum + share(each), 0);
  // Sums of shares like 0.1 and 0.2 are not exact.
  if (taken + share(made) <= 1 + 1e-9) return made;
  const percent = Math.round((taken + share(made)) * 1000) / 10;
  const message = `comes, with older ones for its path, to ${percent} % of the requests: by weight it gets none`;
  say(place, one, message, "lower canary-weight of one of them");
  return { ...made, rule: { ...made.rule, weight: 0 } };
}

/** The restriction of an alternative that its main Ingress does not have word for word; null: there is none. */
function ownGuard(place: Place, main: Claims, ingress: Ingress): string | null {
  const own = valuesOf(ingress);
  const mains = valuesOf(main.ingress);
  for (const [name, values] of own) {
    if (ANNOTATIONS.get(name)?.effect === "restricting" && values !== mains.get(name)) return name;
  }
  const ofClass = classSettingsOf(place.input, ingress);
  const ofMain = classSettingsOf(place.input, main.ingress);
  if (ofClass.closed !== null) return ofClass.closed.reason;
  return ofClass.policy !== ofMain.policy && ofClass.policy?.access ? "the settings of its IngressClass" : null;
}

// Once for each Ingress and host.
function tellIgnored(place: Place, main: Claims, { ingress, hosts, policy }: Claims): void {
  if (hosts[0] !== place.name) return;
  const mains = valuesOf(main.ingress);
  const ignored = [...valuesOf(ingress)].filter(([name, values]) => {
    const rule = ANNOTATIONS.get(name);
    return rule?.served === true && rule.effect === "plain" && !isOwn(name, policy) && values !== mains.get(name);
  });
  const field = "metadata.annotations";
  const code = "annotation-unsupported";
  if (place.problems.some((known) => known.code === code && known.field === field && isOf(known, ingress))) return;
  if (ignored.length === 0) return;
  const names = ignored.map(([name]) => name).join(", ");
  const message = `${names}: of an alternative it is not used, requests are served as ${refText(refOf(main.ingress))} says`;
  const fix = "write it on that Ingress, or remove it here";
  place.problems.push(problemOf(ingress, { code, severity: "warning", field, message, fix, hosts: [place.name] }));
}

function isOwn(name: string, { affinity }: Policy): boolean {
  // Without a cookie it is a way to balance.
  if (name === "affinity") return affinity === null;
  return OWN.has(name) || name === "canary" || name.startsWith("canary-");
}

function isOf({ object }: Problem, { meta }: Ingress): boolean {
  return object?.kind === "Ingress" && object.namespace === meta.namespace && object.name === meta.name;
}

/** The values of each annotation, as one text. */
function valuesOf(ingress: Ingress): ReadonlyMap<string, string> {
  const values = new Map<string, string[]>();
  for (const [key, value] of Object.entries(ingress.meta.annotations)) {
    const parsed = parseAnnotationKey(key);
    if (parsed?.exact === true) values.set(parsed.name, [...(values.get(parsed.name) ?? []), value.trim()]);
  }
  return new Map([...values].map(([name, all]) => [name, all.sort().join("\n")]));
}

function tell(place: Place, one: Waiting, message: string, fix: string): null {
  say(place, one, `${message}: it gets no traffic`, fix);
  return null;
}

function say({ name, problems }: Place, { claims, alternative }: Waiting, message: string, fix: string): void {
  const { field } = alternative;
  problems.push(
    problemOf(claims.ingress, { code: "canary-unused", severity: "error", field, message, fix, hosts: [name] }),
  );
}
