// plan, diff and explain --live on a real edge: what they say is what then happens, and saying it changes nothing.

import assert from "node:assert/strict";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import type { ExplainReport, LintReport, PlanReport, RenderReport } from "../../agent/api/wire.ts";
import type { KubeObject } from "../kube/paths.ts";
import { REPOSITORY } from "../edges/machine.ts";
import { type Backend, startBackend } from "./support/backend.ts";
import { makePair } from "./support/certificates.ts";
import { Edge } from "./support/edge.ts";
import { eventually } from "./support/eventually.ts";
import { ingress, service, slice, tlsSecret } from "./support/objects.ts";

const HOST = "shop.example.test";
const HEADGATE = join(REPOSITORY, "bin/headgate");

let edge: Edge;
let one: Backend;
let two: Backend;
/** Manifests that are not applied yet; the machine sees them. */
let drafts: string;

before(async () => {
  [one, two] = await Promise.all([startBackend("one"), startBackend("two")]);
  edge = await Edge.prepare({ name: "plan", args: [] });
  drafts = join(edge.machine.scratch, "drafts");
  await mkdir(drafts);
  await edge.writeManifest(
    "10-shop.yaml",
    yaml(
      service("web"),
      slice("web", [one]),
      service("old"),
      slice("old", [one]),
      ingress({
        name: "web",
        host: HOST,
        paths: [
          { path: "/", service: "web" },
          { path: "/old", service: "old" },
        ],
      }),
    ),
  );
  await edge.run(["--manifests", edge.manifestDir]);
  await edge.ready();
});

after(async () => {
  await Promise.all([edge?.stop(), one?.stop(), two?.stop()]);
});

function yaml(...objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

async function json<T>(...args: readonly string[]): Promise<{ report: T; exitCode: number }> {
  const { stdout, stderr, exitCode } = await edge.headgate(...args, "-o", "json");
  assert.notEqual(stdout, "", stderr);
  return { report: JSON.parse(stdout) as T, exitCode }; // the agent's own wire format
}

async function documents(): Promise<ReadonlyMap<string, unknown>> {
  const { report } = await json<RenderReport>("render");
  return new Map(report.documents.map(({ kind, key, value }) => [`${kind}/${key}`, value]));
}

/** A call of the push API. */
async function push(...args: readonly string[]): Promise<string> {
  const socket = join(edge.stateDir, "run/push/push.sock");
  const { stdout } = await edge.machine.exec(["curl", "-sSf", "--unix-socket", socket, ...args]);
  return stdout;
}

/** What must not change while something is only planned. */
async function state(): Promise<unknown> {
  const { generation, pushes, reloads, problems, appliedAt } = await edge.status();
  const { stdout: counter } = await edge.machine.exec(["cat", join(edge.stateDir, "generation")]);
  return { generation, pushes, reloads, problems, appliedAt, counter, documents: [...(await documents())] };
}

/** The documents as they would be, by what the plan says. */
function planned(before: ReadonlyMap<string, unknown>, plan: PlanReport): ReadonlyMap<string, unknown> {
  const documentsAfter = new Map(before);
  for (const { kind, key, change, after: value } of plan.documents) {
    if (change === "delete") documentsAfter.delete(`${kind}/${key}`);
    else documentsAfter.set(`${kind}/${key}`, value);
  }
  return documentsAfter;
}

function sorted(map: ReadonlyMap<string, unknown>): unknown {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

test("plan says which documents change and that nothing reloads; applying gives exactly these", async () => {
  const pair = await makePair("shop", [HOST]);
  await cp(edge.manifestDir, drafts, { recursive: true });
  await writeFile(
    join(drafts, "10-shop.yaml"),
    yaml(
      service("web"),
      slice("web", [two]),
      service("api"),
      slice("api", [two]),
      tlsSecret("tls", pair),
      ingress({
        name: "web",
        host: HOST,
        tls: [{ hosts: [HOST], secretName: "tls" }],
        paths: [
          { path: "/", service: "web" },
          { path: "/api", service: "api" },
        ],
      }),
    ),
  );
  const unplanned = await state();
  const earlier = await documents();
  const text = await edge.headgate("plan", "--replace", drafts);
  assert.equal(text.exitCode, 0, text.stderr);
  assert.match(text.stdout, /^change Ingress shop\/web \(10-shop\.yaml:\d+\)\n  hosts: shop\.example\.test\n/m);
  assert.match(text.stdout, /^delete Service shop\/old/m);
  const diff = await json<PlanReport>("diff", "--replace", drafts);
  assert.equal(diff.exitCode, 1);
  const { report: plan } = diff;
  assert.equal(plan.reload, null);
  assert.match(text.stdout, new RegExp(`change ${plan.documents.length} documents, 0 reloads, 0 new problems\n$`));
  assert.doesNotMatch(JSON.stringify(plan), /PRIVATE KEY/);
  assert.deepEqual(await state(), unplanned, "planning changed something");

  await rm(join(edge.manifestDir, "10-shop.yaml"));
  await cp(drafts, edge.manifestDir, { recursive: true });
  await eventually("it is applied", async () => (await edge.who({ host: HOST, path: "/api", tls: true })) === "two");
  await eventually("all of it", async () => {
    assert.deepEqual(sorted(await documents()), sorted(planned(earlier, plan)));
    return true;
  });
  assert.equal((await edge.status()).reloads.total, 0);
  const again = await edge.headgate("diff", "--replace", drafts);
  assert.deepEqual([again.exitCode, again.stdout], [0, ""], "nothing is left to do");
});

test("a new error makes plan exit 1, in the words of lint before and of status after", async () => {
  const file = join(drafts, "20-broken.yaml");
  await writeFile(
    file,
    yaml(ingress({ name: "broken", host: "broken.example.test", paths: [{ path: "/", service: "missing" }] })),
  );
  const { report: plan, exitCode } = await json<PlanReport>("plan", file);
  assert.equal(exitCode, 1);
  const [problem] = plan.newProblems;
  assert.equal(problem?.code, "service-missing");
  const linted = await edge.machine.exec([HEADGATE, "lint", drafts, "-o", "json"], { reject: false });
  assert.equal(linted.exitCode, 1, linted.stderr);
  const lint = JSON.parse(linted.stdout) as LintReport; // our own wire format
  assert.deepEqual(
    lint.problems.find(({ code }) => code === "service-missing"),
    problem,
  );
  await cp(file, join(edge.manifestDir, "20-broken.yaml"));
  const told = await eventually("status tells", async () => {
    const { problems } = await edge.status();
    return problems.find(({ code }) => code === "service-missing");
  });
  assert.deepEqual(told, problem);
  const gone = await json<PlanReport>("plan", "--delete", file);
  assert.equal(gone.exitCode, 0);
  assert.deepEqual(gone.report.goneProblems, [problem]);
  await rm(join(edge.manifestDir, "20-broken.yaml"));
});

test("a change that needs more shared memory is a reload, named before it happens", async () => {
  const paths = Array.from({ length: 1000 }, (_, index) => ({
    path: `/${"long-".repeat(20)}${index}`,
    service: "web",
  }));
  const folder = join(drafts, "big");
  await mkdir(folder);
  for (let file = 0; file < 20; file++) {
    const big = ingress({ name: `big-${file}`, host: `big-${file}.example.test`, paths });
    await writeFile(join(folder, `big-${file}.json`), JSON.stringify(big));
  }
  const quiet = await edge.headgate("plan", folder);
  assert.equal(quiet.exitCode, 0, quiet.stderr);
  assert.match(quiet.stdout, /^nginx would reload: documentsDictMb, versionsDictMb changed$/m);
  const loud = await edge.headgate("plan", "--fail-on-reload", folder);
  assert.equal(loud.exitCode, 1);
  const diff = await edge.headgate("diff", folder);
  assert.match(diff.stdout, /^\+ +lua_shared_dict \S*documents\S* \d+m;$/m);
  await cp(folder, join(edge.manifestDir, "big"), { recursive: true });
  const reloads = await eventually(
    "it reloads",
    async () => {
      const { reloads: told } = await edge.status();
      return told.total === 1 ? told : null;
    },
    60_000,
  );
  assert.equal(reloads.lastReason, "documentsDictMb, versionsDictMb changed");
});

test("explain --live: nginx agrees, and a document that nginx holds otherwise is a named difference", async () => {
  const urls = [
    `https://${HOST}/api/x?y=1`,
    `http://${HOST}/`,
    `http://nobody.example.test/`,
    `http://${HOST}/%2e%2e/x`,
  ];
  for (const url of urls) {
    const { stdout, exitCode } = await edge.headgate("explain", "--live", "GET", url);
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /^nginx agrees$/m);
  }
  const held = await push("http://nginx/v1/documents/backend/shop/api/80");
  const document = JSON.parse(held) as { generation: number; value: { addresses: string[] } }; // the push API's own
  const meddled = {
    ...document,
    generation: document.generation + 1,
    value: { ...document.value, addresses: ["10.9.9.9"] },
  };
  await push("-X", "PUT", "--data-binary", JSON.stringify(meddled), "http://nginx/v1/documents");
  const { report, exitCode } = await json<ExplainReport>("explain", "--live", "GET", `https://${HOST}/api/x`);
  assert.equal(exitCode, 1);
  const [difference, ...others] = report.live?.differences ?? [];
  assert.deepEqual(others, []);
  assert.deepEqual(
    [difference?.what, difference?.model, difference?.nginx],
    ["peers", `${two.address}:${two.port}`, `10.9.9.9:${two.port}`],
  );
  const shown = await edge.headgate("explain", "--live", "GET", `https://${HOST}/api/x`);
  assert.match(shown.stdout, /^DIFFERS +MODEL +NGINX\npeers /m);
});
