// What a route says of sessions.

/** Session affinity by a cookie. */
export interface Affinity {
  readonly name: string;
  /** balanced: sessions move when peers come or go; persistent: each stays while its peer is there. */
  readonly mode: "balanced" | "persistent";
  /** What digests of peers are made with, so that nobody can try out addresses. */
  readonly salt: string;
  readonly path: string;
  /** "" for the host alone. */
  readonly domain: string;
  /** 0: until the browser ends; both may be said. */
  readonly maxAgeS: number;
  readonly expiresS: number;
  /** "" for none. */
  readonly sameSite: "" | "None" | "Lax" | "Strict";
  /** "None" is left out for browsers that misread it. */
  readonly sameSiteConditional: boolean;
  readonly secure: "always" | "https" | "never";
  /** A session whose peer fails goes on at another one for good, not for this request alone. */
  readonly changeOnFailure: boolean;
  /** sticky: a session stays with the Service (canary or not) that it began with. */
  readonly canaries: "sticky" | "legacy";
}
