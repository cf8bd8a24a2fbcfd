// Settings of headers, for all hosts. Names that nginx's files set themselves are refused: the second would count, or
// neither.

import type { HeaderSetting } from "../render/traffic.ts";
import { type Setting, setting } from "./setting.ts";
import { other, same, words } from "./setting-kinds.ts";

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}";
/** What a value may name; render/quote.ts takes no other. */
const VARIABLES = "host|remote_addr|request_id|request_method|request_uri|scheme|server_port";
const VALUE = `(?!\\s)([ !-#%-~]|\\$(?:${VARIABLES})\\b){1,4000}`;
const FRAMING =
  "connection|content-length|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|proxy|expect";
const OURS =
  "x-forwarded-.*|forwarded|x-real-ip|x-scheme|x-request-id|x-original-.*|x-rewrite-url|x-accel-.*|ssl-client-.*|front-end-https";
const OF_ANSWERS = "set-cookie|strict-transport-security|content-.*|date|location|server|x-accel-.*";

const line = (refused: string): RegExp => new RegExp(`^(?!(?:${refused}):)${TOKEN}: ${VALUE}$`, "i");
const header = (refused: string): RegExp => new RegExp(`^(?!(?:${refused})$)${TOKEN}$`, "i");

/** What Ingresses may set on their answers. */
export const INGRESS_HEADER_SETTINGS: readonly Setting[] = [
  setting(
    "ingress.allowedResponseHeaders",
    words(header(FRAMING), "X-Frame-Options", 1000),
    "headers that Ingresses may set on answers; none written: all but those that no Ingress may set",
    {
      nullable: true,
      counterparts: other(
        "global-allowed-response-headers",
        "",
        "a backend may send them anyway: custom-headers works without this list",
      ),
    },
  ),
];

export const HTTP_HEADER_SETTINGS: readonly Setting[] = [
  setting(
    "http.addHeaders",
    words(line(`${FRAMING}|${OF_ANSWERS}`), "X-Frame-Options: DENY"),
    "headers of all answers",
    {
      default: [],
      counterparts: other("add-headers", "", "the headers stand here, not in a ConfigMap"),
    },
  ),
  setting(
    "http.hideHeaders",
    words(header(`${FRAMING}|content-.*|location|set-cookie`), "X-Powered-By"),
    "headers of backends' answers that clients do not get",
    { default: [], counterparts: same("hide-headers", "") },
  ),
];

export const PROXY_HEADER_SETTINGS: readonly Setting[] = [
  setting(
    "proxy.setHeaders",
    words(line(`${FRAMING}|${OURS}`), "X-Served-By: $host"),
    "headers of all requests to backends; those of the client by these names are gone",
    { default: [], counterparts: other("proxy-set-headers", "", "the headers stand here, not in a ConfigMap") },
  ),
];

/** A line of a list, taken apart. */
export function headerSetting(written: string): HeaderSetting {
  const colon = written.indexOf(":");
  return { name: written.slice(0, colon), value: written.slice(colon + 1).trim() };
}
