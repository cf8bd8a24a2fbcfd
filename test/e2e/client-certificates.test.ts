// Client certificates, from the annotation to the handshake: switched on and off, and changed, under requests.

import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { after, before, test, type TestContext } from "node:test";
import { stringify } from "yaml";
import type { KubeObject } from "../kube/paths.ts";
import { Authority } from "../lua/support/authority.ts";
import type { KeyPairText } from "../lua/support/certificates.ts";
import { askTls } from "../lua/support/tls-client.ts";
import { readStatus, statusSays } from "../hostile/support/status.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge, HTTPS_PORT } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice } from "./support/objects.ts";

const HOST = "mtls.example.test";
const OPEN = "open.example.test";

const one = new Authority("one");
const two = new Authority("two");
const alice = one.issue("/CN=alice");
const bob = two.issue("/CN=bob");

let edge: Edge;
let backend: Backend;

before(async () => {
  backend = await startBackend("one");
  edge = await Edge.prepare({ name: "mtls", args: [] });
  await write("web.yaml", service("web"), slice("web", [backend]), site("open", OPEN, {}));
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
  await eventually("the open host is served", async () => (await status(OPEN)) === 200);
});

after(async () => {
  one[Symbol.dispose]();
  two[Symbol.dispose]();
  await Promise.all([edge?.stop(), backend?.stop()]);
});

function site(name: string, host: string, annotations: Readonly<Record<string, string>>): KubeObject {
  const named = Object.entries({ "ssl-redirect": "false", ...annotations }).map(
    ([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value] as const,
  );
  return ingress({ name, host, paths: [{ path: "/", service: "web" }], annotations: Object.fromEntries(named) });
}

function authorities(text: string): KubeObject {
  const metadata = { name: "clients", namespace: "shop" };
  return { apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", stringData: { "ca.crt": text } };
}

async function write(file: string, ...objects: readonly KubeObject[]): Promise<void> {
  await edge.writeManifest(file, objects.map((object) => stringify(object)).join("---\n"));
}

async function status(host: string, certificate?: KeyPairText): Promise<number> {
  return (await askTls(HTTPS_PORT, { address: edge.machine.address, host, certificate })).status;
}

interface Answer {
  readonly began: number;
  readonly ended: number;
  readonly status: number;
}

/** Asks again and again, one request after the other, until the test ends; each is remembered with its times. */
function asks(
  context: TestContext,
  once: () => Promise<number>,
): { readonly answers: readonly Answer[]; stop(): Promise<void> } {
  const answers: Answer[] = [];
  let running = true;
  context.after(() => {
    running = false;
  });
  const loop = (async () => {
    while (running) {
      const began = performance.now();
      // A connection that a reload ends is no answer.
      const code = await once().catch(() => 0);
      answers.push({ began, ended: performance.now(), status: code });
    }
  })();
  return {
    answers,
    async stop() {
      running = false;
      await loop;
    },
  };
}

/** Requests without a certificate: on new connections, on ones that resume sessions, and on one that is kept. */
function withoutCertificate(context: TestContext, host: string): readonly ReturnType<typeof asks>[] {
  const { address } = edge.machine;
  let session: Buffer | undefined;
  const kept = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const onKept = (): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const options = { host: address, port: HTTPS_PORT, servername: host, headers: { host }, agent: kept };
    const outgoing = request(options, (incoming) => {
      incoming.on("error", reject);
      incoming.on("end", () => resolve(incoming.statusCode ?? 0)).resume();
    });
    outgoing.on("error", reject).end();
    return promise;
  };
  return [
    asks(context, () => status(host)),
    asks(context, async () => {
      const answer = await askTls(HTTPS_PORT, { address, host, session });
      session = answer.session ?? session;
      return answer.status;
    }),
    asks(context, onKept),
  ];
}

test("switched on under requests: once refused, nobody is let in again without a certificate", async (context) => {
  await write("mtls.yaml", authorities(one.certificate), site("mtls", HOST, {}));
  await eventually("it is open", async () => (await status(HOST)) === 200);
  const { reloads } = await readStatus(edge);
  const clients = withoutCertificate(context, HOST);
  const beside = asks(context, () => status(OPEN));
  const enough = (): boolean => clients.every(({ answers }) => answers.filter((one) => one.status === 200).length > 5);
  await eventually("all of them are let in", () => Promise.resolve(enough()));
  await write("mtls.yaml", authorities(one.certificate), site("mtls", HOST, { "auth-tls-secret": "shop/clients" }));
  await eventually("nginx asks for one", async () => (await status(HOST)) === 400);
  // A worker of before that has not seen the host yet closes it until it ends.
  await eventually("its own are let in", async () => (await status(HOST, alice)) === 200);
  const applied = performance.now();
  const from = clients.map(({ answers }) => answers.length);
  const asked = (): boolean => clients.every(({ answers }, at) => answers.length > (from[at] ?? 0) + 20);
  await eventually("they went on", () => Promise.resolve(asked()));
  await Promise.all([...clients, beside].map((client) => client.stop()));
  const all = clients.flatMap(({ answers }) => answers);
  const refused = Math.min(...all.filter((one) => ![0, 200].includes(one.status)).map(({ ended }) => ended));
  assert.ok(refused < applied);
  const late = all.filter((one) => one.began > refused && one.status === 200);
  assert.deepEqual(late, [], "let in after the document had arrived");
  const codes = new Set(all.filter((one) => one.began > applied && one.status !== 0).map((one) => one.status));
  assert.deepEqual([...codes], [400], "refused for want of a certificate, sessions of before too");
  const hurt = beside.answers.filter((one) => one.status !== 200 && one.status !== 0);
  assert.deepEqual(hurt, [], "another host");
  assert.equal(await status(HOST, bob), 400);
  assert.equal((await edge.ask({ host: HOST })).status, 308, "never in the clear");
  const now = await readStatus(edge);
  assert.equal(now.reloads.total, reloads.total + 1);
  assert.match(now.reloads.lastReason ?? "", /mutualTls/);
});

test("a new authority beside the old one drops nobody, and the old one's end is the end of its clients", async (context) => {
  const client = asks(context, () => status(HOST, alice));
  await eventually("they ask", () => Promise.resolve(client.answers.length > 20));
  await write(
    "mtls.yaml",
    authorities(one.certificate + two.certificate),
    site("mtls", HOST, { "auth-tls-secret": "clients" }),
  );
  await eventually("the new one's are let in", async () => (await status(HOST, bob)) === 200);
  await client.stop();
  assert.deepEqual(
    client.answers.filter((one) => one.status !== 200 && one.status !== 0),
    [],
  );
  await write("mtls.yaml", authorities(two.certificate), site("mtls", HOST, { "auth-tls-secret": "clients" }));
  await eventually("the old one's are not", async () => (await status(HOST, alice)) === 400);
  assert.equal(await status(HOST, bob), 200);
});

test("without its Secret the host is closed and its owner told, and switched off it is open to all", async () => {
  await write("mtls.yaml", site("mtls", HOST, { "auth-tls-secret": "clients" }));
  await statusSays(edge, {
    code: "secret-missing",
    object: "Ingress shop/mtls",
    field: /auth-tls-secret/,
    message: /there is no Secret shop\/clients of auth-tls-secret: host mtls\.example\.test answers 503/,
  });
  for (const certificate of [undefined, alice, bob]) assert.equal(await status(HOST, certificate), 503);
  await write("mtls.yaml", site("mtls", HOST, {}));
  await eventually("it is open", async () => (await status(HOST)) === 200);
  await eventually("in the clear too", async () => (await edge.ask({ host: HOST })).status === 200);
});

test("a list that nginx could not read keeps nobody from a new policy", async () => {
  const secret = authorities(one.certificate);
  const bad = {
    ...secret,
    stringData: { "ca.crt": one.certificate, "ca.crl": "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" },
  };
  await write("bad.yaml", bad, site("bad", "bad.example.test", { "auth-tls-secret": "clients" }));
  await statusSays(edge, {
    code: "secret-invalid",
    object: "Ingress shop/bad",
    field: /auth-tls-secret/,
    message: /ca\.crl that is no PEM revocation list/,
  });
  assert.equal(await status("bad.example.test", alice), 503);
  const listed = { ...secret, stringData: { "ca.crt": one.certificate, "ca.crl": one.revocations() } };
  await write("bad.yaml", listed, site("bad", "bad.example.test", { "auth-tls-secret": "clients" }));
  await eventually("the good one serves", async () => (await status("bad.example.test", alice)) === 200);
  const { conditions } = await readStatus(edge);
  assert.deepEqual(
    conditions.filter(({ severity }) => severity !== "info"),
    [],
  );
});
