// Whatever stands in the strings of objects: it reaches documents alone, which all follow the schema, and no file of
// nginx. From the untrusted object through trim, store, model and render.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import fc from "fast-check";
import { inspectKeyPair } from "../../../agent/certificates/key-pair.ts";
import { EdgeBuilder } from "../../../agent/loop/edge-builder.ts";
import { buildBackends } from "../../../agent/model/build-backends.ts";
import { buildCertificate } from "../../../agent/model/build-certificate.ts";
import { buildHost } from "../../../agent/model/build-host.ts";
import { ANNOTATIONS } from "../../../agent/model/ingress/annotations.ts";
import { allKeys } from "../../../agent/model/keys.ts";
import { openTemplates } from "../../../agent/nginx/templates.ts";
import { trimObject } from "../../../agent/objects/trim.ts";
import { type RenderedFile, renderNginxFiles } from "../../../agent/render/files.ts";
import { SETTINGS, storeOf } from "../model/objects.ts";
import { wish } from "../../support/nginx-wish.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 400);
const REPOSITORY = join(import.meta.dirname, "../../..");

/** Stands in every hostile string, and in nothing of ours. */
const MARK = "h0st1le!";

const INJECTIONS = [
  '"; return 200; #',
  "}\nserver { listen 81; }\n",
  "$host",
  "${uri}",
  "{{ generation }}",
  "{% raw %}",
  "]] os.execute('x') --",
  "\u0000",
  "\r\nX-A: b",
  "\u001b[2J",
  "/../../etc/passwd",
  "%0d%0a",
  "%00",
  "\\",
  "'",
  "\ud800",
  "\u202e",
  "a".repeat(5000),
  "*.",
  "_",
  "__proto__",
  "(.*)",
  "(a+)+$",
  "$1$9$0",
  "[a-",
];
const AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const nasty = fc.oneof(fc.constantFrom(...INJECTIONS), fc.string({ unit: "binary", maxLength: 20 }));
const hostile = fc.tuple(nasty, fc.boolean()).map(([text, before]) => (before ? `${text}${MARK}` : `${MARK}${text}`));

/** A field that costs the whole object when it is bad: nearly always one of the good values. */
function field(...good: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: hostile });
}
/** A field that is judged by itself: hostile half of the time, also behind a good beginning. */
function begun(...good: readonly string[]): fc.Arbitrary<string> {
  const longer = fc.tuple(fc.constantFrom(...good), hostile).map(([one, text]) => `${one}${text}`);
  return fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...good) }, longer, hostile);
}

const SERVED = [...ANNOTATIONS]
  .filter(([, rule]) => rule.served)
  .map(([name]) => `nginx.ingress.kubernetes.io/${name}`);
const annotation = fc.tuple(
  fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...SERVED) }, { weight: 1, arbitrary: hostile }),
  begun(
    "true",
    "HTTPS",
    "GRPC",
    "/$1",
    "/x",
    "10.0.0.0/8",
    "a.example",
    "shop/ca",
    "on",
    "^/a",
    "8m",
    "shop/headers",
    "X-A: b",
  ),
);
const prefixed = (entries: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(entries.map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]));
/** A backend whose certificate is held against authorities of a Secret: the one text of a tenant that gets a file. */
const verifying = begun("web.shop.svc").map((sni) =>
  prefixed([
    ["backend-protocol", "HTTPS"],
    ["proxy-ssl-verify", "on"],
    ["proxy-ssl-secret", "shop/ca"],
    ["proxy-ssl-name", sni],
  ]),
);
const annotations = fc.oneof(
  { weight: 2, arbitrary: fc.array(annotation, { maxLength: 3 }).map((entries) => Object.fromEntries(entries)) },
  { weight: 1, arbitrary: verifying },
);
const metadata = (own: string): fc.Arbitrary<object> =>
  fc.record({ name: field(own), namespace: field("shop"), annotations });
const backend = fc.record({
  service: fc.record({
    name: field("web"),
    port: fc.oneof(
      fc.constant({ number: 80 }),
      field("http").map((port) => ({ name: port })),
    ),
  }),
});
const path = fc.record({
  path: begun("/", "/a", "/a(.*)", "/A.b"),
  pathType: field("Prefix", "Exact", "ImplementationSpecific"),
  backend,
});
const rule = fc.record({
  host: begun("a.example", "*.example", "b.example", ""),
  http: fc.record({ paths: fc.array(path, { maxLength: 3 }) }),
});
const anyIngress = fc.record({
  apiVersion: fc.constant("networking.k8s.io/v1"),
  kind: fc.constant("Ingress"),
  metadata: metadata("web"),
  spec: fc.record({
    ingressClassName: fc.constant("headgate"),
    rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
    tls: fc.array(fc.record({ hosts: fc.array(begun("a.example"), { maxLength: 2 }), secretName: field("ca") }), {
      maxLength: 1,
    }),
  }),
});
const anyService = fc.record({
  apiVersion: fc.constant("v1"),
  kind: fc.constant("Service"),
  metadata: metadata("web"),
  spec: fc.record({
    type: field("ClusterIP"),
    ports: fc.constant([80]).chain(() =>
      fc.array(
        fc.record({
          name: field("http"),
          port: fc.constant(80),
          targetPort: field("8080"),
          appProtocol: field("https", "h2c"),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    ),
  }),
});
const anySlice = fc.record({
  apiVersion: fc.constant("discovery.k8s.io/v1"),
  kind: fc.constant("EndpointSlice"),
  metadata: fc.record({
    name: field("web-1"),
    namespace: field("shop"),
    labels: field("web").map((service) => ({ "kubernetes.io/service-name": service })),
  }),
  addressType: field("IPv4"),
  ports: fc.array(fc.record({ name: field("http"), port: fc.constant(8080), protocol: field("TCP") }), {
    maxLength: 2,
  }),
  endpoints: fc.array(fc.record({ addresses: fc.array(begun("10.0.0.1"), { minLength: 1 }), zone: field("z") }), {
    maxLength: 3,
  }),
});
const anySecret = fc.record({
  apiVersion: fc.constant("v1"),
  kind: fc.constant("Secret"),
  metadata: metadata("ca"),
  type: field("kubernetes.io/tls"),
  stringData: fc.record({
    "tls.crt": hostile,
    "tls.key": hostile,
    "ca.crt": field(AUTHORITY, `# ${MARK}\n${AUTHORITY}`),
  }),
});

const validate = new Ajv({ strict: true, strictTypes: false, strictRequired: false }).compile(
  JSON.parse(readFileSync(join(REPOSITORY, "lua/schema/document.schema.json"), "utf8")) as object, // a file of ours
);
const templates = openTemplates(join(REPOSITORY, "nginx/templates"));

/** The edge of these objects: what their trim lets through. */
function edgeOf(raws: readonly unknown[]): EdgeBuilder {
  const objects = raws.flatMap((raw) => {
    const readAuthorities = (pem: string): string => pem;
    const trimmed = trimObject(raw, { strict: false, position: null, inspectKeyPair, readAuthorities });
    return trimmed.kind === "object" ? [trimmed.object] : [];
  });
  const store = storeOf(objects);
  const builder = new EdgeBuilder({
    host: (host) => buildHost(store, SETTINGS, host),
    backends: (service) => buildBackends(store, SETTINGS, service),
    certificate: (secret) => buildCertificate(store, SETTINGS, secret, 0),
  });
  for (const key of allKeys(store)) builder.build(key);
  return builder;
}

function filesOf({ verified, variants }: Pick<EdgeBuilder, "verified" | "variants">): readonly RenderedFile[] {
  return renderNginxFiles({ ...wish, generation: 1, verified, variants }, templates);
}

test("no string of an object reaches a file that nginx parses, and every document follows the schema", () => {
  const plain = new Map(filesOf({ verified: [], variants: [] }).map(({ path: file, text }) => [file, text]));
  const seen = { documents: 0, hostile: 0, profiles: 0 };
  const raws = fc.tuple(fc.array(anyIngress, { minLength: 1, maxLength: 3 }), anyService, anySlice, anySecret);
  fc.assert(
    fc.property(raws, ([ingresses, ...others]) => {
      const builder = edgeOf([...ingresses, ...others]);
      for (const { kind, key, text } of builder.wanted.values()) {
        const line = { kind, key, generation: 1, schema: 1, value: JSON.parse(text) as unknown };
        assert.ok(validate(line), `${kind} ${key}: ${JSON.stringify(validate.errors)} in ${text}`);
        seen.documents += 1;
        if (text.includes(MARK)) seen.hostile += 1;
      }
      for (const { path: file, text } of filesOf(builder)) {
        assert.ok(!file.includes(MARK) && /^[a-z0-9./-]+$/.test(file), file);
        // Read by OpenSSL, which takes certificates and comments.
        if (file.endsWith(".pem")) {
          seen.profiles += 1;
          continue;
        }
        assert.ok(!text.includes(MARK), `${file} holds a string of an object`);
        if (builder.verified.length === 0 && builder.variants.length === 0) assert.equal(text, plain.get(file), file);
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(seen.documents > RUNS && seen.hostile > RUNS / 20 && seen.profiles > 0, JSON.stringify(seen));
});
