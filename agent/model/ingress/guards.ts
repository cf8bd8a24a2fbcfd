// What the annotations of one Ingress that are not served do to its routes: whether they are closed, and what is said
// about the rest. Nothing is opened by ignorance: a restricting annotation that is not served closes, a near
// misspelling of any restricting one too. What is served is read in policy.ts.

import {
  CLASS_ANNOTATION,
  isNearClassAnnotation,
  NGINX_PREFIX,
  parseAnnotationKey,
} from "../../objects/annotation-keys.ts";
import { printable } from "../../objects/readers.ts";
import { didYouMean, editDistance } from "../../lib/spelling.ts";
import { ANNOTATIONS, type AnnotationRule, isOfRestrictingFamily, RESTRICTING_NAMES } from "./annotations.ts";

const KEY_SHOWN_MAX = 120;

/** One thing to say about an annotation. */
export interface AnnotationRemark {
  /** The key as written, made printable. */
  readonly key: string;
  readonly message: string;
  readonly fix: string;
}
export interface Guards {
  /** Annotations that close all routes of the Ingress; empty: open. Sorted by key. */
  readonly closing: readonly AnnotationRemark[];
  /** One of `closing` guards the whole host in ingress-nginx, other Ingresses' paths too. */
  readonly closesHost: boolean;
  /** A misspelt key makes the Ingress an alternative (canary) to another one: it must get no traffic of its own. */
  readonly alternative: boolean;
  /** Annotations the routes are served without. */
  readonly unsupported: readonly AnnotationRemark[];
}

/** Judges the annotations of an Ingress, in a fixed order. */
export function readGuards(annotations: Readonly<Record<string, string>>): Guards {
  const closing: AnnotationRemark[] = [];
  const unsupported: AnnotationRemark[] = [];
  let closesHost = false;
  let alternative = false;
  for (const key of Object.keys(annotations).sort()) {
    const verdict = judge(key, annotations[key] ?? "");
    if (verdict === null) continue;
    (verdict.closes ? closing : unsupported).push(verdict.remark);
    closesHost ||= verdict.closes && verdict.wholeHost;
    alternative ||= verdict.alternative;
  }
  return { closing, closesHost, alternative, unsupported };
}

interface Verdict {
  readonly closes: boolean;
  readonly wholeHost: boolean;
  readonly alternative: boolean;
  readonly remark: AnnotationRemark;
}

function judge(key: string, value: string): Verdict | null {
  if (key === CLASS_ANNOTATION) return null;
  const shownKey = printable(key, KEY_SHOWN_MAX);
  const parsed = parseAnnotationKey(key);
  if (parsed === null) return judgeOther(key, shownKey);
  const rule = ANNOTATIONS.get(parsed.name);
  if (rule === undefined) return judgeUnknown(parsed.name, shownKey);
  if (rule.served) return parsed.exact ? null : judgePrefix(parsed.name, rule, shownKey);
  const base = { wholeHost: rule.wholeHost, alternative: false, closes: false };
  const off = rule.off.includes(value.trim().toLowerCase());
  if (rule.effect === "restricting" && !off) {
    const message = "restricts access and is not served yet: its routes answer 503";
    return { ...base, closes: true, remark: { key: shownKey, message, fix: rule.instead } };
  }
  const message = off
    ? "is not served; its value asks for nothing"
    : "is not served yet: requests are served without it";
  return { ...base, remark: { key: shownKey, message, fix: off ? "remove it" : rule.instead } };
}

// A name that is served under a prefix that is nearly right: a guard closes, anything else is not guessed at.
function judgePrefix(name: string, rule: AnnotationRule, key: string): Verdict {
  const closes = rule.effect === "restricting";
  const alternative = rule.effect === "alternative";
  const otherwise = alternative
    ? `looks like ${name}, which makes an alternative of this Ingress: it gets no traffic`
    : `looks like ${name}: requests are served without it`;
  const message = closes ? `looks like ${name}, which restricts access: its routes answer 503` : otherwise;
  const remark = { key, message, fix: `correct it to ${NGINX_PREFIX}/${name}, or remove it` };
  return { closes, wholeHost: rule.wholeHost, alternative, remark };
}

function judgeUnknown(name: string, key: string): Verdict {
  const base = { wholeHost: false, alternative: false };
  const meant = nearRestricting(name);
  if (meant !== null) {
    const rule = ANNOTATIONS.get(meant);
    const served = rule?.served === true ? "" : " and is not served yet";
    const message = `looks like ${meant}, which restricts access${served}: its routes answer 503`;
    const fix = `correct it to ${NGINX_PREFIX}/${meant}, or remove it`;
    // A guard that may be meant for the whole host is taken as one.
    return { ...base, wholeHost: rule?.wholeHost ?? false, closes: true, remark: { key, message, fix } };
  }
  if (isOfRestrictingFamily(name)) {
    const message = "is not known and looks like a restriction of access: its routes answer 503";
    return { ...base, closes: true, remark: { key, message, fix: "correct or remove it" } };
  }
  const near = didYouMean(name, [...ANNOTATIONS.keys()]);
  const served = near !== null && ANNOTATIONS.get(near)?.served === true;
  const fix =
    near === null
      ? "remove it"
      : `did you mean ${NGINX_PREFIX}/${near}?${served ? "" : " That is not served yet either"}`;
  return { ...base, closes: false, remark: { key, message: "is not known: requests are served without it", fix } };
}

function judgeOther(key: string, shownKey: string): Verdict | null {
  if (!isNearClassAnnotation(key)) return null;
  const remark = { key: shownKey, message: "is not known", fix: `did you mean ${CLASS_ANNOTATION}?` };
  return { closes: false, wholeHost: false, alternative: false, remark };
}

// Case and separators are what people get wrong most, so they do not count: auth_url, authURL, auth-url.
function nearRestricting(name: string): string | null {
  const written = squeeze(name);
  let best: string | null = null;
  let bestDistance = 3;
  for (const candidate of RESTRICTING_NAMES) {
    const squeezed = squeeze(candidate);
    const room = squeezed.length <= 5 ? 1 : 2;
    const distance = editDistance(written, squeezed, room);
    if (distance <= room && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function squeeze(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
