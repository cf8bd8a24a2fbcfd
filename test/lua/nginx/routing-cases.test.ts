// The routing cases, by requests to a real nginx: what the model answers (test/unit/model/routing.test.ts) and what
// the Lua router answers must be one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { EdgeModel } from "../../../agent/model/edge-model.ts";
import {
  renderBackend,
  renderCertificate,
  type RenderedDocument,
  renderHost,
  renderRoute,
  renderServerName,
  renderUsers,
} from "../../../agent/render/documents.ts";
import { buildModel, loadRoutingCases, requestOf, restrictingCase } from "../../routing/cases.ts";
import { Backend, raw, rawSecure, statusOf } from "../support/backend.ts";
import { keyPair } from "../support/certificates.ts";
import { TestNginx } from "../support/nginx.ts";
import type { Line } from "../support/push.ts";

/** Those of the Secret shop/clients: what they verify by does not matter, for no case shows a certificate. */
const POLICIES = (["on", "optional"] as const).map((verify) => {
  const { certificate: authorities } = keyPair("ca", "ec");
  const name = `mtls-shop-${verify === "on" ? "n" : "o"}1`;
  return { name, verify, depth: 1, authorities, revocations: null, hosts: [] };
});

/** Documents of a model in the order in which they must arrive. */
function documentsOf({ hosts, backends, certificates }: EdgeModel): readonly RenderedDocument[] {
  const built = [...hosts.values()];
  return [
    ...[...backends.values()].flatMap(({ backends: all }) => all.map((backend) => renderBackend(backend))),
    ...[...certificates.values()].flatMap(({ certificate }) =>
      certificate === null ? [] : [renderCertificate(certificate)],
    ),
    ...[...certificates.values()].flatMap(({ users }) => users.map(renderUsers)),
    ...built.flatMap(({ routes }) => routes.map((route) => renderRoute(route))),
    ...built.flatMap(({ host }) => (host === null ? [] : [renderHost(host)])),
    ...built.flatMap(({ serverName }) => (serverName === null ? [] : [renderServerName(serverName)])),
  ];
}

/** What the backend sees of a target that nothing rewrites, on hosts that are not strict or for paths that are plain. */
function sentAsWritten(target: string): string {
  return target.replace(/#.*$/, "");
}

describe("routing cases, by nginx", () => {
  let nginx: TestNginx;
  let backend: Backend;
  let generation = 0;
  before(async () => {
    nginx = await TestNginx.start({ view: { mutualTls: { policies: POLICIES, plainHosts: [] } } });
    backend = await Backend.start("b");
  });
  after(async () => {
    await backend[Symbol.asyncDispose]();
    await nginx[Symbol.asyncDispose]();
  });

  async function push(documents: readonly RenderedDocument[], gone: boolean): Promise<void> {
    const lines = documents.map(({ kind, key, text }): Line => {
      generation += 1;
      return { kind, key, generation, value: gone ? null : (JSON.parse(text) as unknown) };
    });
    for (const [index, result] of (lines.length === 0 ? [] : await nginx.push.put(...lines)).entries()) {
      assert.equal(result.result, "applied", `${JSON.stringify(lines[index])}: ${result.message ?? ""}`);
    }
  }

  for (const routingCase of [...loadRoutingCases(), restrictingCase()]) {
    test(`${routingCase.file}: ${routingCase.name}`, async () => {
      const [address = "", port = ""] = backend.peer.split(":");
      const model = buildModel(routingCase, { address, port: Number(port) });
      const routes = new Map([...model.hosts.values()].flatMap(({ routes: all }) => all.map((one) => [one.key, one])));
      const documents = documentsOf(model);
      await push(documents, false);
      try {
        for (const { url, expect, headers = {} } of routingCase.requests) {
          const { secure, host, target, user } = requestOf(url);
          const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
          if (user !== null) more.push(`Authorization: Basic ${Buffer.from(user).toString("base64")}`);
          const text = [`GET ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...more, "", ""].join("\r\n");
          const answer = secure ? await rawSecure(nginx.https, host, text) : await raw(nginx.http, text);
          assert.equal(statusOf(answer), expect.status, url);
          if (expect.location !== undefined) {
            assert.equal(/^Location: (.*)\r$/im.exec(answer)?.[1], expect.location, url);
          }
          if (expect.status === 200) assert.equal(backend.seen.at(-1)?.url, expect.sent ?? sentAsWritten(target), url);
          if (expect.ingress === undefined || expect.status === 400) continue;
          const query = new URLSearchParams({ host, path: target, scheme: secure ? "https" : "http" });
          for (const line of more) query.append("header", line);
          const explained = await nginx.push.json<{ route?: string; backend?: string }>(
            "GET",
            `/v1/explain?${query.toString()}`,
          );
          if (expect.service !== undefined) assert.equal(explained.backend, expect.service, url);
          const route = routes.get(explained.route ?? "");
          assert.equal(explained.route === undefined, route === undefined, url);
          const ingress = route?.ingress.kind === "Ingress" ? `${route.ingress.namespace}/${route.ingress.name}` : null;
          assert.equal(ingress, expect.ingress, url);
          if (expect.path !== undefined) assert.equal(route?.path, expect.path, url);
        }
      } finally {
        await push([...documents].reverse(), true);
      }
    });
  }
});
