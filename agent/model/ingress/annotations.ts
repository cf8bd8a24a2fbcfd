// Every annotation of ingress-nginx (controller 1.15: 136 names and 2 aliases), with what it means when it is not
// served. One table: a name that is served moves out of here and nothing else has to know.

/**
 * - `restricting`: without it, requests would get through that it keeps out or slows down. Its routes are closed.
 * - `plain`: without it, the request is served in another way. A warning.
 * - `alternative`: its Ingress is an alternative to another one (canary) and gets no traffic of its own.
 */
export type AnnotationEffect = "restricting" | "plain" | "alternative";

export interface AnnotationRule {
  readonly effect: AnnotationEffect;
  /** In ingress-nginx it holds for all paths of the Ingress's hosts, also for those of other Ingresses. */
  readonly wholeHost: boolean;
  /**
   * Values with which the annotation plainly restricts nothing, trimmed and in lower case. Only where ingress-nginx
   * itself would do nothing at all; an empty allow list, "optional" client certificates or the like are not harmless.
   */
  readonly off: readonly string[];
}

const ZERO = ["0"] as const;
const FALSE = ["false"] as const;
const BLANK = [""] as const;

const RESTRICTING: Readonly<Record<string, readonly string[]>> = {
  "allowlist-source-range": [],
  "whitelist-source-range": [],
  "denylist-source-range": [],
  "auth-always-set-cookie": [],
  "auth-cache-duration": [],
  "auth-cache-key": [],
  "auth-keepalive": [],
  "auth-keepalive-requests": [],
  "auth-keepalive-share-vars": [],
  "auth-keepalive-timeout": [],
  "auth-method": [],
  "auth-proxy-set-headers": [],
  "auth-realm": [],
  "auth-request-redirect": [],
  "auth-response-headers": [],
  "auth-secret": [],
  "auth-secret-type": [],
  "auth-signin": [],
  "auth-signin-redirect-param": [],
  "auth-snippet": BLANK,
  "auth-tls-error-page": [],
  "auth-tls-match-cn": [],
  "auth-tls-pass-certificate-to-upstream": [],
  "auth-tls-secret": [],
  "auth-tls-verify-client": [],
  "auth-tls-verify-depth": [],
  "auth-type": [],
  "auth-url": [],
  "configuration-snippet": BLANK,
  // "false" opts out of an authentication that only a ConfigMap can ask for, "true" relies on it.
  "enable-global-auth": FALSE,
  "enable-modsecurity": FALSE,
  "enable-owasp-core-rules": FALSE,
  "limit-allowlist": [],
  "limit-whitelist": [],
  "limit-burst-multiplier": ZERO,
  "limit-connections": ZERO,
  "limit-rate": ZERO,
  "limit-rate-after": ZERO,
  "limit-rpm": ZERO,
  "limit-rps": ZERO,
  "modsecurity-snippet": BLANK,
  "modsecurity-transaction-id": [],
  satisfy: [],
  "server-snippet": BLANK,
  "stream-snippet": BLANK,
  // Gone from ingress-nginx, still in manifests: rate limits by memcached, and the first web application firewall.
  "global-rate-limit": ZERO,
  "global-rate-limit-window": [],
  "global-rate-limit-key": [],
  "global-rate-limit-ignored-cidrs": [],
  "lua-resty-waf": ["inactive"],
};

const PLAIN = `
  affinity affinity-canary-behavior affinity-mode app-root backend-protocol canary-by-cookie canary-by-header
  canary-by-header-pattern canary-by-header-value canary-weight canary-weight-total client-body-buffer-size
  connection-proxy-header cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin
  cors-expose-headers cors-max-age custom-headers custom-http-errors default-backend disable-proxy-intercept-errors
  enable-access-log enable-cors enable-opentelemetry enable-rewrite-log fastcgi-index fastcgi-params-configmap
  force-ssl-redirect from-to-www-redirect http2-push-preload load-balance mirror-host mirror-request-body
  mirror-target opentelemetry-operation-name opentelemetry-trust-incoming-span permanent-redirect
  permanent-redirect-code preserve-trailing-slash proxy-body-size proxy-buffer-size proxy-buffering
  proxy-buffers-number proxy-busy-buffers-size proxy-connect-timeout proxy-cookie-domain proxy-cookie-path
  proxy-http-version proxy-max-temp-file-size proxy-next-upstream proxy-next-upstream-timeout
  proxy-next-upstream-tries proxy-read-timeout proxy-redirect-from proxy-redirect-to proxy-request-buffering
  proxy-send-timeout proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols proxy-ssl-secret proxy-ssl-server-name
  proxy-ssl-verify proxy-ssl-verify-depth relative-redirects rewrite-target server-alias service-upstream
  session-cookie-change-on-failure session-cookie-conditional-samesite-none session-cookie-domain
  session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path session-cookie-samesite
  session-cookie-secure ssl-ciphers ssl-passthrough ssl-prefer-server-ciphers ssl-redirect temporal-redirect
  temporal-redirect-code upstream-hash-by upstream-hash-by-subset upstream-hash-by-subset-size upstream-vhost
  use-port-in-redirects use-regex x-forwarded-prefix
`;

// The TLS handshake and a server block know no paths.
function holdsForWholeHost(name: string): boolean {
  return name.startsWith("auth-tls-") || name === "server-snippet";
}

/** The table, by the name after the prefix. */
export const ANNOTATIONS: ReadonlyMap<string, AnnotationRule> = new Map<string, AnnotationRule>([
  ...Object.entries(RESTRICTING).map(([name, off]): [string, AnnotationRule] => [
    name,
    { effect: "restricting", wholeHost: holdsForWholeHost(name), off },
  ]),
  ...PLAIN.trim()
    .split(/\s+/)
    .map((name): [string, AnnotationRule] => [name, { effect: "plain", wholeHost: false, off: [] }]),
  ["canary", { effect: "alternative", wholeHost: false, off: FALSE }],
]);

/** The names whose near misspellings count as themselves. */
export const RESTRICTING_NAMES: readonly string[] = Object.keys(RESTRICTING);

// What a name that no version of ingress-nginx had must not look like, to be served without it.
const FAMILIES = [
  /^auth[-_.]/,
  /^limit[-_.]/,
  /^global[-_.]?(rate|auth)/,
  /snippet/,
  /mod[-_.]?security/,
  /waf$/,
  /(white|allow|black|deny|block)[-_.]?list/,
  /source[-_.]?range/,
  /rate[-_.]?limit/,
  /client[-_.]?cert/,
] as const;

/** Whether a name that is not in the table belongs to a family of restricting ones, like "auth-something-new". */
export function isOfRestrictingFamily(name: string): boolean {
  const lower = name.toLowerCase();
  return FAMILIES.some((family) => family.test(lower));
}
