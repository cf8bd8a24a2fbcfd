import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANNOTATIONS } from "../../../agent/model/ingress/annotations.ts";
import { readGuards } from "../../../agent/model/ingress/guards.ts";
import { CLASS_ANNOTATION, trimAnnotations } from "../../../agent/objects/annotation-keys.ts";

const PREFIX = "nginx.ingress.kubernetes.io";
/** As they come to the model: through the trimming that sources do. */
const closes = (key: string, value = "x"): boolean => readGuards(trimAnnotations({ [key]: value })).closing.length > 0;

describe("the table of annotations", () => {
  test("has the 138 names of ingress-nginx, those of its past that restricted, and ours", () => {
    const ours = ["auth-verify", "hash-balance-factor", "limit-status", "request-headers", "response-headers"];
    const past = [...ANNOTATIONS.keys()].filter(
      (name) => name.startsWith("global-rate-limit") || name === "lua-resty-waf" || name === "secure-backends",
    );
    for (const name of ours) assert.ok(ANNOTATIONS.has(name), name);
    assert.equal(ANNOTATIONS.size - past.length - ours.length, 138);
    assert.equal(past.length, 6);
  });

  test("restricts by every annotation that keeps requests out", () => {
    const families =
      /^auth-|^limit-|snippet$|^(allow|deny|white)list-|^satisfy$|^modsecurity|^enable-(modsecurity|owasp|global-auth)/;
    for (const [name, rule] of ANNOTATIONS) {
      if (families.test(name)) assert.equal(rule.effect, "restricting", name);
    }
  });
});

describe("guards", () => {
  test("every restricting annotation that is not served closes, every plain one warns with what to do instead", () => {
    for (const [name, rule] of ANNOTATIONS) {
      assert.notEqual(rule.instead, "", name);
      if (rule.served) continue;
      const guards = readGuards({ [`${PREFIX}/${name}`]: "some value" });
      assert.equal(guards.closing.length, rule.effect === "restricting" ? 1 : 0, name);
      assert.equal(guards.unsupported.length, rule.effect === "restricting" ? 0 : 1, name);
    }
  });

  test("misspellings of a restricting one close too: name, prefix, case, separators", () => {
    for (const key of [
      `${PREFIX}/whitelist-source-rang`,
      `${PREFIX}/whitelist-source-ranges`,
      `${PREFIX}/auth-ulr`,
      `${PREFIX}/auth_url`,
      `${PREFIX}/authURL`,
      `${PREFIX}/Auth-Url`,
      `${PREFIX}/auht-url`,
      `${PREFIX}/limit-rsp`,
      `${PREFIX}/statisfy`,
      `${PREFIX}/satsify`,
      `${PREFIX}/server-snipet`,
      `${PREFIX}/configuration-snippets`,
      `${PREFIX}/enable-mod-security`,
      `${PREFIX}/auth-something-new`,
      `${PREFIX}/blacklist-source-range`,
      `${PREFIX}/ allowlist-source-range`,
      "nginx.ingress.kubernets.io/auth-url",
      "nginx.ingress.k8s.io/auth-url",
      "ngnix.ingress.kubernetes.io/auth-url",
      "nginx.ingres.kubernetes.io/auth-url",
      "Nginx.Ingress.Kubernetes.io/auth-url",
      "ingress.kubernetes.io/auth-snippet",
      "ngnix.ingress.kubernetes.io/whitelist-source-range",
      "nginx-ingress.kubernetes.io/auth-url",
      `${PREFIX}.auth-url`,
      `${PREFIX}-auth-url`,
      `${PREFIX}//auth-url`,
      "headgate.dev/auth-snippet",
    ]) {
      assert.ok(closes(key), key);
    }
  });

  test("other tools' annotations, and plain ones, close nothing", () => {
    for (const key of [
      `${PREFIX}/proxy-body-size`,
      `${PREFIX}/proxy-body-sise`,
      `${PREFIX}/cors-allow-origin`,
      `${PREFIX}/ssl-redirect`,
      `${PREFIX}/rewrite-targe`,
      `${PREFIX}/unknown`,
      "cert-manager.io/cluster-issuer",
      "traefik.ingress.kubernetes.io/auth-url",
      "alb.ingress.kubernetes.io/auth-type",
      "haproxy-ingress.github.io/auth-url",
      "external-dns.alpha.kubernetes.io/hostname",
      CLASS_ANNOTATION,
    ]) {
      assert.ok(!closes(key), key);
    }
  });

  test("a value that plainly asks for nothing leaves it open, a doubtful one does not", () => {
    assert.ok(!closes(`${PREFIX}/enable-modsecurity`, "false"));
    assert.ok(!closes(`${PREFIX}/global-rate-limit`, " 0 "));
    assert.ok(!closes(`${PREFIX}/server-snippet`, "  \n"));
    assert.ok(closes(`${PREFIX}/enable-modsecurity`, "no"));
    assert.ok(closes(`${PREFIX}/global-rate-limit`, ""));
    assert.ok(closes(`${PREFIX}/auth-snippet`, "none"));
    assert.ok(closes(`${PREFIX}/limit-rsp`, "0"), "of a misspelt one nobody knows what the value means");
  });

  test("a served name under a prefix that is nearly right is not guessed at", () => {
    const guards = readGuards({ "ngnix.ingress.kubernetes.io/rewrite-target": "/" });
    assert.deepEqual(guards.closing, []);
    assert.equal(guards.unsupported[0]?.fix, `correct it to ${PREFIX}/rewrite-target, or remove it`);
    assert.deepEqual(readGuards({ [`${PREFIX}/rewrite-target`]: "/" }).unsupported, []);
  });

  test("remarks name the key in printable form, what is wrong and a fix", () => {
    const [remark] = readGuards({ [`${PREFIX}/auth-ulr\u0007`]: "x" }).closing;
    assert.deepEqual(remark, {
      key: `${PREFIX}/auth-ulr\ufffd`,
      message: "looks like auth-url, which restricts access: its routes answer 503",
      fix: `correct it to ${PREFIX}/auth-url, or remove it`,
    });
    assert.deepEqual(readGuards({ "kubernetes.io/ingres.class": "nginx" }).unsupported, [
      { key: "kubernetes.io/ingres.class", message: "is not known", fix: `did you mean ${CLASS_ANNOTATION}?` },
    ]);
  });
});
