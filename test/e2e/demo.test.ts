// `npm run demo`, as a newcomer has it, in a clone of the tree on a test host.

import assert from "node:assert/strict";
import { cp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Machine, REPOSITORY, startMachine } from "../edges/machine.ts";
import type { Running } from "../edges/sandbox.ts";
import { eventually } from "./support/eventually.ts";

const NEEDED = ["agent", "bin", "dist", "examples", "lua", "nginx", "build.ts", "package.json"];

let machine: Machine;
let demo: Running;
let clone: string;

before(async () => {
  machine = await startMachine({ name: "demo", suite: "trixie" });
  clone = join(machine.scratch, "clone");
  for (const name of NEEDED) {
    await cp(join(REPOSITORY, name), join(clone, name), { recursive: true, preserveTimestamps: true });
  }
  await symlink(join(REPOSITORY, "node_modules"), join(clone, "node_modules"));
  demo = await machine.spawn(["sh", join(clone, "examples/demo.sh")]);
  await eventually(`the demo is up: ${demo.output()}`, () => demo.output().includes("Ctrl-C ends all of it"), 60_000);
});

after(() => machine?.stop());

async function curl(line: string): Promise<string> {
  const { stdout } = await machine.exec(["sh", "-c", `${line} -s -w ' %{http_code}'`]);
  return stdout;
}

test("the three curl lines that it prints work as they stand", async () => {
  const lines = demo.output().match(/^ {2}curl .*$/gm) ?? [];
  assert.equal(lines.length, 3);
  const answers = await Promise.all(lines.map(curl));
  assert.deepEqual(
    answers.map((answer) => answer.slice(-3)),
    ["200", "200", "308"],
  );
});

test("status stays on screen and names the hosts", async () => {
  await eventually("hosts are shown", () => /api\.example\.test +\S+ +1\/1/.test(demo.output()));
});

test("an edited and a deleted manifest show at once", async () => {
  const file = join(clone, "examples/manifests/api.yaml");
  const text = await readFile(file, "utf8");
  const path = /path: (\/\S+)/.exec(text)?.[1] ?? "";
  await writeFile(file, text.replaceAll(`path: ${path}`, "path: /edited"));
  const line = "curl -H 'Host: api.example.test' http://127.0.0.1:8080/edited";
  await eventually("the edit is served", async () => (await curl(line)).endsWith("200"));
  await rm(file);
  await eventually("the deletion is served", async () => (await curl(line)).endsWith("404"));
});

test("Ctrl-C ends all of it and leaves nothing behind", async () => {
  demo.kill("SIGINT");
  await demo.exited;
  const processes = await machine.exec(["pgrep", "-af", "backend.js|nginx|dist/"], { reject: false });
  assert.equal(processes.stdout, "");
  const folders = await machine.exec(["find", "/tmp", "-maxdepth", "1", "-name", "headgate-demo.*"]);
  assert.equal(folders.stdout, "");
});
