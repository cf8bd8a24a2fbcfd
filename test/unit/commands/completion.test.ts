// Completion, by the shells themselves where they are there.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { folderFor, runCli } from "./support.ts";

let bash = "";

before(async () => {
  bash = (await runCli(["completion", "bash"])).out;
});

/** What bash offers for a line; the last word is the one that is completed. */
function offers(line: string, cwd = "/"): readonly string[] {
  const words = line.split(" ");
  const program = [
    bash,
    `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})`,
    `COMP_CWORD=${words.length - 1}`,
    "$(complete -p headgate | sed 's/.*-F \\([^ ]*\\) .*/\\1/') headgate",
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join("\n");
  const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-euc", program], { cwd, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash completes commands, and every command of the help is one", async () => {
  const { out } = await runCli(["--help"]);
  const commands = [...out.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name);
  assert.ok(commands.length >= 9);
  assert.deepEqual(offers("headgate ").toSorted(), [...commands, "help"].toSorted());
  assert.deepEqual(offers("headgate st"), ["status"]);
  assert.deepEqual(offers("headgate help ver"), ["version"]);
});

test("bash completes options, their values, and words", async () => {
  assert.deepEqual(offers("headgate status --w"), ["--watch"]);
  assert.deepEqual(offers("headgate status -o "), ["text", "json"]);
  assert.deepEqual(offers("headgate plan --output j"), ["json"]);
  assert.deepEqual(offers("headgate completion "), ["bash", "zsh", "fish"]);
  assert.deepEqual(offers("headgate run --man"), ["--manifests"]);
  assert.deepEqual(offers("headgate run --edge "), [], "a name is nothing to complete");
  for (const name of ["status", "plan", "diff", "lint", "explain", "render", "version"]) {
    const help = (await runCli([name, "--help"])).out;
    const options = [...help.matchAll(/^ {2}(?:-\w, | {4})(--[a-z-]+)/gm)].map(([, option = ""]) => option);
    assert.deepEqual(offers(`headgate ${name} --`).toSorted(), options.toSorted(), name);
  }
});

test("bash completes files, with spaces in their names too", async (t) => {
  const folder = await folderFor(t);
  await mkdir(join(folder, "shop"));
  await writeFile(join(folder, "shop one.yaml"), "");
  await writeFile(join(folder, "other.yaml"), "");
  assert.deepEqual(offers("headgate lint sh", folder).toSorted(), ["shop", "shop one.yaml"]);
  assert.deepEqual(offers("headgate plan --delete oth", folder), ["other.yaml"]);
});

test("the scripts are what their shells can read", async (t) => {
  const file = join(await folderFor(t), "script");
  const zsh = (await runCli(["completion", "zsh"])).out;
  const fish = (await runCli(["completion", "fish"])).out;
  for (const [shell, script] of [
    ["bash", bash],
    ["zsh", zsh],
    ["fish", fish],
  ] as const) {
    await writeFile(file, script);
    const { status, stderr, error } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    if (shell === "bash" || error === undefined) assert.equal(status, 0, `${shell}: ${stderr}`);
  }
  assert.match(zsh, /^#compdef headgate\n/);
  assert.match(zsh, /^ {8}'status:How this edge is, worst first'$/m);
  assert.match(
    zsh,
    /^ {12}_arguments -s '-o\[text or json\]:FORMAT:\(text json\)' '--output\[text or json\]:FORMAT:\(text json\)' /m,
  );
  assert.match(zsh, /'\*--delete\[take away the objects in these manifests\]:PATH:_files'/);
  assert.match(zsh, /'\*:file:_files'$/m);
  assert.match(fish, /^complete -c headgate -n __fish_use_subcommand -a plan -d '/m);
  assert.match(
    fish,
    /^complete -c headgate -n '__fish_seen_subcommand_from status' -l output -s o -x -a 'text json' -d/m,
  );
  assert.match(fish, /^complete -c headgate -n '__fish_seen_subcommand_from lint' -F$/m);
});

test("a shell that is not known is named, with those that are", async () => {
  const { code, err } = await runCli(["completion", "tcsh"]);
  assert.equal(code, 2);
  assert.match(err, /cannot complete for "tcsh".*\nName one of bash, zsh, fish\./);
});
