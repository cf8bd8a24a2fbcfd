// Every annotation of ingress-nginx (controller 1.15: 136 names and 2 aliases) and those of its past that still stand
// in manifests, with what it means here, and our own. One table: a name that gets served changes its row and nothing
// else has to know.

/**
 * - `restricting`: without it, requests would get through that it keeps out or slows down. Not served, or with a
 *   value that cannot be used, it closes its routes.
 * - `plain`: without it, the request is served in another way. A warning.
 * - `alternative`: its Ingress is an alternative to another one (canary) and gets no traffic of its own, also where
 *   its key is misspelt.
 */
export type AnnotationEffect = "restricting" | "plain" | "alternative";

export interface AnnotationRule {
  readonly effect: AnnotationEffect;
  /** policy.ts reads its value. */
  readonly served: boolean;
  /** In ingress-nginx it holds for all paths of the Ingress's hosts, also for those of other Ingresses. */
  readonly wholeHost: boolean;
  /**
   * Values with which the annotation plainly restricts nothing, trimmed and in lower case. Only where ingress-nginx
   * itself would do nothing at all; an empty allow list, "optional" client certificates or the like are not harmless.
   */
  readonly off: readonly string[];
  /** What to do instead, for one that is not served. In the imperative. */
  readonly instead: string;
}

/** What policy.ts serves, with its effect. */
const SERVED: Readonly<Record<string, AnnotationEffect>> = {
  "allowlist-source-range": "restricting",
  "whitelist-source-range": "restricting",
  "denylist-source-range": "restricting",
  affinity: "plain",
  "affinity-canary-behavior": "plain",
  "affinity-mode": "plain",
  "auth-always-set-cookie": "restricting",
  "auth-cache-duration": "restricting",
  "auth-cache-key": "restricting",
  "auth-keepalive": "restricting",
  "auth-keepalive-requests": "restricting",
  "auth-keepalive-share-vars": "restricting",
  "auth-keepalive-timeout": "restricting",
  "auth-method": "restricting",
  "auth-proxy-set-headers": "restricting",
  "auth-request-redirect": "restricting",
  "auth-response-headers": "restricting",
  "auth-signin": "restricting",
  "auth-signin-redirect-param": "restricting",
  "auth-url": "restricting",
  // Ours: whether the certificate of the service that is asked is looked at.
  "auth-verify": "restricting",
  "app-root": "plain",
  "auth-tls-error-page": "restricting",
  "auth-tls-match-cn": "restricting",
  "auth-tls-pass-certificate-to-upstream": "restricting",
  "auth-tls-secret": "restricting",
  "auth-tls-verify-client": "restricting",
  "auth-tls-verify-depth": "restricting",
  "auth-realm": "restricting",
  "auth-secret": "restricting",
  "auth-secret-type": "restricting",
  "auth-type": "restricting",
  "cors-allow-credentials": "plain",
  "cors-allow-headers": "plain",
  "cors-allow-methods": "plain",
  "cors-allow-origin": "plain",
  "cors-expose-headers": "plain",
  "cors-max-age": "plain",
  "enable-cors": "plain",
  "custom-headers": "plain",
  "custom-http-errors": "plain",
  "default-backend": "plain",
  "disable-proxy-intercept-errors": "plain",
  // Ours: a header that a backend relies on.
  "request-headers": "restricting",
  "response-headers": "plain",
  "upstream-vhost": "plain",
  "x-forwarded-prefix": "plain",
  "backend-protocol": "plain",
  canary: "alternative",
  "canary-by-cookie": "plain",
  "canary-by-header": "plain",
  "canary-by-header-pattern": "plain",
  "canary-by-header-value": "plain",
  "canary-weight": "plain",
  "canary-weight-total": "plain",
  "force-ssl-redirect": "plain",
  "from-to-www-redirect": "plain",
  // Ours: ingress-nginx has no bound.
  "hash-balance-factor": "plain",
  "limit-allowlist": "restricting",
  "limit-whitelist": "restricting",
  "limit-burst-multiplier": "restricting",
  "limit-connections": "restricting",
  "limit-rate": "restricting",
  "limit-rate-after": "restricting",
  "limit-rpm": "restricting",
  "limit-rps": "restricting",
  // Ours: ingress-nginx has one status for all.
  "limit-status": "restricting",
  "load-balance": "plain",
  "permanent-redirect": "plain",
  "permanent-redirect-code": "plain",
  "upstream-hash-by": "plain",
  "proxy-body-size": "plain",
  "proxy-buffer-size": "plain",
  "proxy-buffering": "plain",
  "proxy-connect-timeout": "plain",
  "proxy-cookie-domain": "plain",
  "proxy-cookie-path": "plain",
  "proxy-redirect-from": "plain",
  "proxy-redirect-to": "plain",
  "proxy-next-upstream": "plain",
  "proxy-next-upstream-timeout": "plain",
  "proxy-next-upstream-tries": "plain",
  "proxy-read-timeout": "plain",
  "proxy-request-buffering": "plain",
  "proxy-send-timeout": "plain",
  // Sent unverified, a request would trust a backend that its owner does not.
  "proxy-ssl-name": "restricting",
  "proxy-ssl-secret": "restricting",
  "proxy-ssl-server-name": "plain",
  "proxy-ssl-verify": "restricting",
  "proxy-ssl-verify-depth": "restricting",
  "rewrite-target": "plain",
  // Before backend-protocol (0.21); "true" meant https.
  satisfy: "restricting",
  "secure-backends": "plain",
  "server-alias": "plain",
  "session-cookie-change-on-failure": "plain",
  "session-cookie-conditional-samesite-none": "plain",
  "session-cookie-domain": "plain",
  "session-cookie-expires": "plain",
  "session-cookie-max-age": "plain",
  "session-cookie-name": "plain",
  "session-cookie-path": "plain",
  "session-cookie-samesite": "plain",
  "session-cookie-secure": "plain",
  "ssl-redirect": "plain",
  "temporal-redirect": "plain",
  "temporal-redirect-code": "plain",
  "use-regex": "plain",
};

const ZERO = ["0"] as const;
const FALSE = ["false"] as const;
const BLANK = [""] as const;

const RESTRICTING: Readonly<Record<string, readonly string[]>> = {
  "auth-snippet": BLANK,
  "configuration-snippet": BLANK,
  // "false" opts out of an authentication that only a ConfigMap can ask for, "true" relies on it.
  "enable-global-auth": FALSE,
  "enable-modsecurity": FALSE,
  "enable-owasp-core-rules": FALSE,
  "modsecurity-snippet": BLANK,
  "modsecurity-transaction-id": [],
  "server-snippet": BLANK,
  "stream-snippet": BLANK,
  // Gone from ingress-nginx, still in manifests: rate limits by memcached, and the first web application firewall.
  "global-rate-limit": ZERO,
  "global-rate-limit-window": [],
  "global-rate-limit-key": [],
  "global-rate-limit-ignored-cidrs": [],
  "lua-resty-waf": ["inactive"],
};

const INSTEAD_RESTRICTING = "remove it, or leave this Ingress to a controller that serves it";
const PROXY_SETTINGS = "set it for all routes in the configuration file (section `proxy`), and remove it";
const HEADERS = "let the application set the header";
const REDIRECTS = "redirect in the application, or by an Ingress whose backend answers the redirect";
const UPSTREAM_TLS = "TLS 1.2 and 1.3 with OpenSSL's ciphers are spoken to backends";
const NOTHING = "remove it";

/** Advice → names: what is served in another way without them. */
const PLAIN: readonly (readonly [instead: string, names: string])[] = [
  ["set it for all hosts in the configuration file (section `http`), and remove it", "client-body-buffer-size"],
  [PROXY_SETTINGS, "proxy-buffers-number proxy-busy-buffers-size proxy-max-temp-file-size"],
  [HEADERS, "connection-proxy-header http2-push-preload"],
  [
    "the access log is one for all hosts: set it in the configuration file (`nginx.accessLog`)",
    "enable-access-log enable-rewrite-log",
  ],
  [
    "X-Request-ID is handed to backends; trace there",
    "enable-opentelemetry opentelemetry-operation-name opentelemetry-trust-incoming-span",
  ],
  ["put a web server that speaks HTTP before the FastCGI program", "fastcgi-index fastcgi-params-configmap"],
  [REDIRECTS, "relative-redirects use-port-in-redirects"],
  ["the https redirect keeps the path as it is, also its last slash", "preserve-trailing-slash"],
  ["one peer is asked for a value, not one of several", "upstream-hash-by-subset upstream-hash-by-subset-size"],
  ["annotate the Service with `headgate.dev/endpoints: clusterIP`", "service-upstream"],
  ["copy traffic in the application", "mirror-host mirror-request-body mirror-target"],
  ["backends are asked with HTTP/1.1", "proxy-http-version"],
  [UPSTREAM_TLS, "proxy-ssl-ciphers proxy-ssl-protocols"],
  [
    "set it for all hosts in the configuration file (section `tls`), and remove it",
    "ssl-ciphers ssl-prefer-server-ciphers",
  ],
  ["end TLS here with the host's certificate, or forward its port at the firewall", "ssl-passthrough"],
];

// The TLS handshake and a server block know no paths.
function holdsForWholeHost(name: string): boolean {
  return name.startsWith("auth-tls-") || name === "server-snippet";
}

type Row = [string, AnnotationRule];

/** The table, by the name after the prefix. */
export const ANNOTATIONS: ReadonlyMap<string, AnnotationRule> = new Map<string, AnnotationRule>([
  ...Object.entries(SERVED).map(([name, effect]): Row => [
    name,
    { effect, served: true, wholeHost: holdsForWholeHost(name), off: [], instead: NOTHING },
  ]),
  ...Object.entries(RESTRICTING).map(([name, off]): Row => [
    name,
    { effect: "restricting", served: false, wholeHost: holdsForWholeHost(name), off, instead: INSTEAD_RESTRICTING },
  ]),
  ...PLAIN.flatMap(([instead, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name): Row => [name, { effect: "plain", served: false, wholeHost: false, off: [], instead }]),
  ),
]);

/** The names whose near misspellings count as themselves. */
export const RESTRICTING_NAMES: readonly string[] = [...ANNOTATIONS]
  .filter(([, rule]) => rule.effect === "restricting")
  .map(([name]) => name);

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
