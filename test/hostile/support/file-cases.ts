// Harms of files rather than of what stands in them.

import { execFileSync } from "node:child_process";
import { chmod, mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Case, INGRESS, LAST_GOOD, NOWHERE } from "./case.ts";
import type { ExpectedProblem } from "./status.ts";
import { allBy, VICTIM_FILE } from "./victim.ts";

const GONE = { ...allBy("status 404"), host: "status 404 as Headgate default certificate" };

function unreadable(message: RegExp, where = VICTIM_FILE): ExpectedProblem {
  return { code: "object-refused", object: "", where: new RegExp(`^${where}$`), field: NOWHERE, message };
}

export const FILE_CASES: readonly Case[] = [
  {
    name: "a binary file in place of the good one keeps all its objects as they were",
    harm: (site) => site.write(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3, 0xff])),
    problem: unreadable(/is a binary file/),
    answers: LAST_GOOD,
  },
  {
    name: "a file that is no UTF-8",
    harm: (site) => site.write(Buffer.from([0x61, 0x3a, 0x20, 0xc3, 0x28, 0x0a])),
    problem: unreadable(/is not UTF-8/),
    answers: LAST_GOOD,
  },
  {
    name: "a file of 12 MB",
    harm: (site) => site.write(`${site.text()}#${"a".repeat(12 * 1024 * 1024)}`),
    problem: unreadable(/has \d{8} bytes, more than 10485760/),
    answers: LAST_GOOD,
  },
  {
    name: "a file that may not be read",
    harm: (site) => chmod(site.path, 0),
    problem: unreadable(/permission denied/),
    answers: LAST_GOOD,
  },
  {
    name: "a link that leads to itself",
    harm: async (site) => {
      await symlink(VICTIM_FILE, `${site.path}.new`);
      await rename(`${site.path}.new`, site.path);
    },
    problem: unreadable(/symbolic links lead in a circle/),
    answers: LAST_GOOD,
  },
  {
    name: "a link that leads nowhere",
    harm: async (site) => {
      await symlink("nowhere.yaml", `${site.path}.new`);
      await rename(`${site.path}.new`, site.path);
    },
    problem: unreadable(/no such file/),
    answers: LAST_GOOD,
  },
  {
    name: "a pipe that nobody writes to is not waited for",
    harm: async (site) => {
      execFileSync("mkfifo", [join(site.edge.manifestDir, "pipe.yaml")]);
    },
    problem: unreadable(/is no regular file/, "pipe.yaml"),
    answers: LAST_GOOD,
  },
  {
    name: "a file name that moves the cursor of a terminal",
    harm: (site) => site.edge.writeManifest("evil\u001b[2J\nname.yaml", "42"),
    problem: unreadable(/no Kubernetes object/, "evil[^]*name\\.yaml:1 \\(document 1\\)"),
    answers: LAST_GOOD,
  },
  {
    name: "the same object in two files: the first by name counts, the second is told",
    harm: (site) => site.edge.writeManifest("zz-copy.yaml", site.text(site.other)),
    problem: {
      code: "object-refused",
      object: INGRESS,
      where: /^zz-copy\.yaml:\d+ \(document 4\)$/,
      field: /^metadata\.name$/,
      message: /stands already at victim\.yaml:\d+/,
    },
    answers: LAST_GOOD,
  },
  {
    name: "folders without an end",
    harm: async (site) => {
      await mkdir(join(site.edge.manifestDir, "a/b/c/d/e/f/g/h/i/j/k"), { recursive: true });
    },
    problem: null,
    answers: LAST_GOOD,
  },
  {
    name: "an empty file is an order: its objects go, and nobody else's",
    harm: (site) => site.write(""),
    problem: null,
    answers: GONE,
  },
  {
    name: "a file that is deleted",
    harm: (site) => rm(site.path),
    problem: null,
    answers: GONE,
  },
];
