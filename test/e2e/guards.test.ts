// Passwords and limits, from manifests to answers.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { KubeObject } from "../kube/paths.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, NAMESPACE, service, slice } from "./support/objects.ts";

const HOST = "staff.example.test";
const PREFIX = "nginx.ingress.kubernetes.io";
/** "secret", by `openssl passwd -apr1`, and "other". */
const SECRET_HASH = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
const OTHER_HASH = "$apr1$ijklmnop$MsV1KJAtBqDzHcfT1dHma0";

let edge: Edge;
let web: Backend;

before(async () => {
  web = await startBackend("web");
  edge = await Edge.prepare({ name: "guards", args: [], portFlags: true });
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
  await edge.writeManifest("web.yaml", yaml(service("web"), slice("web", [web])));
});

after(async () => {
  await Promise.all([edge?.stop(), web?.stop()]);
});

function yaml(...objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

function users(auth: string): KubeObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name: "users", namespace: NAMESPACE }, stringData: { auth } };
}

async function status(user: string | null): Promise<number> {
  const headers = user === null ? {} : { authorization: `Basic ${Buffer.from(user).toString("base64")}` };
  return (await edge.ask({ host: HOST, headers })).status;
}

test("users of a Secret are let in, each change counts without a reload, and without them nobody is", async () => {
  const annotations = { [`${PREFIX}/auth-type`]: "basic", [`${PREFIX}/auth-secret`]: "users" };
  const staff = ingress({ name: "staff", host: HOST, annotations, paths: [{ path: "/", service: "web" }] });
  await edge.writeManifest("staff.yaml", yaml(staff));
  await eventually("closed without its Secret", async () => (await status("ann:secret")) === 503);
  const missing = await eventually("it is told", async () =>
    (await edge.status()).problems.find(({ code }) => code === "secret-missing"),
  );
  assert.match(missing.message, /^Secret shop\/users of auth-secret is not there/);

  await edge.writeManifest("users.yaml", yaml(users(`ann:${SECRET_HASH}\nbob\n`)));
  await eventually("ann gets in", async () => (await status("ann:secret")) === 200);
  assert.deepEqual([await status(null), await status("ann:other"), await status("bob:")], [401, 401, 401]);
  const broken = await eventually("the broken line is told", async () =>
    (await edge.status()).problems.find(({ code }) => code === "secret-invalid"),
  );
  assert.match(broken.message, /line 2 has no colon/);

  await edge.writeManifest("users.yaml", yaml(users(`ann:${OTHER_HASH}\n`)));
  await eventually("the new password counts", async () => (await status("ann:other")) === 200);
  assert.equal(await status("ann:secret"), 401);
  for (const command of [["render"], ["plan", "-f", join(edge.manifestDir, "users.yaml")], ["status", "-o", "json"]]) {
    const { stdout, stderr } = await edge.headgate(...command);
    assert.ok(!`${stdout}${stderr}`.includes("apr1"), `${command.join(" ")} tells no hash`);
  }
  const { answer, live } = await edge.explain("GET", `http://${HOST}/`, "--live");
  assert.deepEqual([answer.kind, live?.differences], ["proxy", []]);

  await rm(join(edge.manifestDir, "users.yaml"));
  await eventually("closed again", async () => (await status("ann:other")) === 503);
  assert.equal((await edge.status()).reloads.total, 0);
});

test("a client beyond a limit gets 503 until its time has come", async () => {
  const annotations = { [`${PREFIX}/limit-rpm`]: "1", [`${PREFIX}/limit-burst-multiplier`]: "3" };
  const open = ingress({ name: "staff", host: HOST, annotations, paths: [{ path: "/", service: "web" }] });
  await edge.writeManifest("staff.yaml", yaml(open));
  const statuses: number[] = [];
  await eventually("the limit holds", async () => {
    statuses.push(await status(null));
    return statuses.includes(200) && statuses.at(-1) === 503;
  });
  assert.equal(statuses.filter((code) => code === 200).length, 4, "one and a burst of three");
  const { status: code, headers } = await edge.ask({ host: HOST });
  assert.deepEqual([code, Number(headers["retry-after"]) > 30], [503, true]);
  assert.equal((await edge.status()).reloads.total, 0);
});
