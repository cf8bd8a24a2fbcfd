import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY } from "../edges/machine.ts";

const CLI_BYTES_MAX = 200_000;
const AGENT_ONLY = ["winston", "zod", "nunjucks", "prom-client", "client-node", "yaml", "execa"];
const HEADGATE = join(REPOSITORY, "bin/headgate");

test("the CLI's bundle holds nothing that only the agent needs", () => {
  const file = join(REPOSITORY, "dist/cli.js");
  assert.ok(statSync(file).size < CLI_BYTES_MAX, `${statSync(file).size} bytes`);
  const map: unknown = JSON.parse(readFileSync(`${file}.map`, "utf8"));
  const { sources } = map as { sources: string[] }; // a source map, by esbuild
  assert.ok(sources.some((source) => source.endsWith("agent/cli.ts")));
  const foreign = sources.filter((source) => AGENT_ONLY.some((name) => source.includes(`node_modules/${name}`)));
  assert.deepEqual(foreign, []);
});

test("bundles are ASCII, so that V8 holds a byte for each character", () => {
  for (const name of ["agent", "cli", "cli-lint", "cli-manifests"]) {
    const found = /[^\0-\x7f]/.exec(readFileSync(join(REPOSITORY, "dist", `${name}.js`), "utf8"));
    assert.equal(found, null, name);
  }
});

test("the agent starts without loading undici", () => {
  const told = `data:text/javascript,process.on("exit", () => console.log(process.moduleLoadList.join()))`;
  const agent = join(REPOSITORY, "dist/agent.js");
  const run = spawnSync(process.execPath, ["--import", told, agent, "--nothing"], { encoding: "utf8" });
  assert.equal(run.status, 2);
  assert.match(run.stdout, /NativeModule http\b/);
  assert.doesNotMatch(run.stdout, /undici/);
});

test("what lint and plan load is apart, and whole", () => {
  const cli = readFileSync(join(REPOSITORY, "dist/cli.js"), "utf8");
  const loaded = [...cli.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, name = ""]) => name).filter(isOurs);
  assert.deepEqual(loaded.toSorted(), ["./cli-lint.js", "./cli-manifests.js"]);
  for (const name of loaded) {
    const text = readFileSync(join(REPOSITORY, "dist", name), "utf8");
    assert.deepEqual([...text.matchAll(/^import .* from "([^"]+)"/gm)].map(([, from = ""]) => from).filter(isOurs), []);
  }
  const run = spawnSync(HEADGATE, ["lint", "-"], { input: "{", encoding: "utf8" });
  assert.deepEqual([run.status, run.stderr], [1, ""]);
  assert.match(run.stdout, /^error object-refused: stdin:1/);
  const wrong = spawnSync(HEADGATE, ["lint", "/nonexistent"], { encoding: "utf8" });
  assert.deepEqual([wrong.status, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /^headgate: cannot read \/nonexistent/);
});

function isOurs(name: string): boolean {
  return name.startsWith(".");
}

test("bin/headgate runs through a symbolic link from any folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-link-"));
  try {
    symlinkSync(HEADGATE, join(folder, "first"));
    symlinkSync("first", join(folder, "second"));
    const said = execFileSync(join(folder, "second"), ["version"], { cwd: "/", encoding: "utf8" });
    assert.match(said, /^CLI +\d+\.\d+\.\d+$/m);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("bin/headgate shows the help of run without starting the agent", () => {
  const said = execFileSync(HEADGATE, ["run", "--help"], { encoding: "utf8" });
  assert.match(said, /^Usage: headgate run/);
});

test("bin/headgate says which Node it misses", () => {
  const { status, stderr } = spawnSync(HEADGATE, ["version"], {
    encoding: "utf8",
    env: { ...process.env, HEADGATE_NODE: "/nowhere/node" },
  });
  assert.equal(status, 1);
  assert.match(stderr, /no Node at \/nowhere\/node.*set HEADGATE_NODE/);
});
