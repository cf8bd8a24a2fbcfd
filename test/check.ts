// `npm run check`: what can be said about the code without nginx, a cluster or root, in under 30 seconds.
// One line for each check; the whole output of what fails. Exit 1 when one does.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "./edges/machine.ts";

interface Check {
  readonly name: string;
  readonly argv: readonly string[];
  /** Said when the program is not there. */
  readonly install: string;
  readonly fix: string;
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

const NODE = process.execPath;
const NPM_CI = "Run `npm ci`.";

function fromPackage(path: string): string {
  return join(REPOSITORY, "node_modules", path);
}

function npmCheck(name: string, argv: readonly string[], fix: string): Check {
  const [program = "", ...rest] = argv;
  return { name, argv: [fromPackage(`.bin/${program}`), ...rest], install: NPM_CI, fix };
}

const CHECKS: readonly Check[] = [
  npmCheck("lint", ["oxlint", "--type-aware", "--deny-warnings", "--report-unused-disable-directives"], ""),
  npmCheck("dead code", ["knip", "--no-progress"], ""),
  npmCheck("types", ["tsc", "--noEmit"], ""),
  npmCheck("types of the pure rooms", ["tsc", "--noEmit", "--project", "tsconfig.pure.json"], ""),
  npmCheck("format", ["oxfmt", "--list-different", "."], "Run `npm run format`."),
  {
    name: "Lua",
    argv: ["luacheck", "--quiet", "--no-color", "lua", "test/lua"],
    install: "Install it: apt-get install lua-check",
    fix: "",
  },
  {
    name: "architecture",
    argv: [NODE, "--test", "--test-reporter=spec", "test/arch/*.test.ts"],
    install: "",
    fix: "The table is test/arch/rooms.ts.",
  },
];

async function runCheck(check: Check): Promise<Outcome> {
  const [command = "", ...rest] = check.argv;
  return new Promise((resolve) => {
    let output = "";
    // NODE_TEST_CONTEXT would make the inner `node --test` believe that it is a test file of an outer one.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, FORCE_COLOR: "0" };
    const child = spawn(command, rest, { cwd: REPOSITORY, env, stdio: ["ignore", "pipe", "pipe"] });
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", () => {
      resolve({ ok: false, output: `${command} is not installed. ${check.install}\n` });
    });
    child.on("close", (code) => {
      resolve({ ok: code === 0, output });
    });
  });
}

async function report(check: Check): Promise<boolean> {
  const started = performance.now();
  const { ok, output } = await runCheck(check);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${ok ? "ok    " : "FAILED"} ${check.name} (${seconds} s)\n`);
  if (!ok) process.stdout.write(`${output.trimEnd()}\n${check.fix ? `${check.fix}\n` : ""}`);
  return ok;
}

/** The slow ones first, as many at a time as there are cores. */
async function runAll(): Promise<boolean> {
  const waiting = [...CHECKS];
  let allOk = true;
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      if (!(await report(check))) allOk = false;
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  return allOk;
}

process.exitCode = (await runAll()) ? 0 : 1;
