// One schema for both sides: the examples that busted holds Lua to, and what the agent renders.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { Ajv } from "ajv";

import {
  renderBackend,
  renderCertificate,
  type RenderedDocument,
  renderHost,
  renderRoute,
  renderServerName,
  renderUsers,
} from "../../agent/render/documents.ts";
import { NO_TIMES } from "../../agent/model/ingress/times.ts";

interface Example {
  readonly name: string;
  readonly line: unknown;
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, path), "utf8")) as T; // files of ours
}

const validate = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false }).compile(
  read<object>("../../lua/schema/document.schema.json"),
);

describe("document schema", () => {
  for (const { name, line } of read<readonly Example[]>("documents/good.json")) {
    test(`takes ${name}`, () => {
      assert.ok(validate(line), JSON.stringify(validate.errors));
    });
  }
  for (const { name, line } of read<readonly Example[]>("documents/bad.json")) {
    test(`refuses ${name}`, () => {
      assert.ok(!validate(line));
    });
  }

  const rendered: readonly RenderedDocument[] = [
    renderBackend({
      key: "shop/web/80",
      namespace: "shop",
      service: "web",
      port: "80",
      peers: [{ address: "2001:db8::1", port: 8080, weight: 1 }],
      notReady: 0,
      draining: 0,
      reason: null,
    }),
    renderRoute({
      key: "shop/front/0a1b",
      ingress: { kind: "Ingress", namespace: "shop", name: "front" } as Parameters<typeof renderRoute>[0]["ingress"], // a reference in full is not needed here
      host: "shop.example.org",
      path: "/",
      matchType: "Prefix",
      backend: "shop/web/80",
      closed: { reason: "auth-url is not served" },
      sslRedirect: "certificate",
      filters: [
        { kind: "basic_auth", realm: "Shop", users: "shop/users/auth-file" },
        {
          kind: "limit",
          key: "shop/front",
          exempt: ["10.0.0.0/8"],
          connections: 1,
          rates: [{ requests: 1, periodS: 60, burst: 5 }],
          status: null,
        },
        { kind: "bandwidth", bytesPerS: 1024, afterBytes: 0 },
      ],
      protocol: "http",
      upstreamTls: null,
      times: NO_TIMES,
      balance: null,
    }),
    renderHost({
      name: "*.example.org",
      aliasOf: null,
      expressions: [],
      exact: new Map([["/a", "shop/front/0a1b"]]),
      prefixes: new Map([["/", "shop/front/0a1b"]]),
      fallback: null,
      strictPaths: true,
    }),
    renderUsers({ key: "shop/users/auth-file", users: new Map([["ann", "{PLAIN}secret"]]) }),
    renderServerName({ name: "_", certificate: null }),
    renderCertificate({
      key: "shop/tls",
      certificate: "-----BEGIN CERTIFICATE-----\n",
      privateKey: "-----BEGIN EC PRIVATE KEY-----\n",
      names: ["shop.example.org"],
      notBefore: 0,
      notAfter: 1_900_000_000_999,
      fingerprint: "ab:cd",
    }),
  ];
  for (const { kind, key, text } of rendered) {
    test(`takes what the agent renders: ${kind}`, () => {
      const line = { kind, key, generation: 1, schema: 1, value: JSON.parse(text) as unknown };
      assert.ok(validate(line), JSON.stringify(validate.errors));
    });
  }
});
