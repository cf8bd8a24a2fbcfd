// `headgate lint` as a process: it needs no agent.

import assert from "node:assert/strict";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LintReport } from "../../../agent/api/wire.ts";
import { folderFor, runCli } from "./support.ts";

const SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{name: http, port: 80}]}\n";
const SLICE = `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
`;

function ingress(more = "", className = "headgate", service = "web"): string {
  return `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web${more}}
spec:
  ingressClassName: ${className}
  rules:
    - host: shop.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ${service}, port: {number: 80}}}}]}
`;
}

test("clean manifests: a sum, and exit 0", async (t) => {
  const folder = await folderFor(t);
  await mkdir(join(folder, "shop"));
  await writeFile(join(folder, "shop", "web.yaml"), [SERVICE, SLICE, ingress()].join("---\n"));
  await writeFile(join(folder, "other.yml"), ingress("2", "traefik"));
  await writeFile(join(folder, "notes.txt"), "no manifest");
  const { code, out, err } = await runCli(["lint", folder]);
  assert.deepEqual([code, err], [0, ""]);
  assert.equal(out, "4 objects in 2 files: 0 errors, 0 warnings; 1 Ingress of other classes\n");
});

test("errors come first, each with object, file and line, field and fix; exit 1", async (t) => {
  const folder = await folderFor(t);
  await writeFile(
    join(folder, "a.yaml"),
    [SERVICE, SLICE.replace("[10.0.0.1]", "[127.0.0.1]"), ingress()].join("---\n"),
  );
  await writeFile(join(folder, "b.yaml"), "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 80}\n");
  await writeFile(join(folder, "c.json"), "{");
  const { code, out } = await runCli(["lint", folder]);
  assert.equal(code, 1);
  const lines = out.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["error object-refused:", "error no-endpoints:", "error object-refused:", "warning endpoint-refused:", "3 objects"],
  );
  assert.match(lines[0] ?? "", /^error object-refused: c\.json:1 \(document 1\): is no JSON.* Mend the JSON\.$/);
  assert.match(lines[1] ?? "", /^error no-endpoints: Service default\/web, a\.yaml:1, spec\.selector: port 80 has /);
  assert.match(lines[2] ?? "", /^error object-refused: Service default\/x, b\.yaml:1 \(document 1\), spec\.port: /);
});

test("standard input, several paths, and a file that is named directly", async (t) => {
  const folder = await folderFor(t);
  await writeFile(join(folder, "a.yaml"), SERVICE + "---\n" + SLICE);
  const { code, out } = await runCli(["lint", join(folder, "a.yaml"), "-"], {
    stdin: ingress("", "headgate", "nobody"),
  });
  assert.equal(code, 1);
  assert.match(out, /^error service-missing: Ingress default\/web, stdin:1, /);
  const two = await runCli(["lint", "a.yaml", "./a.yaml"], { cwd: folder });
  assert.match(two.out, /^error object-refused: Service default\/web, a\.yaml:1 .*stands already at/m);
  const empty = await runCli(["lint", "/dev/null"]);
  assert.deepEqual(
    [empty.code, empty.out],
    [
      1,
      "error object-refused: null: is no regular file. Keep only manifests in the directory.\n0 objects in 1 file: 1 error, 0 warnings\n",
    ],
  );
});

test("--partial takes what is only named for there", async () => {
  const stdin = ingress("", "headgate", "elsewhere");
  assert.equal((await runCli(["lint", "-"], { stdin })).code, 1);
  assert.deepEqual(await runCli(["lint", "--partial", "-"], { stdin }), {
    code: 0,
    out: "1 object in 1 file: 0 errors, 0 warnings\n",
    err: "",
  });
  const other = await runCli(["lint", "--partial", "-"], { stdin: stdin.replace("shop.example.org", "bad host") });
  assert.equal(other.code, 1);
  assert.match(other.out, /^error host-invalid/);
});

test("a Service that is a DNS name is no fault where the configuration allows it, and is not resolved here", async (t) => {
  const folder = await folderFor(t);
  const config = join(folder, "config.yaml");
  const external = SERVICE.replace("{ports", "{type: ExternalName, externalName: db.example.org, ports");
  const stdin = [external, ingress()].join("---\n");
  const off = await runCli(["lint", "-"], { stdin });
  assert.equal(off.code, 1);
  assert.match(off.out, /^error backend-unsupported: Service default\/web, stdin:1, spec\.type: /);
  await writeFile(config, 'endpoints: {externalNames: ["*.example.org"]}\n');
  const out =
    "note: Service default/web is db.example.org, which is not resolved here: its peers show when it is served.\n" +
    "2 objects in 1 file: 0 errors, 0 warnings\n";
  assert.deepEqual(await runCli(["lint", "--config", config, "-"], { stdin }), { code: 0, out, err: "" });
});

test("--warnings-as-errors, and -o json", async () => {
  const stdin = [
    SERVICE,
    SLICE,
    ingress(', annotations: {nginx.ingress.kubernetes.io/proxy-buffers-number: "8"}'),
  ].join("---\n");
  const warned = await runCli(["lint", "-", "-o", "json"], { stdin });
  assert.equal(warned.code, 0, warned.out);
  const report = JSON.parse(warned.out) as LintReport; // our own wire format
  assert.deepEqual(
    [report.apiVersion, report.files, report.objects, report.problems.map(({ code }) => code)],
    ["headgate/v1", 1, 3, ["annotation-unsupported"]],
  );
  assert.equal((await runCli(["lint", "--warnings-as-errors", "-"], { stdin })).code, 1);
});

test("the configuration of the agent decides, by --config and HEADGATE_CONFIG", async (t) => {
  const folder = await folderFor(t);
  const config = join(folder, "config.yaml");
  await writeFile(config, "source: {kubernetes: {kubeconfig: /nowhere}}\ningress: {classes: [public]}\n");
  const stdin = ingress("", "public", "nobody");
  assert.match((await runCli(["lint", "-"], { stdin })).out, /1 Ingress of other classes/);
  for (const [args, env] of [
    [["--config", config], {}],
    [[], { HEADGATE_CONFIG: config }],
  ] as const) {
    const { code, out } = await runCli(["lint", ...args, "-"], { stdin, env });
    assert.equal(code, 1);
    assert.match(out, /service-missing/);
  }
  await writeFile(config, "ingres: {}\n");
  const wrong = await runCli(["lint", "--config", config, "-"], { stdin });
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /cannot use the configuration: .*config\.yaml:1/);
});

test("what cannot be read is an error of its file, and the others are judged", async (t) => {
  const folder = await folderFor(t);
  await writeFile(join(folder, "a.yaml"), SERVICE);
  await symlink("nowhere.yaml", join(folder, "b.yaml"));
  await writeFile(join(folder, "c.yaml"), Buffer.from([0x61, 0]));
  await chmod(join(folder, "a.yaml"), 0o644);
  const { code, out } = await runCli(["lint", folder]);
  assert.equal(code, 1);
  assert.match(out, /^error object-refused: b\.yaml: cannot be read: no such file/m);
  assert.match(out, /^error object-refused: c\.yaml: is a binary file/m);
  assert.match(out, /^1 object in 3 files: 2 errors, 0 warnings$/m);
  const gone = await runCli(["lint", join(folder, "missing")]);
  assert.deepEqual([gone.code, gone.out], [2, ""]);
});
