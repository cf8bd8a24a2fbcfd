// What a tenant says that its backend's certificate shall be held against is the one text of a tenant that gets a file
// of its own beside nginx's: one that OpenSSL cannot read must not keep others from theirs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { type Backend, startBackend } from "../e2e/support/backend.ts";
import { makePair } from "../e2e/support/certificates.ts";
import { Edge } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress } from "../e2e/support/objects.ts";
import type { KubeObject } from "../kube/paths.ts";
import { beside, bystanderObjects, bystanderServes } from "./support/bystander.ts";
import { readStatus, statusSays } from "./support/status.ts";
import { BYSTANDER_FILE } from "./support/victim.ts";

let edge: Edge;
let backend: Backend;

before(async () => {
  backend = await startBackend("bystander");
  edge = await Edge.prepare({ name: "authorities", args: [] });
  const bystander = await bystanderObjects(backend);
  await edge.writeManifest(BYSTANDER_FILE, bystander.map((object) => stringify(object)).join("---\n"));
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
  await eventually("the bystander is served", () => bystanderServes(edge));
});

after(async () => {
  await Promise.all([edge?.stop(), backend?.stop()]);
});

const BLOCK = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
const HARMS: Readonly<Record<string, (good: string) => string>> = {
  "a block of no certificate": () => BLOCK("AAAA"),
  "a block that is not base64": () => BLOCK("A===A"),
  "a certificate, and a block of none behind it": (good) => `${good}\n${BLOCK("AAAA")}`,
  "a certificate that is cut off": (good) => good.replace(/\n.{20}/, "\n"),
};

for (const [index, [name, harm]] of Object.entries(HARMS).entries()) {
  test(`${name} closes its own route and keeps nobody from theirs`, () => {
    const work = async (): Promise<void> => {
      const { certificate } = await makePair(`authority-${index}`, ["bystander.shop.svc"]);
      await write(`bad-${index}`, harm(certificate));
      await statusSays(edge, {
        code: "secret-invalid",
        object: `Ingress shop/bad-${index}`,
        field: /proxy-ssl-secret/,
        message: /has no ca\.crt with PEM certificates/,
      });
      assert.equal((await edge.ask({ host: `bad-${index}.example.test` })).status, 503);
      await write(`good-${index}`, certificate);
      // The backend speaks no TLS: 502 says that the profile is there.
      const host = `good-${index}.example.test`;
      await eventually("the good one is asked", async () => (await edge.ask({ host })).status === 502);
      const { conditions } = await readStatus(edge);
      assert.deepEqual(
        conditions.filter(({ severity }) => severity !== "info"),
        [],
      );
    };
    return beside(edge, work, true);
  });
}

/** An Ingress of this name, whose backend is held against `authorities`. */
async function write(name: string, authorities: string): Promise<void> {
  const annotations = {
    "nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
    "nginx.ingress.kubernetes.io/proxy-ssl-verify": "on",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret": `shop/${name}`,
  };
  const objects: readonly KubeObject[] = [
    ingress({ name, host: `${name}.example.test`, paths: [{ path: "/", service: "bystander" }], annotations }),
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: "shop" },
      type: "Opaque",
      stringData: { "ca.crt": authorities },
    },
  ];
  await edge.writeManifest(`${name}.yaml`, objects.map((object) => stringify(object)).join("---\n"));
}
